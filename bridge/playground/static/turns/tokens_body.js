// @ts-check
/** The tokens of an answer, each in the colour of its probability, with what else was likely in its place. */

import { clone } from "../chat/templates.js";
import { levelOf, percent, spoken, visible } from "./probabilities.js";
import { TokenTip } from "./token_tip.js";

/** How far each key goes. @type {Record<string, number>} */
const STEPS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

/** A list of tokens, of which one at a time can have the focus. */
export class TokensBody {
  classes = ["plain", "by-token"];
  #tokens = clone("tokens-template");
  #text = document.createElement("div");
  /** @type {import("./body.js").Body | undefined} */
  #body;
  /** @type {import("../chat/state.js").Token[]} */
  #shown = [];
  /** @type {import("../chat/state.js").Turn | undefined} */
  #turn;
  #tip = new TokenTip(this.#tokens);

  /**
   * @param {HTMLElement} element
   * @param {(element: HTMLElement) => import("./body.js").Body} otherwise How the text is shown without colours.
   */
  constructor(element, otherwise) {
    this.#text.hidden = true;
    element.append(this.#tokens, this.#text, this.#legend(element, otherwise));
    this.#tokens.addEventListener("keydown", (event) => this.#move(event));
    this.#tokens.addEventListener("focusin", ({ target }) => this.#point(/** @type {HTMLElement} */ (target)));
    this.#tokens.addEventListener("focusout", () => this.#tip.hide());
    this.#tokens.addEventListener("pointerover", ({ target }) => this.#show(/** @type {HTMLElement} */ (target)));
    this.#tokens.addEventListener("pointerleave", () => this.#tip.hide());
  }

  /** @param {import("../chat/state.js").Turn} turn */
  update(turn) {
    const tokens = turn.tokens ?? [];
    const added = tokens.slice(this.#shown.length);
    this.#tokens.append(...added.map((token, index) => optionOf(token, this.#shown.length + index === 0)));
    this.#shown = tokens.slice();
    this.#body?.update(turn);
    this.#turn = turn;
  }

  /**
   * @param {HTMLElement} element
   * @param {(element: HTMLElement) => import("./body.js").Body} otherwise
   */
  #legend(element, otherwise) {
    const legend = clone("legend-template");
    const toggle = /** @type {HTMLElement} */ (legend.querySelector("button"));
    toggle.addEventListener("click", () => {
      const isText = this.#text.hidden;
      this.#text.hidden = !isText;
      this.#tokens.hidden = isText;
      this.#body ??= otherwise(this.#text);
      this.#text.classList.add(...this.#body.classes);
      if (this.#turn) this.#body.update(this.#turn);
      element.classList.toggle("plain", !isText);
      toggle.setAttribute("aria-pressed", String(isText));
    });
    return legend;
  }

  /** @param {KeyboardEvent} event */
  #move(event) {
    const options = this.#options;
    const at = options.indexOf(/** @type {HTMLElement} */ (event.target));
    /** @type {Record<string, number>} */
    const places = { Home: 0, End: options.length - 1 };
    const place = places[event.key] ?? at + STEPS[event.key];
    if (event.key === "Escape" && this.#tip.isShown) {
      // It takes the alternatives away, and does not stop an answer.
      event.stopPropagation();
      this.#tip.hide();
    }
    if (Number.isNaN(place)) return;
    event.preventDefault();
    options[Math.min(Math.max(place, 0), options.length - 1)].focus();
  }

  /** @returns {HTMLElement[]} */
  get #options() {
    return /** @type {HTMLElement[]} */ ([...this.#tokens.children]);
  }

  /** @param {HTMLElement} option The one that has the focus, and has it again when the list is entered next. */
  #point(option) {
    for (const other of this.#tokens.querySelectorAll('[tabindex="0"]')) {
      other.setAttribute("tabindex", "-1");
      other.setAttribute("aria-selected", "false");
    }
    option.tabIndex = 0;
    option.setAttribute("aria-selected", "true");
    this.#show(option);
  }

  /** @param {HTMLElement} option */
  #show(option) {
    const token = this.#shown[this.#options.indexOf(option)];
    if (token) this.#tip.show(option, token);
  }
}

/**
 * @param {import("../chat/state.js").Token} token
 * @param {boolean} isFirst
 */
function optionOf(token, isFirst) {
  const option = document.createElement("span");
  option.role = "option";
  option.tabIndex = isFirst ? 0 : -1;
  option.className = `token level-${levelOf(token.logprob)}`;
  option.classList.toggle("line-end", token.text.includes("\n"));
  option.textContent = token.text || visible(token.text);
  option.setAttribute("aria-selected", "false");
  option.setAttribute("aria-label", `${spoken(token.text)}, ${percent(token.logprob)}`);
  const others = token.top.filter(({ text }) => text !== token.text);
  const told = others.map(({ text, logprob }) => `${spoken(text)} ${percent(logprob)}`).join(", ");
  if (told) option.setAttribute("aria-description", `Instead: ${told}`);
  return option;
}
