// @ts-check
/** Where the user writes. */

/** Dispatches "send" with a text as `detail`, which stays if that is prevented, and "stop". */
export class Composer extends EventTarget {
  #message;
  #send;
  #stop;
  #isRunning = false;

  /** @param {HTMLFormElement} form */
  constructor(form) {
    super();
    this.#message = /** @type {HTMLTextAreaElement} */ (form.querySelector("#message"));
    this.#send = /** @type {HTMLElement} */ (form.querySelector("#send"));
    this.#stop = /** @type {HTMLElement} */ (form.querySelector("#stop"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#message.addEventListener("keydown", (event) => {
      // While an input method composes a character, Enter chooses it.
      if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
      event.preventDefault();
      this.#submit();
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.#isRunning) this.dispatchEvent(new Event("stop"));
    });
    this.#stop.addEventListener("click", () => this.dispatchEvent(new Event("stop")));
  }

  /** What the user has written and not sent yet. */
  get text() {
    return this.#message.value;
  }

  focus() {
    this.#message.focus();
  }

  /** @param {boolean} isRunning Whether an answer is on its way, which can be stopped. */
  showRunning(isRunning) {
    const hadFocus = this.#stop === document.activeElement;
    this.#isRunning = isRunning;
    this.#stop.hidden = !isRunning;
    this.#send.hidden = isRunning;
    if (hadFocus && !isRunning) this.focus();
  }

  #submit() {
    const text = this.#message.value;
    if (this.#isRunning || !text.trim()) return;
    const isTaken = this.dispatchEvent(new CustomEvent("send", { detail: text, cancelable: true }));
    if (isTaken) this.#message.value = "";
  }
}
