/** The batches of a service: many requests that are answered some time, behind those that somebody waits for. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import { create } from "@bufbuild/protobuf";
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import type { Client as Stub } from "@connectrpc/connect";

import {
  Call,
  type CallOptions,
  type CallSettings,
  checkRequest,
  LIST_OPTIONS,
  type ListOptions,
  responses,
  unary,
} from "./calls.js";
import { CLOSED } from "./connection.js";
import { CallCancelledError, DeadlineExceededError, fromReason, type RunstreamError } from "./errors.js";
import { type CompletionOptions, makeRequest } from "./requests.js";
import { RunResult } from "./results.js";
import { checkNames } from "./spelling.js";
import {
  type Batch as ContractBatch,
  type BatchItem as ContractBatchItem,
  BatchItemSchema,
  type BatchResult as ContractBatchResult,
  type BatchService,
  BatchState as State,
  CreateBatchRequestSchema,
} from "./stubs/runstream/v1/batches_pb.js";
import { checked, integer, list, number, object, shown, signal as abortSignal, text } from "./values.js";

// A timer that is told of more wakes at once.
const MAX_SLEEP_MS = 2 ** 31 - 1;

/** How far a batch is; "unknown" is a state that is newer than this client. */
export type BatchState = "queued" | "running" | "done" | "cancelled" | "unknown";

const STATES = new Map<State, BatchState>([
  [State.QUEUED, "queued"],
  [State.RUNNING, "running"],
  [State.DONE, "done"],
  [State.CANCELLED, "cancelled"],
]);

/** What is asked: a prompt, or what `run` takes but the model, with an `externalReference` to know the result by. */
export type BatchItem = string | (CompletionOptions & { externalReference?: string | undefined });

/** How far a batch is. */
export interface Batch {
  /** Its id, a UUID. */
  id: string;
  /** The model that its items ask. */
  model: string;
  state: BatchState;
  numItems: number;
  /** How many have an answer. */
  numSucceeded: number;
  /** How many have failed, those that were cancelled included. */
  numFailed: number;
  /** How many have their result. */
  numEnded: number;
  /** Whether every item has its result. */
  hasEnded: boolean;
  createTime: Date;
  /** When its last item got its result; undefined until then. */
  endTime: Date | undefined;
  /** When it is forgotten; undefined until it has ended. */
  expireTime: Date | undefined;
}

/** What became of an item: one of `result` and `error` is undefined. */
export interface BatchResult {
  /** The item's place in the batch, counted from 0. */
  index: number;
  /** What the item asked to be known by; undefined for nothing. */
  externalReference: string | undefined;
  result: RunResult | undefined;
  /** Why it has no result; an error as a call would have thrown. */
  error: RunstreamError | undefined;
}

/** What a batch is made of, and how it is sent. */
export interface CreateBatchOptions extends Omit<CallOptions, "requestId"> {
  model: string;
  items: Iterable<BatchItem>;
  /** A UUID that makes it safe to ask again, also from another process; a fresh one if it is not given. */
  requestId?: string | undefined;
}

/** How a batch is waited for. */
export interface WaitOptions {
  /** Called with the batch at the start and each `pollS` seconds, to move a progress bar. */
  onProgress?: ((batch: Batch) => void) | undefined;
  /** More than 0; 1 second if it is not given. */
  pollS?: number | undefined;
  /** The most seconds to wait, 0 for one look; no limit if it is not given. The batch goes on afterwards. */
  timeoutS?: number | undefined;
  signal?: AbortSignal | undefined;
}

const CREATE_NAMES = ["model", "items", "requestId", "timeoutS", "signal", "waitForReady"];
const WAIT_NAMES = ["onProgress", "pollS", "timeoutS", "signal"];

/** `client.batches`, those of the client's account. All calls reject with `RunstreamError`s. */
export class Batches {
  readonly #stub: Stub<typeof BatchService>;
  readonly #settings: CallSettings;

  constructor(stub: Stub<typeof BatchService>, settings: CallSettings) {
    this.#stub = stub;
    this.#settings = settings;
  }

