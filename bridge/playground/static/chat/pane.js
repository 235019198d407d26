// @ts-check
/** A conversation with one model and its settings. A page may show several; they share nothing but what they are given. */

import { MoreSettings } from "../editors/more_settings.js";
import { ask } from "../server/asking.js";
import { fill } from "./answering.js";
import { outcomeOf } from "./ending.js";
import { ModelPicker } from "./model_picker.js";
import { Settings } from "./settings.js";
import { askedOf, before, bodyOf, topLogprobsOf, withNext } from "./state.js";
import { clone } from "./templates.js";
import { Transcript } from "./transcript.js";

/**
 * Dispatches "change" when its state has changed, "running" when an answer begins or ends, "announce" with words for a
 * screen reader as `detail`, "code" with a request as `detail` when it is to be shown as code, "told" when results of tools
 * have been sent, and "refused" with the error as `detail` when the bridge wants another token.
 */
export class Pane extends EventTarget {
  /** @type {{answer: import("./answering.js").Answer, controller: AbortController} | undefined} */
  #running;
  #closed = new AbortController();
  #bridge;
  #models;
  #picker;
  #transcript;
  #more;
  #schemaOf = "";

  /**
   * @param {import("../server/bridge.js").Bridge} bridge
   * @param {import("../server/models.js").Models} models
   * @param {import("./state.js").PaneState} state Kept up to date.
   */
  constructor(bridge, models, state) {
    super();
    this.#bridge = bridge;
    this.#models = models;
    this.state = state;
    this.element = clone("pane-template");
    this.#picker = new ModelPicker(this.element, models);
    this.#picker.addEventListener("change", () => this.#choose(this.#picker.model));
    this.settings = new Settings(/** @type {HTMLFormElement} */ (this.#part(".settings")), state);
    this.settings.addEventListener("change", () => this.#changed());
    this.#more = new MoreSettings(this.#part(".more-settings"), state);
    this.#part('[name="settings"]').addEventListener("click", () => this.showSettings(Boolean(this.#part(".settings").hidden)));
    models.addEventListener("change", () => this.#showModels(), { signal: this.#closed.signal });
    this.#transcript = new Transcript(this.#part(".scroller"));
    this.#transcript.addEventListener("wish", (event) => this.#grant(/** @type {CustomEvent} */ (event).detail));
    state.turns.forEach((turn) => this.#transcript.add(turn));
    this.#showModels();
  }

  /** Whether an answer is on its way. */
  get isRunning() {
    return this.#running !== undefined;
  }

  /** The request for the next answer. */
  get request() {
    return this.#requestOf(this.state);
  }

  /**
   * The request that would be sent with a text.
   *
   * @param {string} content If it is empty, the last one that could be sent again, or an example.
   */
  requestWith(content) {
    return this.#requestOf(withNext(this.state, content));
  }

  /** Ends what is on its way, and leaves the page. */
  close() {
    this.stop();
    this.#changed();
    this.#closed.abort();
    this.element.remove();
  }

  /** @param {boolean} isShown */
  showSettings(isShown) {
    this.#part(".settings").hidden = !isShown;
    this.#part('[name="settings"]').setAttribute("aria-expanded", String(isShown));
  }

  /** @returns {boolean} Whether something can be sent: the models are known, and the settings are in their ranges. */
  check() {
    if (!this.#models.list.length) {
      this.#models.refresh();
      return false;
    }
    const form = /** @type {HTMLFormElement} */ (this.#part(".settings"));
    if (form.matches(":invalid")) this.showSettings(true);
    return form.reportValidity();
  }

  /**
   * Says something, and asks for the answer.
   *
   * @param {string} content
   */
  async send(content) {
    if (this.isRunning || !this.check()) return;
    this.#push({ role: "user", content, ...(this.state.mode === "raw" && { isRaw: true }) });
    await this.answer();
  }

  /** Ends the answer that is on its way; the engine then stops computing it. */
  stop() {
    if (!this.#running) return;
    const { answer, controller } = this.#running;
    // Whoever leaves the conversation keeps it at once.
    answer.ending.reason ||= "stopped";
    controller.abort();
  }

  /** Asks for an answer to what has been said. */
  async answer() {
    const { request, state } = this;
    /** @type {import("./answering.js").Answer} */
    const turn = {
      role: "assistant",
      content: "",
      model: state.model,
      ...(state.mode === "raw" && { isRaw: true }),
      ...(request.topLogprobs !== undefined && { tokens: [] }),
      asked: askedOf(state),
      ending: { reason: "" },
    };
    const controller = new AbortController();
    const { signal } = controller;
    this.#running = { answer: turn, controller };
    const view = this.#push(turn);
    this.#transcript.showRunning(view, true);
    this.#tellFailure();
    this.#tell("running", "The model is answering.");
    try {
      const pieces = ask(this.#bridge, request, signal);
      this.#tellFailure(await fill(turn, pieces, signal, request.body.stream, () => view.show()));
    } finally {
      this.#running = undefined;
      this.#transcript.showRunning(view, false);
      view.showNow();
      this.#changed();
      this.#tell("running", outcomeOf(turn));
    }
  }

  /** @param {import("../server/bridge.js").BridgeError} [error] What the bridge has said, if something went wrong. */
  #tellFailure(error) {
    this.#more.tell(error?.message ?? "");
    if (error?.wantsToken) this.dispatchEvent(new CustomEvent("refused", { detail: error }));
  }

  /** @param {import("./state.js").Turn} turn */
  #push(turn) {
    this.state.turns.push(turn);
    const view = this.#transcript.add(turn);
    this.#changed();
    return view;
  }

  /** @param {import("./state.js").PaneState} state @returns {import("../server/answers.js").Request} */
  #requestOf(state) {
    const topLogprobs = topLogprobsOf(state);
    const answerShape = this.#models.get(state.model)?.answer_shape;
    const request = { account: this.#models.account, model: state.model, body: bodyOf(state), answerShape };
    return topLogprobs === undefined ? request : { ...request, topLogprobs };
  }

  /** @param {import("./state.js").Turn} turn An answer. */
  #showCode(turn) {
    const detail = this.#requestOf(before(this.state, turn));
    this.dispatchEvent(new CustomEvent("code", { detail }));
  }

  /** @param {{turn: import("./state.js").Turn, wish: string, detail: any}} wished */
  #grant({ turn, wish, detail }) {
    if (wish === "again") this.#again(turn);
    if (wish === "code") this.#showCode(turn);
    if (wish === "edited") this.#edit(turn, detail);
    if (wish === "stop") this.stop();
    if (wish === "results") this.#tellResults(detail);
  }

  /** @param {import("../turns/tool_calls.js").Result[]} results What the tools answer that the last turn has called. */
  #tellResults(results) {
    if (this.isRunning || !this.check()) return;
    for (const { name, content } of results) this.#push({ role: "tool", name, content });
    this.dispatchEvent(new Event("told"));
    this.answer();
  }

  /** @param {import("./state.js").Turn} turn An answer, to be given again. */
  #again(turn) {
    if (this.isRunning || !this.check()) return;
    this.#cutTo(this.state.turns.indexOf(turn));
    this.answer();
  }

  /**
   * @param {import("./state.js").Turn} turn
   * @param {string} content
   */
  #edit(turn, content) {
    if (this.isRunning) return;
    if (turn.content !== content) {
      turn.content = content;
      // They are those of the text before.
      delete turn.tokens;
    }
    const index = this.state.turns.indexOf(turn);
    this.#transcript.showAnew(turn);
    this.#changed();
    if (turn.role !== "user" || !this.check()) return;
    this.#cutTo(index + 1);
    this.answer();
  }

  /** @param {number} length How many turns stay. */
  #cutTo(length) {
    this.state.turns.length = length;
    this.#transcript.cutTo(length);
  }

