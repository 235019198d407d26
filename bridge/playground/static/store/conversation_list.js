// @ts-check
/** The list of conversations, and their ways in and out as files. */

import { button } from "../chat/button.js";
import { loaded } from "../server/bridge.js";
import { all, keep, remove, titleOf } from "./conversations.js";

/**
 * Dispatches "open" with a conversation as `detail`, "new" when a new one is wanted, also after the one that is open has
 * been deleted, and "problem" with words as `detail`.
 */
export class ConversationList extends EventTarget {
  #element;
  #open = "";

  /** @param {HTMLElement} element The whole of it, with its buttons. */
  constructor(element) {
    super();
    this.#element = element;
    const file = /** @type {HTMLInputElement} */ (this.#part("#import-file"));
    this.#part("#new-conversation").addEventListener("click", () => this.dispatchEvent(new Event("new")));
    this.#part("#export").addEventListener("click", () => this.#export());
    this.#part("#import").addEventListener("click", () => file.click());
    file.addEventListener("change", () => this.#import(file));
  }

  /** @param {string} id Of the conversation that is open. Shows the list as it is now. */
  show(id) {
    this.#open = id;
    this.#part("#conversation-list").replaceChildren(...all().map((conversation) => this.#entry(conversation)));
  }

  /** @param {import("./conversations.js").Conversation} conversation */
  #entry(conversation) {
    const entry = document.createElement("li");
    const title = titleOf(conversation);
    const open = button(title, "open", () => this.dispatchEvent(new CustomEvent("open", { detail: conversation })));
    if (conversation.id === this.#open) open.setAttribute("aria-current", "true");
    const gone = button("×", "quiet", () => this.#delete(conversation.id));
    gone.setAttribute("aria-label", `Delete ${title}`);
    entry.append(open, gone);
    return entry;
  }

  /** @param {string} id */
  #delete(id) {
    // Leaving a conversation keeps it once more.
    if (id === this.#open) this.dispatchEvent(new Event("new"));
    remove(id);
    this.show(this.#open);
    this.#part("#new-conversation").focus();
  }

  async #export() {
    try {
      const { exported } = await loaded(import("./transfer.js"));
      download(exported(all()), "runstream-chats.json");
    } catch (error) {
      this.#fail(error);
    }
  }

  /** @param {any} error */
  #fail({ message }) {
    this.dispatchEvent(new CustomEvent("problem", { detail: message }));
  }

  /** @param {HTMLInputElement} input */
  async #import(input) {
    const [file] = input.files ?? [];
    input.value = "";
    if (!file) return;
    try {
      const { imported } = await loaded(import("./transfer.js"));
      for (const conversation of await imported(file)) keep(conversation);
    } catch (error) {
      this.#fail(error);
    }
    this.show(this.#open);
  }

  /** @param {string} selector @returns {HTMLElement} */
  #part(selector) {
    return /** @type {HTMLElement} */ (this.#element.querySelector(selector));
  }
}

/**
 * @param {Blob} blob
 * @param {string} name
 */
function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}
