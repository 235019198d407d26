// @ts-check
/** The form of the answer: text, a JSON object, or JSON that fits a schema. */

import { clone } from "../chat/templates.js";
import { loaded } from "../server/bridge.js";

/** Reads and writes `response_format`. Its element dispatches "change". */
export class FormatSetting {
  #state;
  #choice;
  #problem = "";

  /** @param {import("../chat/state.js").PaneState} state */
  constructor(state) {
    this.#state = state;
    this.element = clone("format-template");
    this.#choice = /** @type {HTMLSelectElement} */ (this.#part('[name="format"]'));
    this.#choice.addEventListener("change", (event) => {
      // Until a schema is there nothing has changed.
      if (this.#choice.value === "json_schema") event.stopPropagation();
      this.#choose(this.#choice.value);
    });
    this.#part('[name="edit-schema"]').addEventListener("click", () => this.#editSchema());
    this.#show();
  }

  /** @param {string} message What the bridge has said of the form that was asked for; empty if nothing. */
  tell(message) {
    this.#problem = message;
    this.#show();
  }

  /** @returns {any} */
  get #format() {
    return this.#state.fields.response_format;
  }

  /** @param {string} type */
  #choose(type) {
    this.#problem = "";
    if (type === "json_schema") this.#editSchema();
    else if (type) this.#state.fields.response_format = { type };
    else delete this.#state.fields.response_format;
    this.#show();
  }

  async #editSchema() {
    try {
      const { editSchema } = await loaded(import("./schema_editor.js"));
      const schema = await editSchema(this.#format?.json_schema, this.#problem);
      if (schema !== undefined) {
        this.#state.fields.response_format = { type: "json_schema", json_schema: schema };
        this.#problem = "";
      }
    } catch (error) {
      this.#problem = /** @type {Error} */ (error).message;
    }
    this.#show();
    this.#choice.focus();
    this.element.dispatchEvent(new Event("change", { bubbles: true }));
  }

  #show() {
    const format = this.#format;
    this.#choice.value = format?.type ?? "";
    this.#part('[name="edit-schema"]').hidden = format?.type !== "json_schema";
    this.#part(".note").hidden = !format;
    this.#part(".problem").textContent = this.#problem;
    this.#part(".problem").hidden = !this.#problem;
  }

  /** @param {string} selector @returns {HTMLElement} */
  #part(selector) {
    return /** @type {HTMLElement} */ (this.element.querySelector(selector));
  }
}
