// @ts-check
/** What was likely in the place of a token, above or below it. */

import { clone } from "../chat/templates.js";
import { percent, visible } from "./probabilities.js";

const MARGIN = 8;

export class TokenTip {
  #tip = clone("tip-template");
  #tokens;

  /** @param {HTMLElement} tokens What it is of. */
  constructor(tokens) {
    this.#tokens = tokens;
  }

  get isShown() {
    return this.#tip.matches(":popover-open");
  }

  /**
   * @param {HTMLElement} element Beside which it is shown.
   * @param {import("../chat/state.js").Token} token
   */
  show(element, token) {
    if (!this.#tip.isConnected) this.#tokens.after(this.#tip);
    const others = token.top.filter(({ text }) => text !== token.text);
    this.#tip.replaceChildren(rowOf(token, "chosen"), ...others.map((other) => rowOf(other, "")));
    this.#tip.showPopover();
    const { left, bottom, top } = element.getBoundingClientRect();
    const { width, height } = this.#tip.getBoundingClientRect();
    const isBelow = bottom + height + MARGIN < innerHeight;
    this.#tip.style.left = `${Math.max(MARGIN, Math.min(left, innerWidth - width - MARGIN))}px`;
    this.#tip.style.top = `${isBelow ? bottom + 2 : Math.max(MARGIN, top - height - 2)}px`;
  }

  hide() {
    if (this.isShown) this.#tip.hidePopover();
  }
}

/**
 * @param {{text: string, logprob: number}} token
 * @param {string} className
 */
function rowOf({ text, logprob }, className) {
  const row = document.createElement("div");
  row.className = `tip-row ${className}`;
  const name = document.createElement("code");
  const [bar, share] = [document.createElement("span"), document.createElement("span")];
  name.textContent = visible(text);
  bar.className = "bar";
  bar.style.setProperty("--share", String(Math.exp(logprob)));
  share.textContent = percent(logprob);
  row.append(name, bar, share);
  return row;
}
