// @ts-check
/** One turn on the screen. */

import { bodyFor } from "../turns/body.js";
import { ToolCalls } from "../turns/tool_calls.js";
import { button } from "./button.js";
import { endingOf } from "./ending.js";
import { clone } from "./templates.js";

/** How long the page rests after showing a turn, in units of the time that it took. */
const REST = 3;

const ROLES = { user: "You", assistant: "Assistant", tool: "Tool" };

/**
 * Shows a turn, and dispatches what the user wants of it: "again", for another answer, "stop", "code", for its request as
 * code, "edited", with the new text as `detail`, and "results", with those of the tools that it calls.
 */
export class TurnView extends EventTarget {
  #content;
  #ending;
  #tools;
  /** @type {import("../turns/body.js").Body | undefined} */
  #body;
  /** @type {ToolCalls | undefined} */
  #calls;
  #frame = 0;
  #timer = 0;
  #restMs = 0;

  /** @param {import("./state.js").Turn} turn */
  constructor(turn) {
    super();
    this.turn = turn;
    this.element = clone("turn-template");
    this.element.classList.add(turn.role);
    this.#content = this.#part(".content");
    this.#ending = this.#part(".ending");
    this.#tools = this.#part(".turn-tools");
    /** Where others show more of a turn, such as its tool calls. */
    this.extras = this.#part(".extras");
    this.#part(".role").textContent = turn.name ? `${ROLES[turn.role]} ${turn.name}` : ROLES[turn.role];
    this.#addTools();
    this.#part(".stop").addEventListener("click", () => this.dispatchEvent(new Event("stop")));
    this.showAnew();
  }

  /** @param {boolean} isRunning Whether the answer is still on its way. */
  showRunning(isRunning) {
    this.element.classList.toggle("running", isRunning);
    this.element.setAttribute("aria-busy", String(isRunning));
    this.#tools.hidden = isRunning;
  }

  /** @param {boolean} isLocked Whether the turn can't be changed now: what would change it can be seen, and not pressed. */
  showLocked(isLocked) {
    for (const changing of this.element.querySelectorAll(".changing")) {
      /** @type {HTMLButtonElement} */ (changing).disabled = isLocked;
    }
  }

  /** Shows the turn as it is by now, with the next frame, or later if that takes long. */
  show() {
    this.#timer ||= setTimeout(() => {
      this.#frame ||= requestAnimationFrame(() => this.showNow());
    }, this.#restMs);
  }

  /** Shows the turn as it is by now. */
  showNow() {
    clearTimeout(this.#timer);
    cancelAnimationFrame(this.#frame);
    this.#timer = this.#frame = 0;
    const begunAt = performance.now();
    this.#body?.update(this.turn);
    this.#showThinking();
    this.#showCalls();
    const parts = endingOf(this.turn);
    this.#ending.replaceChildren(...parts);
    this.#ending.hidden = !parts.length;
    this.dispatchEvent(new Event("shown"));
    this.#restMs = REST * (performance.now() - begunAt);
  }

  /** Shows the turn as it is by now, after its text was changed. */
  showAnew() {
    this.#content.replaceChildren();
    this.#body = bodyFor(this.turn, this.#content);
    this.#content.className = ["content", ...this.#body.classes].join(" ");
    this.showNow();
  }

  #showThinking() {
    const { thinking = "" } = this.turn;
    this.#part(".thinking").hidden = !thinking;
    this.#part(".thought").textContent = thinking;
  }

  #showCalls() {
    const { toolCalls } = this.turn;
    if (!toolCalls || this.#calls) return;
    this.#calls = new ToolCalls(toolCalls, this.extras);
    this.#calls.addEventListener("results", (event) => {
      this.dispatchEvent(new CustomEvent("results", { detail: /** @type {CustomEvent} */ (event).detail }));
    });
  }

  #addTools() {
    if (this.turn.role === "assistant") this.#addTool("Regenerate", "changing", () => this.dispatchEvent(new Event("again")));
    this.#addTool("Edit", "changing", () => this.#edit());
    if (this.turn.asked) this.#addTool("Code", "", () => this.dispatchEvent(new Event("code")));
    // Browsers have a clipboard for pages of this machine and for those of HTTPS only.
    if (navigator.clipboard) this.#addTool("Copy", "", () => navigator.clipboard.writeText(this.turn.content));
  }

  /**
   * @param {string} label
   * @param {"changing" | ""} effect On the turn.
   * @param {() => void} act
   */
  #addTool(label, effect, act) {
    this.#tools.append(button(label, `quiet ${effect}`, act));
  }

  /** Turns the text into a field until it is saved or left. */
  #edit() {
    const field = document.createElement("textarea");
    field.value = this.turn.content;
    field.setAttribute("aria-label", "Text of this turn");
    const leave = () => {
      this.#tools.hidden = false;
      this.showAnew();
      /** @type {HTMLElement | null} */ (this.#tools.querySelector("button:enabled"))?.focus();
    };
    const save = () => {
      leave();
      this.dispatchEvent(new CustomEvent("edited", { detail: field.value }));
    };
    const saving = button(this.turn.role === "user" ? "Send anew" : "Save", "changing", save);
    field.addEventListener("keydown", (event) => {
      const isSave = event.key === "Enter" && (event.ctrlKey || event.metaKey);
      if (!isSave && event.key !== "Escape") return;
      // The key is not to press the button that has the focus next, nor to stop an answer.
      event.preventDefault();
      event.stopPropagation();
      if (isSave) saving.click();
      else leave();
    });
    const row = document.createElement("div");
    row.className = "row end";
    row.append(button("Cancel", "quiet", leave), saving);
    this.#tools.hidden = true;
    this.#body = undefined;
    this.#content.replaceChildren(field, row);
    field.focus();
  }

  /** @param {string} selector @returns {HTMLElement} */
  #part(selector) {
    return /** @type {HTMLElement} */ (this.element.querySelector(selector));
  }
}
