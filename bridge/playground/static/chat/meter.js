// @ts-check
/** How fast an answer comes. */

/** Measures one answer from the moment that it is asked for. */
export class Meter {
  #askedAt = performance.now();
  #firstAt = 0;
  #lastAt = 0;
  #numPieces = 0;

  /** Notes that more text has come. */
  count() {
    this.#lastAt = performance.now();
    this.#firstAt ||= this.#lastAt;
    this.#numPieces += 1;
  }

  /**
   * What is known by now.
   *
   * @param {import("../server/answers.js").Usage} [usage] The exact counts, once they are there. Until then each piece is
   *   taken for a token, which it is unless the reader is slower than the engine.
   * @param {boolean} [isStreamed] Of an answer that comes whole, nobody knows when its first token was there.
   */
  figures(usage, isStreamed = true) {
    const tokens = usage?.completion_tokens ?? this.#numPieces;
    const sinceFirst = (this.#lastAt - this.#firstAt) / 1000;
    const sinceAsked = (this.#lastAt - this.#askedAt) / 1000;
    // Between n tokens there are n - 1 times.
    const [number, seconds] = isStreamed ? [tokens - 1, sinceFirst] : [tokens, sinceAsked];
    return {
      ...(isStreamed && this.#firstAt && { firstTokenMs: this.#firstAt - this.#askedAt }),
      ...(number > 0 && seconds > 0 && { tokensPerSecond: number / seconds }),
      ...(tokens && { completionTokens: tokens }),
      ...(usage && { promptTokens: usage.prompt_tokens, cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0 }),
    };
  }
}
