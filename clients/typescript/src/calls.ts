/** One call of the service: its deadline, its attempts, its failure as a `RunstreamError`, its end. */
import { setTimeout as sleep } from "node:timers/promises";

import { type DescMessage, type MessageShape, toBinary } from "@bufbuild/protobuf";
import { Code, type CallOptions as ConnectCallOptions } from "@connectrpc/connect";

import { CLOSED, MAX_MESSAGE_BYTES } from "./connection.js";
import {
  CallCancelledError,
  fromConnect,
  MessageTooLargeError,
  REQUEST_ID_HEADER,
  type RunstreamError,
  UnreachableError,
} from "./errors.js";
import { checkNames } from "./spelling.js";
import { checked, flag, shown, signal, text } from "./values.js";

const FIRST_WAIT_S = 0.5;
const MAX_WAIT_S = 5;
// gRPC's header of a deadline has eight digits, which here count milliseconds.
const MAX_TIMEOUT_S = 99_999;

/** What every call can be told. */
export interface CallOptions {
  /** The most seconds of this call: more than 0, at most 99,999. */
  timeoutS?: number | undefined;
  /** Cancels the call. */
  signal?: AbortSignal | undefined;
  /** Whether it waits for the service to be reachable, instead of failing at once. */
  waitForReady?: boolean | undefined;
  /** The caller's own id of it: 1 to 128 visible ASCII characters. A UUID of the service's if there is none. */
  requestId?: string | undefined;
}

/** How the calls of a client are made. */
export interface CallSettings {
  timeoutS: number;
  waitForReady: boolean;
  maxAttempts: number;
  /** Aborted once the client is closed. */
  closed: AbortSignal;
}

/** What a list can be told; each page is a call. */
export interface ListOptions extends CallOptions {
  /** How many a page has: 0 to 1,000, 0 for the service's own number. */
  pageSize?: number | undefined;
}

export const CALL_OPTIONS = ["timeoutS", "signal", "waitForReady", "requestId"] as const;
export const LIST_OPTIONS = [...CALL_OPTIONS, "pageSize"] as const;

/** Refuses a time that no call can have, with a TypeError. */
export function checkTimeout(timeoutS: unknown): void {
  if (!(typeof timeoutS === "number" && timeoutS > 0 && timeoutS <= MAX_TIMEOUT_S)) {
    throw new TypeError(`timeoutS is ${shown(timeoutS)}: give seconds, more than 0 and at most 99,999`);
  }
}

/**
 * Refuses a request that can't be sent.
 *
 * @throws MessageTooLargeError: it has more than 16 MiB.
 * @throws TypeError: a value is of the wrong type, or does not fit its field.
 */
export function checkRequest<Desc extends DescMessage>(schema: Desc, request: MessageShape<Desc>): void {
  let numBytes: number;
  try {
    numBytes = toBinary(schema, request).byteLength;
  } catch (error) {
    throw new TypeError(`the request can't be sent: ${(error as Error).message}`, { cause: error });
  }
  if (numBytes > MAX_MESSAGE_BYTES) {
    throw new MessageTooLargeError(
      `the request has ${(numBytes / 2 ** 20).toFixed(1)} MiB, and a message at most ${MAX_MESSAGE_BYTES >> 20}: ` +
        "send less at once; a batch can be several",
    );
  }
}

/** A call that may take several attempts, all within one deadline. */
export class Call {
  readonly #controller = new AbortController();
  readonly #endsAt: number;
  readonly #options: CallOptions;
  readonly #settings: CallSettings;
  readonly #headers: Record<string, string>;
  #attempts = 0;
  #waitS = FIRST_WAIT_S;