  /** Has a batch taken, as a whole or not at all: 1 to 10,000 items, of at most 16 MiB together. */
  async create(options: CreateBatchOptions): Promise<Batch> {
    checkNames(options, CREATE_NAMES, "create");
    const { model, requestId = randomUUID(), items, ...call } = options;
    checked({ requestId }, { requestId: text });
    const made = list(makeItem)(items, "items");
    // With an id of its own the request can be sent again where the connection broke.
    const request = create(CreateBatchRequestSchema, {
      model: text(model, "model"),
      requestId,
      items: made,
    });
    checkRequest(CreateBatchRequestSchema, request);
    return toBatch((await unary((each) => this.#stub.createBatch(request, each), this.#settings, call)).batch);
  }

  /** Tells how far a batch is. */
  async get(batchId: string, options: CallOptions = {}): Promise<Batch> {
    const request = { batchId: text(batchId, "batchId") };
    return toBatch((await unary((call) => this.#stub.getBatch(request, call), this.#settings, options)).batch);
  }

  /** Yields the batches, newest first, asking for `pageSize` at once: 0 to 1,000, 0 for 100. */
  async *list(options: ListOptions = {}): AsyncGenerator<Batch, void, undefined> {
    checkNames(options, LIST_OPTIONS, "list");
    checked(options, { pageSize: integer });
    const { pageSize = 0, ...each } = options;
    let pageToken = "";
    do {
      const request = { pageSize, pageToken };
      const page = await unary((call) => this.#stub.listBatches(request, call), this.#settings, each);
      yield* page.batches.map(toBatch);
      pageToken = page.nextPageToken;
    } while (pageToken);
  }

  /** Ends what is left of a batch; keeps the results that it has. */
  async cancel(batchId: string, options: CallOptions = {}): Promise<Batch> {
    const request = { batchId: text(batchId, "batchId") };
    return toBatch((await unary((call) => this.#stub.cancelBatch(request, call), this.#settings, options)).batch);
  }

  /** Ends what is left of a batch, and forgets it with its results. */
  async delete(batchId: string, options: CallOptions = {}): Promise<void> {
    const request = { batchId: text(batchId, "batchId") };
    await unary((call) => this.#stub.deleteBatch(request, call), this.#settings, options);
  }

  /** Yields the results that a batch has so far, ordered by index; leaving the loop cancels the call. */
  async *results(batchId: string, options: CallOptions = {}): AsyncGenerator<BatchResult, void, undefined> {
    const request = { batchId: text(batchId, "batchId") };
    const call = new Call(this.#settings, options);
    for await (const page of responses((each) => this.#stub.streamBatchResults(request, each), call)) {
      yield* page.results.map(toBatchResult);
    }
  }

  /**
   * Waits until every item has its result.
   *
   * @throws DeadlineExceededError: `timeoutS` is over.
   * @throws TypeError: an option is unknown, or no time.
   */
  async wait(batchId: string, options: WaitOptions = {}): Promise<Batch> {
    checkNames(options, WAIT_NAMES, "wait");
    const { onProgress, pollS = 1, timeoutS = Infinity, signal } = options;
    checked(options, { pollS: number, timeoutS: number, signal: abortSignal, onProgress: aFunction });
    if (!(pollS > 0)) throw new TypeError(`pollS is ${pollS}: give seconds, more than 0`);
    if (!(timeoutS >= 0)) throw new TypeError(`timeoutS is ${timeoutS}: give seconds, 0 or more`);
    const endsAt = performance.now() + timeoutS * 1000;
    let seen: Batch | undefined;
    for (;;) {
      const lookS = this.#lookS(endsAt);
      const batch: Batch = await this.get(batchId, { signal, timeoutS: lookS }).catch((error: unknown) => {
        const isOver = error instanceof DeadlineExceededError && lookS < this.#settings.timeoutS;
        throw isOver ? waitIsOver(batchId, seen, error) : error;
      });
      seen = batch;
      onProgress?.(batch);
      if (batch.hasEnded) return batch;
      const leftMs = endsAt - performance.now();
      if (leftMs <= 0) throw waitIsOver(batchId, batch);
      const { closed } = this.#settings;
      const ended = signal ? AbortSignal.any([signal, closed]) : closed;
      await sleep(Math.min(pollS * 1000, leftMs, MAX_SLEEP_MS), undefined, { signal: ended }).catch(() => {
        const cause: unknown = signal?.aborted ? signal.reason : ended.reason;
        throw new CallCancelledError(closed.aborted ? CLOSED : "the wait was cancelled", { cause });
      });
    }
  }

  /** The most seconds of a look, which ends with the wait. One at the end, of a wait of no time, is as any other. */
  #lookS(endsAt: number): number {
    const leftS = (endsAt - performance.now()) / 1000;
    return leftS > 0 ? Math.min(this.#settings.timeoutS, leftS) : this.#settings.timeoutS;
  }
}

/** The error of a wait whose time is over, with how far the batch was when it was last seen. */
function waitIsOver(batchId: string, seen: Batch | undefined, cause?: unknown): DeadlineExceededError {
  const progress = seen ? `has ${seen.numEnded} of ${seen.numItems} results` : "has not been seen in that time";
  return new DeadlineExceededError(`batch ${batchId} ${progress}, and goes on: wait longer`, { cause });
}

function makeItem(item: unknown, where: string): ContractBatchItem {
  const given: Record<string, unknown> = typeof item === "string" ? { prompt: item } : object(item, where);
  const { externalReference: _, ...options } = given;
  try {
    // The batch has the model.
    const request = makeRequest({ ...options, model: "" });
    return create(BatchItemSchema, { request, ...checked(given, { externalReference: text }) });
  } catch (error) {
    throw new TypeError(`${where}: ${(error as Error).message}`, { cause: error });
  }
}

function aFunction(value: unknown, where: string): void {
  if (typeof value !== "function") throw new TypeError(`${where} is ${shown(value)}: give a function`);
}

function toBatch(batch: ContractBatch | undefined): Batch {
  const { id, model, state, numItems, numSucceeded, numFailed, createTime, endTime, expireTime } = batch!;
  return {
    id,
    model,
    state: STATES.get(state) ?? "unknown",
    numItems,
    numSucceeded,
    numFailed,
    numEnded: numSucceeded + numFailed,
    hasEnded: state === State.DONE || state === State.CANCELLED,
    createTime: toDate(createTime)!,
    endTime: toDate(endTime),
    expireTime: toDate(expireTime),
  };
}

function toDate(time: Timestamp | undefined): Date | undefined {
  return time && timestampDate(time);
}

function toBatchResult({ index, externalReference, outcome, isJson }: ContractBatchResult): BatchResult {
  const parse = isJson ? (text: string): unknown => JSON.parse(text) : undefined;
  const result = outcome.case === "response" ? new RunResult(outcome.value, parse) : undefined;
  const error = outcome.case === "failure" ? fromReason(outcome.value.reason, outcome.value.message) : undefined;
  return { index, externalReference, result, error };
}
