// @ts-check
/** Controls for single fields of a request, made from their JSON Schemas: what is left empty is not sent. */

import { valueOf } from "../editors/json_text.js";
import { button } from "./button.js";
import { clone } from "./templates.js";

/** Wider ranges are no good as sliders. */
const MAX_STEPS = 20_000;
const FINE_STEP = 0.01;

/** @typedef {import("../server/models.js").Schema} Schema */

/** @param {Schema} schema @returns {boolean} Whether one simple control is enough for it. */
export function isSimple({ type }) {
  return type === "number" || type === "integer" || type === "boolean";
}

/**
 * A field with its label, range, default and control. Dispatches "change" when the user has reset it; when he has set it,
 * its control does, as others of a form.
 */
export class Field extends EventTarget {
  #unset;
  #control;

  /**
   * @param {string} name
   * @param {Schema} schema
   * @param {string} id Unique on the page.
   */
  constructor(name, schema, id) {
    super();
    this.name = name;
    this.element = clone("field-template");
    this.#control = controlFor(schema);
    this.#control.main.id = id;
    this.#control.main.name = name;
    this.#control.main.setAttribute("aria-describedby", `${id}-range ${id}-help`);
    this.#unset = button("Reset", "quiet", () => this.#reset());
    this.#unset.setAttribute("aria-label", `Reset ${name}`);
    this.#unset.hidden = true;
    this.#part(".input").append(...this.#control.elements, this.#unset);
    const label = /** @type {HTMLLabelElement} */ (this.#part("label"));
    label.textContent = name;
    label.htmlFor = id;
    this.#tell(".range", `${id}-range`, rangeOf(schema));
    this.#tell(".help", `${id}-help`, schema.description ?? "");
    this.#control.onInput = () => this.#show(this.#control.read());
  }

  /** Its value; undefined if it is not set, or not what the schema wants. */
  get value() {
    return this.#control.read();
  }

  set value(value) {
    this.#control.write(value);
    this.#unset.hidden = value === undefined;
  }

  #reset() {
    this.#show(undefined);
    this.dispatchEvent(new Event("change"));
  }

  /** @param {unknown} value What is in the control by now. */
  #show(value) {
    if (value === undefined && !this.#control.main.matches(":invalid")) this.#control.write(undefined);
    this.#unset.hidden = value === undefined;
  }

  /**
   * @param {string} selector
   * @param {string} id
   * @param {string} words
   */
  #tell(selector, id, words) {
    const place = this.#part(selector);
    place.id = id;
    place.textContent = words;
  }

  /** @param {string} selector @returns {HTMLElement} */
  #part(selector) {
    return /** @type {HTMLElement} */ (this.element.querySelector(selector));
  }
}

/** @param {Schema} schema */
function rangeOf({ minimum, maximum, default: preset }) {
  const isBounded = minimum !== undefined && maximum !== undefined;
  const range = isBounded ? `${minimum} to ${maximum}` : minimum !== undefined && `from ${minimum}`;
  return [range, preset !== undefined && `default ${preset}`].filter(Boolean).join(", ");
}

/**
 * @typedef {object} Control
 * @property {HTMLElement[]} elements
 * @property {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} main The one that the label is for.
 * @property {() => any} read
 * @property {(value: any) => void} write
 * @property {() => void} onInput Called with each key or step, while the user sets it.
 */

/** @param {Schema} schema @returns {Control} */
function controlFor(schema) {
  if (schema.type === "boolean") return switchFor(schema);
  return isSimple(schema) ? numberFor(schema) : jsonFor();
}

/** @param {Schema} schema @returns {Control} */
function numberFor({ type, minimum, maximum, default: preset }) {
  const box = document.createElement("input");
  const slider = document.createElement("input");
  const step = type === "integer" ? 1 : FINE_STEP;
  const hasSlider = minimum !== undefined && maximum !== undefined && (maximum - minimum) / step <= MAX_STEPS;
  for (const input of [box, slider]) {
    if (minimum !== undefined) input.min = String(minimum);
    if (maximum !== undefined) input.max = String(maximum);
  }
  box.type = "number";
  box.step = type === "integer" ? "1" : "any";
  box.placeholder = preset === undefined ? "not set" : String(preset);
  slider.type = "range";
  slider.step = String(step);
  slider.tabIndex = -1;
  slider.setAttribute("aria-hidden", "true");
  /** @type {Control} */
  const control = {
    elements: hasSlider ? [box, slider] : [box],
    main: box,
    read: () => (box.value !== "" && box.validity.valid ? box.valueAsNumber : undefined),
    write: (value) => {
      box.value = value === undefined ? "" : String(value);
      slider.value = String(value ?? preset ?? maximum);
      slider.classList.toggle("unset", value === undefined && preset === undefined);
    },
    onInput: () => {},
  };
  box.addEventListener("input", () => {
    slider.value = box.value || String(preset ?? maximum);
    slider.classList.remove("unset");
    control.onInput();
  });
  slider.addEventListener("input", () => {
    box.value = slider.value;
    slider.classList.remove("unset");
    control.onInput();
  });
  control.write(undefined);
  return control;
}

/** @param {Schema} schema @returns {Control} */
function switchFor({ default: preset }) {
  const choice = document.createElement("select");
  choice.append(
    new Option(preset === undefined ? "not set" : `not set (${preset})`, ""),
    new Option("true", "true"),
    new Option("false", "false"),
  );
  /** @type {Control} */
  const control = {
    elements: [choice],
    main: choice,
    read: () => (choice.value ? choice.value === "true" : undefined),
    write: (value) => {
      choice.value = value === undefined ? "" : String(value);
    },
    onInput: () => {},
  };
  choice.addEventListener("input", () => control.onInput());
  return control;
}

/** @returns {Control} */
function jsonFor() {
  const text = document.createElement("textarea");
  text.className = "code";
  text.rows = 1;
  text.placeholder = "not set";
  text.spellcheck = false;
  /** @type {Control} */
  const control = {
    elements: [text],
    main: text,
    read: () => valueOf(text.value),
    write: (value) => {
      text.value = value === undefined ? "" : JSON.stringify(value);
      text.setCustomValidity("");
    },
    onInput: () => {},
  };
  text.addEventListener("input", () => {
    const isWrong = text.value.trim() !== "" && valueOf(text.value) === undefined;
    text.setCustomValidity(isWrong ? "This is not JSON: texts stand in quotes, lists in brackets." : "");
    text.setAttribute("aria-invalid", String(isWrong));
    control.onInput();
  });
  return control;
}
