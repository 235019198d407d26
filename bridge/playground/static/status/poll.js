// @ts-check
/** Asking again and again, as long as somebody looks at the page. */

export class Poll {
  #timer = 0;
  #isAsking = false;
  isPaused = false;

  /**
   * @param {() => Promise<void>} ask Asks once, and raises nothing.
   * @param {number} intervalMs The pause between an answer and the next question.
   */
  constructor(ask, intervalMs) {
    this.ask = ask;
    this.intervalMs = intervalMs;
    document.addEventListener("visibilitychange", () => this.run());
  }

  /** Asks now, and from then on again and again, unless the page is hidden, paused, or waits for an answer. */
  async run() {
    clearTimeout(this.#timer);
    if (this.#isAsking || this.isPaused || document.visibilityState === "hidden") return;
    this.#isAsking = true;
    await this.ask();
    this.#isAsking = false;
    this.#timer = setTimeout(() => this.run(), this.intervalMs);
  }

  /** Asks no more, until `run` is called. */
  stop() {
    clearTimeout(this.#timer);
  }
}
