// @ts-check
/** The tools that the model may call, and whether it must. */

import { clone } from "../chat/templates.js";
import { loaded } from "../server/bridge.js";
import { functionOf } from "./tool_spelling.js";

const MODES = {
  auto: "The model decides",
  none: "Call none",
  required: "Call one, whichever",
};

/** Reads and writes `tools` and `tool_choice`. Its element dispatches "change". */
export class ToolsSetting {
  #state;
  #choice;
  #problem = "";

  /** @param {import("../chat/state.js").PaneState} state */
  constructor(state) {
    this.#state = state;
    this.element = clone("tools-setting-template");
    this.#choice = /** @type {HTMLSelectElement} */ (this.#part('[name="tool-choice"]'));
    this.#choice.addEventListener("change", () => this.#choose(this.#choice.value));
    this.#part('[name="edit-tools"]').addEventListener("click", () => this.#edit());
    this.#show();
  }

  /** @param {string} message What the bridge has said of the tools; empty if nothing. */
  tell(message) {
    this.#problem = message;
    this.#show();
  }

  /** @returns {string[]} */
  get #names() {
    const tools = /** @type {any[]} */ (this.#state.fields.tools ?? []);
    return tools.map((tool) => functionOf(tool).name);
  }

  /** @param {string} value A mode, or the name of a tool behind a colon. */
  #choose(value) {
    this.#problem = "";
    const { fields } = this.#state;
    if (value.startsWith(":")) fields.tool_choice = { type: "function", function: { name: value.slice(1) } };
    else if (value === "auto") delete fields.tool_choice;
    else fields.tool_choice = value;
    this.#show();
  }

  async #edit() {
    try {
      const { editTools } = await loaded(import("./tools_editor.js"));
      const tools = await editTools(/** @type {any[]} */ (this.#state.fields.tools ?? []), this.#problem);
      if (tools) this.#take(tools);
    } catch (error) {
      this.tell(/** @type {Error} */ (error).message);
    }
    this.#part('[name="edit-tools"]').focus();
    this.element.dispatchEvent(new Event("change", { bubbles: true }));
  }

  /** @param {any[]} tools */
  #take(tools) {
    this.#problem = "";
    const { fields } = this.#state;
    if (tools.length) fields.tools = tools;
    else delete fields.tools;
    const value = this.#chosen;
    const isGone = value.startsWith(":") && !this.#names.includes(value.slice(1));
    if (!tools.length || isGone) delete fields.tool_choice;
    this.#show();
  }

  get #chosen() {
    const choice = /** @type {any} */ (this.#state.fields.tool_choice ?? "auto");
    return typeof choice === "string" ? choice : `:${choice.function.name}`;
  }

  #show() {
    const names = this.#names;
    this.#part(".tool-names").textContent = names.join(", ") || "None";
    this.#part(".tool-choice").hidden = !names.length;
    this.#choice.replaceChildren(
      ...Object.entries(MODES).map(([mode, label]) => new Option(label, mode)),
      ...names.map((name) => new Option(`Call ${name}`, `:${name}`)),
    );
    this.#choice.value = this.#chosen;
    this.#part(".problem").textContent = this.#problem;
    this.#part(".problem").hidden = !this.#problem;
  }

  /** @param {string} selector @returns {HTMLElement} */
  #part(selector) {
    return /** @type {HTMLElement} */ (this.element.querySelector(selector));
  }
}
