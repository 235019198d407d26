// @ts-check
/** Shows a request as code, to be copied. */

import { colouredCode } from "../chat/markdown.js";
import { browserShelf } from "../store/shelf.js";
import { KINDS, codeFor } from "./code.js";

const KEY = "runstream.code";
const CLEAR_MS = 2000;

export class CodeDialog {
  #models;
  /** @type {import("../server/answers.js").Request[]} */
  #requests = [];
  #code = "";
  #timer = 0;
  #dialog = /** @type {HTMLDialogElement} */ (document.getElementById("code-dialog"));
  #kinds = this.#part("code-kinds");
  #text = this.#part("code-text");
  #copy = this.#part("code-copy");
  #of = /** @type {HTMLSelectElement} */ (this.#part("code-of").querySelector("select"));

  /** @param {import("../server/models.js").Models} models */
  constructor(models) {
    this.#models = models;
    const kept = browserShelf.get(KEY);
    const chosen = KINDS.some(({ id }) => id === kept) ? kept : KINDS[0].id;
    this.#kinds.append(...KINDS.map((kind) => choiceOf(kind, kind.id === chosen)));
    this.#kinds.addEventListener("change", () => this.#show());
    this.#of.addEventListener("change", () => this.#show());
    this.#copy.addEventListener("click", () => this.#copyCode());
    this.#part("code-close").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("keydown", (event) => {
      // It closes this, and does not stop an answer.
      if (event.key === "Escape") event.stopPropagation();
    });
  }

  /** @param {import("../server/answers.js").Request[]} requests Of which one is shown at a time. */
  open(requests) {
    this.#requests = requests;
    this.#of.replaceChildren(...requests.map(({ model }, index) => new Option(`${index + 1}. ${model}`, String(index))));
    this.#part("code-of").hidden = requests.length === 1;
    this.#part("code-note").textContent = this.#models.needsToken ? "RUNSTREAM_TOKEN in the environment is the token." : "";
    this.#show();
    this.#dialog.showModal();
    this.#chosen.focus();
  }

  /** @returns {HTMLInputElement} */
  get #chosen() {
    return /** @type {HTMLInputElement} */ (this.#kinds.querySelector(":checked"));
  }

  #show() {
    const id = this.#chosen.value;
    const { needsToken, grpc } = this.#models;
    const request = this.#requests[Number(this.#of.value)];
    const maxTokensStreamed = this.#models.get(request.model)?.default_max_tokens_streamed;
    this.#code = codeFor(id, { ...request, origin: location.origin, needsToken, grpc, maxTokensStreamed });
    const { language } = /** @type {(typeof KINDS)[0]} */ (KINDS.find((kind) => kind.id === id));
    this.#text.replaceChildren(colouredCode(this.#code, language));
    this.#text.scrollTo(0, 0);
    this.#tell("Copy", "");
    browserShelf.set(KEY, id);
  }

  async #copyCode() {
    const isCopied = await copied(this.#code, this.#text);
    this.#tell(isCopied ? "Copied" : "Copy", isCopied ? "Copied." : "Press Ctrl+C to copy what is selected.");
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tell("Copy", ""), CLEAR_MS);
  }

  /**
   * @param {string} label Of the button.
   * @param {string} words For a screen reader.
   */
  #tell(label, words) {
    this.#copy.textContent = label;
    this.#part("code-said").textContent = words;
  }

  /** @param {string} id @returns {HTMLElement} */
  #part(id) {
    return /** @type {HTMLElement} */ (document.getElementById(id));
  }
}

/**
 * Puts a text into the clipboard, which browsers have for pages of this machine and for those of HTTPS only.
 *
 * @param {string} text
 * @param {HTMLElement} shown Where it stands: selected otherwise, and copied as the user would.
 * @returns {Promise<boolean>} Whether it is there.
 */
async function copied(text, shown) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    getSelection()?.selectAllChildren(shown);
    return document.execCommand("copy");
  }
}

/**
 * @param {{id: string, label: string}} kind
 * @param {boolean} isChosen
 */
function choiceOf({ id, label }, isChosen) {
  const input = document.createElement("input");
  Object.assign(input, { type: "radio", name: "code-kind", value: id, defaultChecked: isChosen });
  const choice = document.createElement("label");
  choice.append(input, label);
  return choice;
}
