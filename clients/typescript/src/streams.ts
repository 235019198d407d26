/** A completion while it is generated: its parts, of a call that is cancelled when they are left. */
import type { CallOptions as ConnectCallOptions } from "@connectrpc/connect";

import { type Call, responses } from "./calls.js";
import { CallCancelledError } from "./errors.js";
import { Joined, type Part, RunResult, toPart } from "./results.js";
import type { RunStreamResponse } from "./stubs/runstream/v1/text_generation_pb.js";

/**
 * The parts of a completion as they come. The service is asked with the first of them.
 *
 * A loop that is left ends the generation, whether by break, return or an exception; so do `cancel` and the signal.
 * Iterating a stream that was left yields nothing more. Iterating throws a `RunstreamError` as `Client.run` does; parts
 * that came before are whole.
 */
export class Stream<T = unknown> implements AsyncIterable<Part> {
  readonly #call: Call;
  readonly #joined = new Joined();
  readonly #parse: ((text: string) => T) | undefined;
  readonly #parts: AsyncGenerator<Part, void, undefined>;
  #isLeft = false;

  constructor(
    method: (options: ConnectCallOptions) => AsyncIterable<RunStreamResponse>,
    call: Call,
    parse?: (text: string) => T,
  ) {
    this.#call = call;
    this.#parse = parse;
    this.#parts = this.#iterate(responses(method, call));
  }

  /** The text that has come so far. */
  get text(): string {
    return this.#joined.response.text;
  }

  [Symbol.asyncIterator](): AsyncGenerator<Part, void, undefined> {
    return this.#parts;
  }

  async *#iterate(answers: AsyncIterable<RunStreamResponse>): AsyncGenerator<Part, void, undefined> {
    if (this.#isLeft) return;
    try {
      for await (const response of answers) {
        this.#joined.add(response);
        yield toPart(response);
      }
    } catch (error) {
      if (!this.#isLeft) throw error;
    }
  }

  /**
   * Waits for the parts that are left; the whole answer, equal to that of `Client.run`.
   *
   * @throws CallCancelledError: the stream was left before.
   */
  async result(): Promise<RunResult<T>> {
    for await (const _ of this.#parts);
    if (!this.#joined.isWhole) {
      throw new CallCancelledError("the stream was left before its last part; `text` has what came");
    }
    return new RunResult(this.#joined.response, this.#parse);
  }

  /** Ends the generation, if it goes on. */
  cancel(): void {
    this.#isLeft = true;
    this.#call.cancel();
  }
}
