// @ts-check
/** Values of JSON as literals of a language, laid out as they would be typed: on one line where it is long enough. */

const WIDTH = 88;

/**
 * How a language writes values.
 *
 * @typedef {object} Syntax
 * @property {string} indent One step.
 * @property {string} comment What begins one.
 * @property {string} space What stands inside the braces of a line.
 * @property {string} lastComma What follows the last entry where each has its own line.
 * @property {Record<string, string>} words What true, false and null are called.
 * @property {(name: string) => string} key
 *
 * @typedef {string | number | boolean | null | Code | any[] | {[name: string]: any}} Value
 */

/** Stands where a value would, and is written as it is. */
export class Code {
  /** @param {string} text On one line. */
  constructor(text) {
    this.text = text;
  }
}

/** @type {Syntax} */
export const JSON_TEXT = { indent: "  ", comment: "#", space: "", lastComma: "", words: {}, key: quoted };

/** @type {Syntax} */
export const PYTHON = {
  ...JSON_TEXT,
  indent: "    ",
  lastComma: ",",
  words: { true: "True", false: "False", null: "None" },
};

/** @type {Syntax} */
export const JAVASCRIPT = { ...JSON_TEXT, comment: "//", space: " ", lastComma: ",", key: propertyName };

// Such as direct the reading or have no width: they would make the code look other than it is.
const UNSEEN = /[\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/**
 * A text in double quotes: JSON, Python and JavaScript agree on what these mean.
 *
 * @param {string} text
 */
export function quoted(text) {
  return JSON.stringify(text).replace(UNSEEN, (unseen) => `\\u${unseen.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** @param {string} name */
function propertyName(name) {
  // Written plainly it would set the prototype.
  if (name === "__proto__") return '["__proto__"]';
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : quoted(name);
}

/**
 * A value as a literal.
 *
 * @param {Value} value
 * @param {Syntax} syntax
 * @param {string} [indent] Of the line that it begins on.
 * @param {number} [used] How many characters that line has besides.
 * @returns {string}
 */
export function literal(value, syntax, indent = "", used = indent.length) {
  const line = onOneLine(value, syntax);
  const isLong = used + line.length > WIDTH;
  return isLong && isFull(value) ? onManyLines(value, syntax, indent) : line;
}

/**
 * A call with named arguments, as Python has them.
 *
 * @param {string} head What stands before the parenthesis.
 * @param {Value[]} given Arguments without a name.
 * @param {Record<string, Value>} named
 * @returns {string}
 */
export function pythonCall(head, given, named) {
  const names = Object.keys(named);
  const line = [...given.map((value) => onOneLine(value, PYTHON)), ...names.map((name) => `${name}=${onOneLine(named[name], PYTHON)}`)];
  const short = `${head}(${line.join(", ")})`;
  if (short.length <= WIDTH) return short;
  const { indent } = PYTHON;
  const lines = [
    ...given.map((value) => literal(value, PYTHON, indent)),
    ...names.map((name) => `${name}=${literal(named[name], PYTHON, indent, indent.length + name.length + 2)}`),
  ];
  return `${head}(\n${lines.map((each) => `${indent}${each},\n`).join("")})`;
}

/** @param {Value} value @returns {value is any[] | {[name: string]: any}} Whether there is something in it to break at. */
function isFull(value) {
  return typeof value === "object" && value !== null && !(value instanceof Code) && Object.keys(value).length > 0;
}

/**
 * @param {Value} value
 * @param {Syntax} syntax
 * @returns {string}
 */
function onOneLine(value, syntax) {
  if (value instanceof Code) return value.text;
  if (typeof value === "string") return quoted(value);
  if (Array.isArray(value)) return `[${value.map((entry) => onOneLine(entry, syntax)).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).map(([name, entry]) => `${syntax.key(name)}: ${onOneLine(entry, syntax)}`);
    return entries.length ? `{${syntax.space}${entries.join(", ")}${syntax.space}}` : "{}";
  }
  // What is too large for a number goes out as null.
  const text = JSON.stringify(value);
  return syntax.words[text] ?? text;
}

/**
 * @param {any[] | {[name: string]: any}} value
 * @param {Syntax} syntax
 * @param {string} indent
 */
function onManyLines(value, syntax, indent) {
  const inner = indent + syntax.indent;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const lines = Object.entries(value).map(([name, entry]) => {
    const head = Array.isArray(value) ? "" : `${syntax.key(name)}: `;
    return inner + head + literal(entry, syntax, inner, inner.length + head.length + 1);
  });
  return `${open}\n${lines.join(",\n")}${syntax.lastComma}\n${indent}${close}`;
}
