// @ts-check
/** The choice of a model, and what is to be known of the one that is chosen. */

import { count } from "./ending.js";

/** @type {Record<import("../server/models.js").Model["state"], string>} */
const STATES = {
  ready: "Ready",
  loading: "Loading",
  unloaded: "Not loaded",
  weights_missing: "Weights missing",
  failed: "Failed",
};

/** "weights: 1.2 of 4.5 GB" */
const PROGRESS = /: ([\d.]+) of ([\d.]+)/;
const COMMAND = /(python -m [^;`"]*[\w-])/;

/** Dispatches "change" when the user has chosen another. */
export class ModelPicker extends EventTarget {
  #choice;
  #models;
  #pane;

  /**
   * @param {HTMLElement} pane
   * @param {import("../server/models.js").Models} models
   */
  constructor(pane, models) {
    super();
    this.#pane = pane;
    this.#models = models;
    this.#choice = /** @type {HTMLSelectElement} */ (pane.querySelector('select[name="model"]'));
    this.#choice.addEventListener("change", () => {
      this.#tell(".model-gone", []);
      this.dispatchEvent(new Event("change"));
    });
  }

  /** The id of the one that is chosen. */
  get model() {
    return this.#choice.value;
  }

  /** @param {string} id The one that is chosen. Shown as it is now, with the others. */
  show(id) {
    const options = this.#models.list.map((model) => new Option(labelOf(model), model.id));
    if (options.map(({ text }) => text).join() !== [...this.#choice.options].map(({ text }) => text).join()) {
      this.#choice.replaceChildren(...options);
    }
    this.#choice.value = id;
    const model = this.#models.get(id);
    if (!model) return;
    const isStandIn = model.served_model !== "" && model.served_model !== id;
    this.#showState(model, isStandIn);
    this.#part(".model-limits").textContent = limitsOf(model);
    this.#part(".empty-text").textContent = model.description;
    const words = `${model.served_model} answers instead: the weights of ${id} are not on this machine. These are not ${id}'s answers.`;
    this.#tell(".stand-in", isStandIn ? [words] : []);
    const isInTrouble = model.state === "weights_missing" || model.state === "failed" || model.state === "unloaded";
    this.#tell(".model-trouble", isInTrouble && model.state_detail ? withCommand(model.state_detail) : []);
  }

  /**
   * Says that a model is not there, until the user has chosen one.
   *
   * @param {string} gone
   * @param {string} next The one in its place; empty for none.
   */
  tellReplaced(gone, next) {
    this.#tell(".model-gone", [`This server does not have ${gone}.${next && ` ${next} is chosen instead.`}`]);
  }

  /**
   * @param {import("../server/models.js").Model} model
   * @param {boolean} isStandIn Whether another answers for it.
   */
  #showState({ state, state_detail: detail }, isStandIn) {
    const badge = document.createElement("span");
    badge.className = `badge ${isStandIn ? "stand_in" : state}`;
    badge.textContent = isStandIn ? "Stand-in" : STATES[state];
    const told = state === "loading" ? [badge, ...progressOf(detail)] : [badge];
    this.#tell(".model-state", told);
  }

  /**
   * Says something in a place, which is announced only if it is new.
   *
   * @param {string} selector
   * @param {(string | Node)[]} parts
   */
  #tell(selector, parts) {
    const place = this.#part(selector);
    const said = document.createElement("span");
    said.append(...parts);
    if (place.textContent !== said.textContent) place.replaceChildren(...said.childNodes);
    place.hidden = !parts.length;
  }

  /** @param {string} selector @returns {HTMLElement} */
  #part(selector) {
    return /** @type {HTMLElement} */ (this.#pane.querySelector(selector));
  }
}

/** @param {import("../server/models.js").Model} model */
function labelOf({ id, state, served_model: served }) {
  if (served && served !== id) return `${id} (stand-in)`;
  return state === "ready" ? id : `${id} (${STATES[state].toLowerCase()})`;
}

/** @param {import("../server/models.js").Model} model */
function limitsOf(model) {
  const limits = [
    `${count(model.context_window)} tokens`,
    `answers up to ${count(model.max_completion_tokens)}`,
    ...(model.can_call_tools ? ["tools"] : []),
    ...(model.retired ? [`retired by Cloudflare on ${model.retired}`] : []),
  ];
  return limits.join(" · ");
}

/** @param {string} detail @returns {(string | Node)[]} */
function progressOf(detail) {
  const found = PROGRESS.exec(detail);
  if (!found) return [detail];
  const bar = document.createElement("progress");
  bar.value = Number(found[1]);
  bar.max = Number(found[2]);
  bar.setAttribute("aria-label", detail);
  return [bar, detail];
}

/** @param {string} detail @returns {(string | Node)[]} With what can be run as code. */
function withCommand(detail) {
  return detail.split(COMMAND).map((text, index) => {
    if (index % 2 === 0) return text;
    const code = document.createElement("code");
    code.textContent = text;
    return code;
  });
}
