/** Refuses names that nobody knows, with the nearest that somebody does. */

/**
 * Refuses all names of a value that are not known.
 *
 * @param what What takes them, for the message, such as "run".
 * @throws TypeError: one is unknown, or the value is no object.
 */
export function checkNames(value: object, known: readonly string[], what: string): void {
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    throw new TypeError(`${what} is ${shown(value)}: give an object`);
  }
  for (const name of Object.keys(value)) {
    if (known.includes(name)) continue;
    // What other APIs call a thing is often a part of its name here, "stop" of stopSequences, or the same with dashes.
    const plain = name.replace(/[^a-z0-9]/gi, "").toLowerCase();
    const near = known.filter((one) => one.toLowerCase() === plain || words(one).includes(plain));
    const hint = near.length ? `did you mean ${near.slice(0, 3).join(" or ")}?` : `it takes ${known.join(", ")}`;
    throw new TypeError(`${what} takes no ${JSON.stringify(name)}: ${hint}`);
  }
}

/** A value for an error's message, cut at 100 characters. */
export function shown(value: unknown): string {
  const text = typeof value === "bigint" ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length <= 100 ? text : `${text.slice(0, 100)}…`;
}

function words(name: string): string[] {
  return name.split(/(?=[A-Z])/).map((word) => word.toLowerCase());
}
