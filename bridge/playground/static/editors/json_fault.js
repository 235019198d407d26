// @ts-check
/**
 * Where a text stops being JSON. Browsers say it in words of their own, and some of them without the place.
 *
 * @typedef {object} Fault
 * @property {string} reason
 * @property {number} line Counted from 1.
 * @property {number} offset Where it is in the text, in UTF-16 units.
 */

const SPACE = /[ \t\n\r]*/y;
const LITERAL = /true|false|null/y;
const NUMBER = /-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
const STRING = /"([^"\\\u0000-\u001f]|\\(["\\/bfnrt]|u[\da-fA-F]{4}))*/y;
const WORD = /[^\s,:[\]{}"]+/y;

/** @param {string} text One that is no JSON. @returns {Fault} The first. */
export function firstFault(text) {
  const scanner = new Scanner(text);
  const reason = scanner.scan();
  return { reason, line: text.slice(0, scanner.at).split("\n").length, offset: scanner.at };
}

/** Reads JSON up to its first fault. */
class Scanner {
  at = 0;
  #text;

  /** @param {string} text */
  constructor(text) {
    this.#text = text;
  }

  /** @returns {string} What is wrong at `at`. */
  scan() {
    try {
      this.#value();
      this.#take(SPACE);
      return "something follows after the end of the value";
    } catch (error) {
      // Only what is nested by the thousands is no fault: then the stack is too small for it.
      return error instanceof Unexpected ? error.message : "this is nested too deeply";
    }
  }

  #value() {
    const next = this.#next();
    if (next === "{") this.#list("}", () => this.#member());
    else if (next === "[") this.#list("]", () => this.#value());
    else if (next === '"') this.#string();
    else if (!this.#take(LITERAL) && !this.#take(NUMBER)) this.#fail("a value");
  }

  #member() {
    if (this.#next() !== '"') this.#fail("a name in double quotes");
    this.#string();
    if (this.#next() !== ":") this.#fail("“:” after the name");
    this.at += 1;
    this.#value();
  }

  /**
   * @param {string} end
   * @param {() => void} entry Reads one.
   */
  #list(end, entry) {
    this.at += 1;
    if (this.#next() !== end) {
      entry();
      while (this.#next() === ",") {
        this.at += 1;
        entry();
      }
    }
    if (this.#next() !== end) this.#fail(`“,” or “${end}”`);
    this.at += 1;
  }

  #string() {
    this.#take(STRING);
    const next = this.#text[this.at];
    if (next === undefined) throw new Unexpected("the text in quotes has no end");
    if (next === "\\") throw new Unexpected("a backslash stands before something that it can't escape");
    if (next !== '"') throw new Unexpected("in quotes a line break is written \\n, a tab \\t");
    this.at += 1;
  }

  /** @returns {string | undefined} What comes after white space; undefined at the end. */
  #next() {
    this.#take(SPACE);
    return this.#text[this.at];
  }

  /** @param {RegExp} pattern */
  #take(pattern) {
    pattern.lastIndex = this.at;
    const [found] = pattern.exec(this.#text) ?? [""];
    this.at += found.length;
    return found;
  }

  /**
   * @param {string} wanted
   * @returns {never}
   */
  #fail(wanted) {
    const { at } = this;
    const found = this.#take(WORD) || this.#text[at];
    this.at = at;
    throw new Unexpected(`here ${wanted} is expected, not ${found ? `“${found.slice(0, 20)}”` : "the end"}`);
  }
}

class Unexpected extends Error {}
