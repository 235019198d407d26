// @ts-check
/** The settings of a pane: how the input is given, and every parameter that the model's schema has. */

import { Field, isSimple } from "./fields.js";

/** What has its own place: in the form, in the conversation, or in an editor of its own. */
const ELSEWHERE = [
  ...["prompt", "messages", "raw", "stream", "response_format", "tools", "tool_choice", "logprobs", "top_logprobs"],
  // A page shows one answer, and no more of it than its own.
  ...["n", "stream_options", "prompt_logprobs", "return_tokens_as_token_ids"],
];
/** Change nothing here. */
const WITHOUT_EFFECT = ["options"];

let numFields = 0;

/**
 * @param {import("../server/models.js").Schema} schema
 * @returns {boolean} Whether it says what a value may be; a field that may be anything is one that changes nothing.
 */
function isSomething(schema) {
  return Object.keys(schema).some((keyword) => keyword !== "description");
}

/** Reads and writes a pane's state. Dispatches "change" when the user has changed it. */
export class Settings extends EventTarget {
  #form;
  #state;
  /** @type {Field[]} */
  #fields = [];

  /**
   * @param {HTMLFormElement} form
   * @param {import("./state.js").PaneState} state Shown, and written to.
   */
  constructor(form, state) {
    super();
    this.#form = form;
    this.#state = state;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", () => this.#read());
    this.#button("defaults").addEventListener("click", () => {
      this.#fields.forEach((field) => (field.value = undefined));
      this.#read();
    });
    this.#input("mode").value = state.mode;
    this.#input("system").value = state.system;
    this.#input("stream").checked = state.stream;
  }

  /** @param {import("../server/models.js").Schema} schema The schema of the model's input. */
  set schema(schema) {
    const known = Object.entries(schema.properties).filter(
      ([name, described]) => !ELSEWHERE.includes(name) && !WITHOUT_EFFECT.includes(name) && isSomething(described),
    );
    this.#fields = known.map(([name, described]) => this.#field(name, described));
    const places = [this.#form.querySelector(".fields"), this.#form.querySelector(".json-fields > div")];
    places.forEach((place, index) => {
      const here = this.#fields.filter(({ name }) => isSimple(schema.properties[name]) === (index === 0));
      place?.replaceChildren(...here.map(({ element }) => element));
    });
  }

  /**
   * @param {string} name
   * @param {import("../server/models.js").Schema} schema
   */
  #field(name, schema) {
    const field = new Field(name, schema, `field-${++numFields}`);
    field.value = this.#state.fields[name];
    field.addEventListener("change", () => this.#read());
    return field;
  }

  #read() {
    this.#state.mode = /** @type {"chat" | "raw"} */ (this.#input("mode").value);
    this.#state.system = this.#input("system").value;
    this.#state.stream = this.#input("stream").checked;
    for (const { name, value } of this.#fields) {
      if (value === undefined) delete this.#state.fields[name];
      else this.#state.fields[name] = value;
    }
    this.dispatchEvent(new Event("change"));
  }

  /** @param {string} name @returns {HTMLInputElement} A control of the form, or its group of radio buttons. */
  #input(name) {
    return /** @type {HTMLInputElement} */ (/** @type {unknown} */ (this.#form.elements.namedItem(name)));
  }

  /** @param {string} name */
  #button(name) {
    return /** @type {HTMLButtonElement} */ (this.#form.querySelector(`button[name="${name}"]`));
  }
}