  /** @throws TypeError: an option is none that a call takes. */
  constructor(settings: CallSettings, options: CallOptions) {
    checkNames(options, CALL_OPTIONS, "a call");
    checked(options, { signal, waitForReady: flag, requestId: text });
    const { timeoutS = settings.timeoutS } = options;
    checkTimeout(timeoutS);
    if (options.requestId !== undefined && !/^[!-~]{1,128}$/.test(options.requestId)) {
      throw new TypeError("requestId is not of 1 to 128 visible ASCII characters");
    }
    this.#settings = settings;
    this.#options = options;
    this.#headers = options.requestId === undefined ? {} : { [REQUEST_ID_HEADER]: options.requestId };
    this.#endsAt = performance.now() + timeoutS * 1000;
  }

  /** Whether it was cancelled from this side. */
  get isCancelled(): boolean {
    return [this.#controller.signal, this.#options.signal, this.#settings.closed].some((signal) => signal?.aborted);
  }

  /** Ends it, if it goes on. */
  cancel(): void {
    this.#controller.abort();
  }

  /** What the stub is told of the next attempt. */
  attempt(): ConnectCallOptions {
    this.#attempts += 1;
    return { headers: this.#headers, signal: this.#signal(), timeoutMs: Math.max(1, Math.round(this.#leftMs())) };
  }

  /** Waits for the next attempt; throws the call's error if none may help. */
  async failed(thrown: unknown): Promise<void> {
    const error = this.toError(thrown);
    const waits = this.#options.waitForReady ?? this.#settings.waitForReady;
    const isFree = waits && error instanceof UnreachableError;
    if (error.code !== Code.Unavailable || (!isFree && this.#attempts >= this.#settings.maxAttempts)) throw error;
    const waitMs = 1000 * (error.retryAfterS ?? this.#waitS * (0.8 + 0.4 * Math.random()));
    this.#waitS = Math.min(MAX_WAIT_S, 2 * this.#waitS);
    if (waitMs >= this.#leftMs()) throw error;
    const ended = AbortSignal.any([this.#signal(), this.#settings.closed]);
    await sleep(waitMs, undefined, { signal: ended }).catch((aborted: unknown) => {
      throw this.toError(aborted);
    });
  }

  /** The error that the call has ended with. */
  toError(thrown: unknown): RunstreamError {
    if (!this.isCancelled) return fromConnect(thrown);
    const cause: unknown = this.#options.signal?.aborted ? this.#options.signal.reason : thrown;
    return new CallCancelledError(this.#settings.closed.aborted ? CLOSED : "the call was cancelled", { cause });
  }

  #leftMs(): number {
    return this.#endsAt - performance.now();
  }

  #signal(): AbortSignal {
    const own = this.#controller.signal;
    return this.#options.signal ? AbortSignal.any([own, this.#options.signal]) : own;
  }
}

/** Makes a call and waits for its answer. */
export async function unary<Answer>(
  method: (options: ConnectCallOptions) => Promise<Answer>,
  settings: CallSettings,
  options: CallOptions,
): Promise<Answer> {
  const call = new Call(settings, options);
  for (;;) {
    try {
      return await method(call.attempt());
    } catch (error) {
      await call.failed(error);
    }
  }
}

/** The responses of a streaming call, which is made with the first one and cancelled once a loop over them is left. */
export async function* responses<Answer>(
  method: (options: ConnectCallOptions) => AsyncIterable<Answer>,
  call: Call,
): AsyncGenerator<Answer, void, undefined> {
  let hasBegun = false;
  let answers: AsyncIterator<Answer> | undefined;
  try {
    for (;;) {
      answers = method(call.attempt())[Symbol.asyncIterator]();
      try {
        for (let next = await answers.next(); !next.done; next = await answers.next()) {
          hasBegun = true;
          yield next.value;
        }
        return;
      } catch (error) {
        if (hasBegun) throw call.toError(error);
        await call.failed(error);
      }
    }
  } finally {
    call.cancel();
    // Until it has given its end, the library's timer of the deadline keeps the process alive.
    await end(answers);
  }
}

async function end(answers: AsyncIterator<unknown> | undefined): Promise<void> {
  try {
    while (answers && !(await answers.next()).done);
  } catch {
    // It was cancelled.
  }
}
