// @ts-check
/** Asks for the token. */

/** Dispatches "change" when there is another token. */
export class TokenDialog extends EventTarget {
  #bridge;
  #dialog = /** @type {HTMLDialogElement} */ (document.getElementById("token-dialog"));
  #input = /** @type {HTMLInputElement} */ (document.getElementById("token"));
  #reason = /** @type {HTMLElement} */ (document.getElementById("token-reason"));

  /** @param {import("./bridge.js").Bridge} bridge */
  constructor(bridge) {
    super();
    this.#bridge = bridge;
    document.getElementById("token-cancel")?.addEventListener("click", () => this.#close());
    this.#dialog.addEventListener("submit", (event) => {
      // The policy of these pages lets no form be sent, not even to nowhere.
      event.preventDefault();
      this.#take();
    });
  }

  /** Closes; Chromium then gives the focus back, but no caret, and what is typed is lost. */
  #close() {
    this.#dialog.close();
    const focused = /** @type {HTMLElement} */ (document.activeElement);
    focused.blur();
    focused.focus();
  }

  /**
   * Opens.
   *
   * @param {import("./bridge.js").BridgeError} [error] Why: what the bridge has said to the request before.
   */
  open(error) {
    const isWrong = error && this.#bridge.token;
    this.#reason.textContent = isWrong ? `The bridge does not know this token: ${error.message}.` : "";
    this.#reason.hidden = !isWrong;
    this.#input.value = "";
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#input.focus();
  }

  #take() {
    this.#bridge.token = this.#input.value.trim();
    this.#input.value = "";
    this.#close();
    this.dispatchEvent(new Event("change"));
  }
}
