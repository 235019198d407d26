// @ts-check
/** A text area for JSON, which says in which line it is wrong and why. */

import { clone } from "../chat/templates.js";
import { firstFault } from "./json_fault.js";
import { valueOf, written } from "./json_text.js";

let numAreas = 0;

/** Dispatches "change" when the user has changed the text. */
export class JsonArea extends EventTarget {
  #text;
  #fault;
  #check;

  /**
   * @param {string} label
   * @param {(value: any) => string} [check] What is wrong with a value, as a sentence; empty if nothing is.
   */
  constructor(label, check = () => "") {
    super();
    this.element = clone("json-area-template");
    this.#check = check;
    this.#text = /** @type {HTMLTextAreaElement} */ (this.element.querySelector("textarea"));
    this.#fault = /** @type {HTMLElement} */ (this.element.querySelector(".fault"));
    const name = /** @type {HTMLLabelElement} */ (this.element.querySelector("label"));
    name.textContent = label;
    name.htmlFor = this.#text.id = `json-${++numAreas}`;
    this.#fault.id = `${this.#text.id}-fault`;
    this.#text.setAttribute("aria-describedby", this.#fault.id);
    this.#text.addEventListener("input", () => {
      // Half of a text is always wrong: what is said is only taken back while one types.
      if (!this.#fault.hidden) this.read();
      this.dispatchEvent(new Event("change"));
    });
    this.#text.addEventListener("change", () => this.#text.value.trim() && this.read());
    this.element.querySelector("button")?.addEventListener("click", () => this.#format());
  }

  get text() {
    return this.#text.value;
  }

  set text(text) {
    this.#text.value = text;
    this.#tell("");
  }

  /** @returns {any} The value; undefined if there is something wrong, which is then told. */
  read() {
    const value = valueOf(this.#text.value);
    const words = value === undefined ? told(firstFault(this.#text.value)) : this.#check(value);
    this.#tell(words);
    return words ? undefined : value;
  }

  /** As `read`; if something is wrong, the cursor is put there. */
  readOrPoint() {
    const value = this.read();
    if (value !== undefined) return value;
    this.focus();
    if (valueOf(this.#text.value) !== undefined) return undefined;
    const { offset } = firstFault(this.#text.value);
    this.#text.setSelectionRange(offset, offset + 1);
    return undefined;
  }

  focus() {
    this.#text.focus();
  }

  #format() {
    const value = this.readOrPoint();
    if (value === undefined) return;
    this.#text.value = written(value);
    this.dispatchEvent(new Event("change"));
  }

  /** @param {string} words */
  #tell(words) {
    if (this.#fault.textContent !== words) this.#fault.textContent = words;
    this.#fault.hidden = !words;
    this.#text.setAttribute("aria-invalid", String(Boolean(words)));
  }
}

/** @param {import("./json_fault.js").Fault} fault */
function told({ line, reason }) {
  return `Line ${line}: ${reason}.`;
}
