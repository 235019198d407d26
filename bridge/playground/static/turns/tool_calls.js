// @ts-check
/** The tools that an answer calls, and what the user says that they answer. */

import { colouredCode } from "../chat/markdown.js";
import { clone } from "../chat/templates.js";
import { written } from "../editors/json_text.js";

/**
 * @typedef {object} Result
 * @property {string} name The tool's.
 * @property {string} content
 */

/** Dispatches "results", with a Result for each call as `detail`. */
export class ToolCalls extends EventTarget {
  #form = /** @type {HTMLFormElement} */ (clone("tool-calls-template"));

  /**
   * @param {import("../chat/state.js").ToolCall[]} calls
   * @param {HTMLElement} place
   */
  constructor(calls, place) {
    super();
    const list = /** @type {HTMLElement} */ (this.#form.querySelector(".calls"));
    list.append(...calls.map((call) => elementOf(call)));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const texts = [...this.#form.querySelectorAll("textarea")].map(({ value }) => value);
      const results = calls.map(({ name }, index) => ({ name, content: texts[index] }));
      this.dispatchEvent(new CustomEvent("results", { detail: results }));
    });
    this.#form.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.#form.requestSubmit();
    });
    place.replaceChildren(this.#form);
  }
}

/** @param {import("../chat/state.js").ToolCall} call */
function elementOf({ name, arguments: given }) {
  const element = clone("tool-call-template");
  const part = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (element.querySelector(selector));
  part(".called").textContent = name;
  part("pre").setAttribute("aria-label", `Arguments of ${name}`);
  part("pre code").append(typeof given === "string" ? given : colouredCode(written(given), "json"));
  part("textarea").setAttribute("aria-label", `Result of ${name}`);
  return element;
}
