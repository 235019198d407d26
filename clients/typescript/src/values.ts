/** Checks of values before they are sent: each refuses what its field can't hold, and names the field. */
import { inspect } from "node:util";

/** Gives the value back, as its field has it; throws a TypeError that begins with `where`, which names the field. */
export type Check<T> = (value: unknown, where: string) => T;

type Checked<Checks> = { [Name in keyof Checks]?: Checks[Name] extends Check<infer T> ? T : never };

const MAX_INT32 = 2 ** 31 - 1;

/** Checks those of an object's members that are not undefined. */
export function checked<Checks extends Record<string, Check<unknown>>>(value: object, checks: Checks): Checked<Checks> {
  const pairs = Object.entries(checks).map(([name, check]) => {
    const member = (value as Record<string, unknown>)[name];
    return [name, member === undefined ? undefined : check(member, name)];
  });
  return Object.fromEntries(pairs.filter(([, member]) => member !== undefined)) as Checked<Checks>;
}

/** What a check lets through, or undefined for what is not there; OpenAI's messages have null there. */
export function optional<T>(check: Check<T>): Check<T | undefined> {
  return (value, where) => (value === undefined || value === null ? undefined : check(value, where));
}

/** A text without half of a surrogate pair, which UTF-8 can't hold. */
export function text(value: unknown, where: string): string {
  if (typeof value !== "string") throw new TypeError(`${where} is ${shown(value)}: give a text`);
  if (!value.isWellFormed()) throw new TypeError(`${where} has half of a surrogate pair, which is no character`);
  return value;
}

export function flag(value: unknown, where: string): boolean {
  if (typeof value !== "boolean") throw new TypeError(`${where} is ${shown(value)}: give true or false`);
  return value;
}

export function number(value: unknown, where: string): number {
  if (typeof value !== "number") throw new TypeError(`${where} is ${shown(value)}: give a number`);
  return value;
}

/** An integer of 32 bits. */
export function integer(value: unknown, where: string): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= -MAX_INT32 - 1 && value <= MAX_INT32) return value;
  throw new TypeError(`${where} is ${shown(value)}: give an integer of 32 bits`);
}

/** An integer of 64 bits, as a number where that is exact. */
export function integer64(value: unknown, where: string): bigint {
  if (typeof value === "bigint" || Number.isSafeInteger(value)) {
    const exact = BigInt(value as number | bigint);
    if (BigInt.asIntN(64, exact) === exact) return exact;
  }
  throw new TypeError(`${where} is ${shown(value)}: give an integer of 64 bits, and a bigint where it is over 2^53`);
}

/** An iterable of values that each pass a check, such as an array or a Set; no text. */
export function list<T>(item: Check<T>): Check<T[]> {
  return (value, where) => {
    if (typeof value !== "object" || value === null || !(Symbol.iterator in value)) {
      throw new TypeError(`${where} is ${shown(value)}: give a list`);
    }
    return [...(value as Iterable<unknown>)].map((each, index) => item(each, `${where}[${index}]`));
  };
}

/** An object with members: no array, Map or other object of the language's own. */
export function object(value: unknown, where: string): Record<string, unknown> {
  if (isObject(value)) return value;
  throw new TypeError(`${where} is ${shown(value)}: give an object`);
}

/** An object as JSON. */
export function json(value: unknown, where: string): string {
  try {
    return text(JSON.stringify(object(value, where)), where);
  } catch (error) {
    if (error instanceof TypeError && error.message.startsWith(where)) throw error;
    throw new TypeError(`${where} is ${shown(value)}: give what JSON can hold`);
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return Object.prototype.toString.call(value) === "[object Object]";
}

/** A number for each of some token ids. */
export function numbersByToken(value: unknown, where: string): Record<number, number> {
  const pairs = Object.entries(object(value, where)).map(([id, each]) => {
    if (!/^-?\d+$/.test(id)) throw new TypeError(`${where} has ${shown(id)}: give a token's id, which is an integer`);
    return [integer(Number(id), `${where}'s token`), number(each, `${where}[${id}]`)];
  });
  return Object.fromEntries(pairs) as Record<number, number>;
}

export function signal(value: unknown, where: string): AbortSignal {
  if (value instanceof AbortSignal) return value;
  throw new TypeError(`${where} is ${shown(value)}: give an AbortSignal`);
}

/** A value for an error's message, cut at 100 characters. */
export function shown(value: unknown): string {
  const written = typeof value === "string" ? JSON.stringify(value) : inspect(value, { depth: 1, breakLength: Infinity });
  return written.length <= 100 ? written : `${written.slice(0, 100)}…`;
}
