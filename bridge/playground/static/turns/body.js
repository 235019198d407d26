// @ts-check
/** The ways in which the text of a turn is shown. */

import { Markdown, colouredCode } from "../chat/markdown.js";
import { valueOf, written } from "../editors/json_text.js";
import { TokensBody } from "./tokens_body.js";

/**
 * @typedef {import("../chat/state.js").Turn} Turn
 *
 * @typedef {object} Body
 * @property {string[]} classes Of the element that it is shown in.
 * @property {(turn: Turn) => void} update Shows the turn as it is by now.
 */

/**
 * @param {Turn} turn
 * @param {HTMLElement} element Empty.
 * @returns {Body}
 */
export function bodyFor(turn, element) {
  if (turn.tokens) return new TokensBody(element, withoutTokens(turn));
  return withoutTokens(turn)(element);
}

/** @param {Turn} turn @returns {(element: HTMLElement) => Body} */
function withoutTokens({ role, isRaw, asked }) {
  if (asked?.fields.response_format) return (element) => new JsonBody(element);
  if (role !== "assistant" || isRaw) return (element) => new PlainBody(element, Boolean(isRaw));
  return (element) => new MarkdownBody(element);
}

class PlainBody {
  #element;

  /**
   * @param {HTMLElement} element
   * @param {boolean} isRaw
   */
  constructor(element, isRaw) {
    this.#element = element;
    this.classes = isRaw ? ["plain", "raw"] : ["plain"];
  }

  /** @param {Turn} turn */
  update({ content }) {
    this.#element.textContent = content;
  }
}

class MarkdownBody {
  /** @type {string[]} */
  classes = [];
  #markdown;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.#markdown = new Markdown(element);
  }

  /** @param {Turn} turn */
  update({ content }) {
    this.#markdown.update(content);
  }
}

/** JSON with its lines and colours, once it is whole. */
class JsonBody {
  classes = ["json"];
  #shown = "";
  #code = document.createElement("code");

  /** @param {HTMLElement} element */
  constructor(element) {
    const block = document.createElement("pre");
    block.append(this.#code);
    element.append(block);
  }

  /** @param {Turn} turn */
  update({ content }) {
    if (content === this.#shown) return;
    this.#shown = content;
    const value = valueOf(content);
    this.#code.replaceChildren(value === undefined ? content : colouredCode(written(value), "json"));
  }
}
