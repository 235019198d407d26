// @ts-check
/** One tool in the list of the tools' editor. */

import { clone } from "../chat/templates.js";
import { JsonArea } from "./json_area.js";
import { written } from "./json_text.js";
import { wrongName, wrongParameters } from "./tool_checks.js";
import { functionOf } from "./tool_spelling.js";

const NO_PARAMETERS = { type: "object", properties: {} };

/** Dispatches "remove". */
export class ToolRow extends EventTarget {
  #name;
  #description;
  #parameters = new JsonArea("Parameters, as JSON Schema", wrongParameters);

  /** @param {any} [tool] In either spelling. */
  constructor(tool = {}) {
    super();
    this.element = clone("tool-template");
    const field = (/** @type {string} */ name) =>
      /** @type {HTMLInputElement} */ (this.element.querySelector(`[name="${name}"]`));
    this.#name = field("tool-name");
    this.#description = field("tool-description");
    const { name = "", description = "", parameters = NO_PARAMETERS } = functionOf(tool);
    this.#name.value = name;
    this.#description.value = description ?? "";
    this.#parameters.text = written(parameters ?? NO_PARAMETERS);
    this.element.querySelector(".parameters")?.append(this.#parameters.element);
    const remove = /** @type {HTMLElement} */ (this.element.querySelector('[name="remove"]'));
    remove.addEventListener("click", () => this.dispatchEvent(new Event("remove")));
    this.#name.addEventListener("input", () => this.#name.setCustomValidity(""));
    const label = () => remove.setAttribute("aria-label", `Remove ${this.#name.value || "this tool"}`);
    this.#name.addEventListener("change", label);
    label();
  }

  /** @returns {import("./tool_spelling.js").Tool | undefined} Undefined if something is wrong, which is then pointed at. */
  read() {
    const name = this.#name.value.trim();
    this.#name.setCustomValidity(wrongName(name));
    if (!this.#name.reportValidity()) return undefined;
    const parameters = this.#parameters.readOrPoint();
    const description = this.#description.value.trim();
    return parameters && { name, ...(description && { description }), parameters };
  }

  /** @param {string} words What is wrong with the name beside the others. */
  point(words) {
    this.#name.setCustomValidity(words);
    this.#name.reportValidity();
  }

  focus() {
    this.#name.focus();
  }
}
