// @ts-check
/** Tools, one by one in fields, or all of them as the JSON that is sent. */

import { clone } from "../chat/templates.js";
import { edit } from "./editor_dialog.js";
import { TOOLS, exampleButtons } from "./examples.js";
import { JsonArea } from "./json_area.js";
import { valueOf, written } from "./json_text.js";
import { wrongNames, wrongTools } from "./tool_checks.js";
import { ToolRow } from "./tool_row.js";

/**
 * @param {any[]} tools
 * @param {string} problem What the bridge has said of them; empty for nothing.
 * @returns {Promise<any[] | undefined>} Undefined if they stay as they are.
 */
export function editTools(tools, problem) {
  const editor = new ToolsEditor(tools);
  return edit({
    title: "Tools",
    help: "The model calls them with arguments that fit their parameters. What they answer you type in yourself.",
    problem,
    content: editor.element,
    focus: () => editor.focus(),
    read: () => editor.read(),
  });
}

class ToolsEditor {
  element = clone("tools-template");
  /** @type {ToolRow[]} */
  #rows = [];
  #area = new JsonArea("Tools, as JSON", wrongTools);
  #list = this.#part(".tool-list");

  /** @param {any[]} tools */
  constructor(tools) {
    this.#part(".tools-json").append(this.#area.element);
    this.#part(".more-tools").append(exampleButtons(TOOLS, (example) => this.#insert(example)));
    this.#part('[name="add"]').addEventListener("click", () => this.#add().focus());
    this.#views.forEach((view) => view.addEventListener("change", () => this.#changeView()));
    tools.forEach((tool) => this.#add(tool));
    this.#showView("list");
  }

  focus() {
    const [first] = this.#rows;
    if (first) first.focus();
    else this.#part('[name="add"]').focus();
  }

  /** @returns {any[] | undefined} Undefined if something is wrong, which is then pointed at. */
  read() {
    return this.#view === "json" ? this.#area.readOrPoint() : this.#readList();
  }

  /** @returns {HTMLInputElement[]} */
  get #views() {
    return [...this.element.querySelectorAll("input")].filter(({ name }) => name === "tools-view");
  }

  get #view() {
    return this.#part(".tools-json").hidden ? "list" : "json";
  }

  #readList() {
    const tools = [];
    for (const row of this.#rows) {
      const tool = row.read();
      if (!tool) return undefined;
      tools.push(tool);
    }
    const words = wrongNames(tools.map(({ name }) => name));
    if (words) this.#rows.at(-1)?.point(words);
    return words ? undefined : tools;
  }

  /** Goes over to the other view, if all is well in this one. */
  #changeView() {
    const tools = this.read();
    if (!tools) return this.#showView(this.#view);
    if (this.#view === "list") this.#area.text = written(tools);
    else this.#replace(tools);
    this.#showView(this.#view === "list" ? "json" : "list");
  }

  /** @param {string} shown */
  #showView(shown) {
    for (const view of this.#views) view.checked = view.value === shown;
    this.#part(".tools-list").hidden = shown !== "list";
    this.#part(".tools-json").hidden = shown !== "json";
  }

  /** @param {any} example */
  #insert(example) {
    if (this.#view === "list") {
      this.#add(example).focus();
      return;
    }
    const tools = valueOf(this.#area.text);
    this.#area.text = written([...(Array.isArray(tools) ? tools : []), example]);
  }

  /** @param {any[]} tools */
  #replace(tools) {
    this.#rows = [];
    this.#list.replaceChildren();
    tools.forEach((tool) => this.#add(tool));
  }

  /** @param {any} [tool] */
  #add(tool) {
    const row = new ToolRow(tool);
    row.addEventListener("remove", () => {
      this.#rows = this.#rows.filter((other) => other !== row);
      row.element.remove();
      this.#part('[name="add"]').focus();
    });
    this.#rows.push(row);
    this.#list.append(row.element);
    return row;
  }

  /** @param {string} selector @returns {HTMLElement} */
  #part(selector) {
    return /** @type {HTMLElement} */ (this.element.querySelector(selector));
  }
}