  /** @param {string} id */
  #choose(id) {
    this.state.model = id;
    this.#showModels();
    this.#changed();
  }

  #showModels() {
    if (!this.#models.list.length) return;
    if (!this.#models.get(this.state.model)) this.#replaceModel();
    this.#picker.show(this.state.model);
    if (this.#schemaOf !== this.state.model) this.#showSchema(this.state.model);
  }

  /** Goes on with another model where the one that was chosen is not there. */
  #replaceModel() {
    const { model } = this.state;
    this.state.model = this.#models.first?.id ?? "";
    if (model) this.#picker.tellReplaced(model, this.state.model);
  }

  /** @param {string} model */
  async #showSchema(model) {
    this.#schemaOf = model;
    try {
      const schema = await this.#models.parameters(model);
      if (this.#schemaOf === model) this.settings.schema = schema;
    } catch {
      // What is wrong is told where the models are asked for; the next time that they are told, so is this.
      this.#schemaOf = "";
    }
  }

  #changed() {
    if (this.#closed.signal.aborted) return;
    this.dispatchEvent(new Event("change"));
  }

  /**
   * @param {string} type
   * @param {string} words
   */
  #tell(type, words) {
    this.dispatchEvent(new Event(type));
    this.dispatchEvent(new CustomEvent("announce", { detail: words }));
  }

  /** @param {string} selector @returns {HTMLElement} */
  #part(selector) {
    return /** @type {HTMLElement} */ (this.element.querySelector(selector));
  }
}
