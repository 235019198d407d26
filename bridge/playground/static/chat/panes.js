// @ts-check
/** The panes of a conversation, beside each other. */

import { Pane } from "./pane.js";

/** Below this width the settings would hide the conversation. */
const ROOM_FOR_SETTINGS = matchMedia("(min-width: 1024px)");

/**
 * Dispatches "running" when an answer begins or ends, "announce" with words for a screen reader as `detail`, and what its
 * panes dispatch: "change", "code", "told" and "refused".
 */
export class Panes extends EventTarget {
  /** @type {Pane[]} */
  #panes = [];
  #element;
  #bridge;
  #models;

  /**
   * @param {HTMLElement} element
   * @param {import("../server/bridge.js").Bridge} bridge
   * @param {import("../server/models.js").Models} models
   */
  constructor(element, bridge, models) {
    super();
    this.#element = element;
    this.#bridge = bridge;
    this.#models = models;
  }

  /** Whether an answer is on its way in one of them. */
  get areRunning() {
    return this.#panes.some(({ isRunning }) => isRunning);
  }

  /** Ends what is on its way in them, and takes them away. */
  close() {
    for (const pane of this.#panes.splice(0)) pane.close();
  }

  /** @param {import("./state.js").PaneState[]} states */
  show(states) {
    for (const state of states) this.#open(state);
    // Beside each other they have no room for settings.
    for (const pane of this.#panes) pane.showSettings(ROOM_FOR_SETTINGS.matches && states.length === 1);
  }

  /** @returns {boolean} Whether all settings are in their ranges; if not, the first that is not is pointed at. */
  check() {
    return this.#panes.every((pane) => pane.check());
  }

  /** @param {string} text Said in each of them. */
  send(text) {
    for (const pane of this.#panes) pane.send(text);
  }

  stop() {
    for (const pane of this.#panes) pane.stop();
  }

  /** @param {string} text @returns {import("../server/answers.js").Request[]} What would be sent with it. */
  requestsWith(text) {
    return this.#panes.map((pane) => pane.requestWith(text));
  }

  /** @param {import("./state.js").PaneState} state */
  #open(state) {
    const pane = new Pane(this.#bridge, this.#models, state);
    this.#panes.push(pane);
    const name = `Pane ${this.#panes.length}`;
    pane.element.setAttribute("aria-label", name);
    for (const type of ["change", "running", "code", "told", "refused"]) {
      pane.addEventListener(type, (event) => {
        this.dispatchEvent(new CustomEvent(type, { detail: /** @type {CustomEvent} */ (event).detail }));
      });
    }
    pane.addEventListener("announce", (event) => {
      const words = /** @type {CustomEvent} */ (event).detail;
      const detail = this.#panes.length > 1 ? `${name}: ${words}` : words;
      this.dispatchEvent(new CustomEvent("announce", { detail }));
    });
    this.#element.append(pane.element);
  }
}
