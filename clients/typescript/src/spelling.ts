/** Refuses names that nobody knows, with the nearest that somebody does. */
import { object } from "./values.js";

/**
 * Refuses all names of a value that are not known.
 *
 * @param what What takes them, for the message, such as "run".
 * @throws TypeError: one is unknown, or the value is no object.
 */
export function checkNames(value: unknown, known: readonly string[], what: string): void {
  for (const name of Object.keys(object(value, what))) {
    if (known.includes(name)) continue;
    // What other APIs call a thing is often a part of its name here, "stop" of stopSequences, or the same with dashes.
    const plain = name.replace(/[^a-z0-9]/gi, "").toLowerCase();
    const near = known.filter((one) => one.toLowerCase() === plain || words(one).includes(plain));
    const hint = near.length ? `did you mean ${near.slice(0, 3).join(" or ")}?` : `it takes ${known.join(", ")}`;
    throw new TypeError(`${what} takes no ${JSON.stringify(name)}: ${hint}`);
  }
}

function words(name: string): string[] {
  return name.split(/(?=[A-Z])/).map((word) => word.toLowerCase());
}
