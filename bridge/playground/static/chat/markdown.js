// @ts-check
/**
 * Markdown that grows. What a model says becomes elements on one way only: marked makes HTML of it, in which HTML of the
 * model's own stands as text, and DOMPurify lets a few elements through that can load nothing and run nothing.
 */

import { Marked } from "../vendor/marked/marked.esm.js";
import "../vendor/dompurify/purify.min.js";
import { highlighted } from "./highlight.js";

const { DOMPurify } = /** @type {any} */ (globalThis);

const ALLOWED = {
  ALLOWED_TAGS: [
    ...["p", "br", "hr", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "span"],
    ...["strong", "em", "del", "a", "table", "thead", "tbody", "tr", "th", "td"],
  ],
  ALLOWED_ATTR: ["href", "class", "start"],
  ALLOWED_URI_REGEXP: /^(https?|mailto):/i,
  ALLOW_ARIA_ATTR: false,
  ALLOW_DATA_ATTR: false,
  RETURN_DOM_FRAGMENT: true,
};

DOMPurify.addHook("afterSanitizeAttributes", (/** @type {Element} */ element) => {
  if (element.tagName !== "A") return;
  element.setAttribute("rel", "noopener noreferrer");
  element.setAttribute("target", "_blank");
});

const marked = new Marked({ gfm: true, breaks: true });
/** @type {Record<string, (token: any) => string>} */
const renderer = {
  html: ({ raw }) => escaped(raw),
  image: ({ raw }) => escaped(raw),
  checkbox: ({ checked }) => (checked ? "[x] " : "[ ] "),
  code: ({ text, lang }) => `<pre><code>${highlighted(text, lang) ?? escaped(text)}</code></pre>`,
};
marked.use({ renderer });

/**
 * Code with its colours.
 *
 * @param {string} code
 * @param {string} language
 * @returns {DocumentFragment}
 */
export function colouredCode(code, language) {
  return DOMPurify.sanitize(highlighted(code, language) ?? escaped(code), ALLOWED);
}

/** @param {string} text */
function escaped(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** @param {string} text @returns {{raw: string}[]} The tokens of its blocks. */
function blocksOf(text) {
  try {
    return marked.lexer(text);
  } catch {
    // Nested by the thousands: the stack is too small.
    return [{ raw: text }];
  }
}

/** @param {any} block @returns {DocumentFragment} */
function fragmentOf(block) {
  try {
    if (block.type) return DOMPurify.sanitize(marked.parser([block]), ALLOWED);
  } catch {
    // As above.
  }
  const plain = document.createDocumentFragment();
  plain.append(block.raw);
  return plain;
}

/** Shows Markdown in an element. Blocks that have not changed since the last time stay, with what is selected in them. */
export class Markdown {
  #element;
  /** @type {{raw: string, nodes: Node[]}[]} */
  #blocks = [];

  /** @param {HTMLElement} element */
  constructor(element) {
    this.#element = element;
  }

  /** @param {string} text All of it, as far as it is known. */
  update(text) {
    const tokens = blocksOf(text);
    const same = this.#blocks.findIndex(({ raw }, index) => raw !== tokens[index]?.raw);
    const kept = same < 0 ? this.#blocks.length : same;
    for (const { nodes } of this.#blocks.splice(kept)) nodes.forEach((node) => node.parentNode?.removeChild(node));
    for (const token of tokens.slice(kept)) {
      const fragment = fragmentOf(token);
      this.#blocks.push({ raw: token.raw, nodes: [...fragment.childNodes] });
      this.#element.append(fragment);
    }
  }
}
