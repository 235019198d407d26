/** The client. */
import { create } from "@bufbuild/protobuf";
import { createClient, type Client as Stub, type Transport } from "@connectrpc/connect";

import { Batches } from "./batches.js";
import { Call, CALL_OPTIONS, type CallOptions, type CallSettings, checkRequest, checkTimeout, unary } from "./calls.js";
import { connect, type Connection, type ConnectionOptions } from "./connection.js";
import { Models } from "./models.js";
import { makeRequest, PROMPT_NAMES, type PromptOptions, type RequestOptions } from "./requests.js";
import { parser } from "./responseFormats.js";
import { RunResult, type TokenCount } from "./results.js";
import { checkNames } from "./spelling.js";
import { Stream } from "./streams.js";
import { BatchService } from "./stubs/runstream/v1/batches_pb.js";
import { ModelService } from "./stubs/runstream/v1/models_pb.js";
import { CountTokensRequestSchema, RunRequestSchema, TextGenerationService } from "./stubs/runstream/v1/text_generation_pb.js";
import { checked, flag, integer, object } from "./values.js";

const MAX_ATTEMPTS = 5;

/** What a client is made with. */
export interface ClientOptions extends ConnectionOptions {
  /** The most seconds of a call, at most 99,999; 120, the service's own limit for calls that set none. */
  timeoutS?: number | undefined;
  /** Whether calls wait for the service to be reachable, instead of failing at once. */
  waitForReady?: boolean | undefined;
  /** How often a call is made that ends with UNAVAILABLE before anything came back: 1 to 5; 4 if it is not given. */
  maxAttempts?: number | undefined;
}

const OPTION_NAMES: Record<keyof ClientOptions, 1> = {
  target: 1,
  baseUrl: 1,
  token: 1,
  tls: 1,
  ca: 1,
  allowPlaintextToken: 1,
  timeoutS: 1,
  waitForReady: 1,
  maxAttempts: 1,
  account: 1,
};

/** What `run` and `stream` take. */
export type RunOptions<T = unknown> = RequestOptions<T> & CallOptions;

/** A client of the service. It connects with the first call, and again when it must until it is closed. */
export class Client {
  /** The transport, for stubs of one's own, such as those of grpc.health.v1. */
  readonly transport: Transport;
  /** The service's models. */
  readonly models: Models;
  /** The account's batches. */
  readonly batches: Batches;
  readonly #connection: Connection;
  readonly #settings: CallSettings;
  readonly #stub: Stub<typeof TextGenerationService>;

  /** @throws TypeError: an option can't be what it is, or the token would be sent in clear text. */
  constructor(options: ClientOptions = {}) {
    checkNames(options, Object.keys(OPTION_NAMES), "Client");
    const { timeoutS = 120, waitForReady = false, maxAttempts = 4 } = options;
    checked(options, { waitForReady: flag, maxAttempts: integer });
    if (!(maxAttempts >= 1 && maxAttempts <= MAX_ATTEMPTS)) {
      throw new TypeError(`maxAttempts is ${maxAttempts}: give 1, which never asks again, to ${MAX_ATTEMPTS}`);
    }
    checkTimeout(timeoutS);
    this.#connection = connect(options);
    this.#settings = { timeoutS, waitForReady, maxAttempts, closed: this.#connection.closed };
    this.transport = this.#connection.transport;
    this.#stub = createClient(TextGenerationService, this.transport);
    this.models = new Models(createClient(ModelService, this.transport), this.#settings);
    this.batches = new Batches(createClient(BatchService, this.transport), this.#settings);
  }

  /**
   * Answers a request with the whole completion.
   *
   * @throws RunstreamError: it has failed; errors.ts has the tree.
   * @throws TypeError: an option is unknown or of the wrong type.
   */
  async run<T = unknown>(options: RunOptions<T>): Promise<RunResult<T>> {
    const [asked, call] = split(options, "run");
    const request = makeRequest(asked);
    checkRequest(RunRequestSchema, request);
    const answer = await unary((each) => this.#stub.run(request, each), this.#settings, call);
    return new RunResult(answer, parser(options.responseFormat, request));
  }

  /**
   * Answers a request with parts of the completion as they are generated: `for await (const part of client.stream(…))`.
   * Leaving the loop ends the generation.
   *
   * @throws TypeError: an option is unknown or of the wrong type. What the service says is thrown by the loop.
   */
  stream<T = unknown>(options: RunOptions<T>): Stream<T> {
    const [asked, call] = split(options, "stream");
    const request = makeRequest(asked);
    checkRequest(RunRequestSchema, request);
    const method = this.#stub.runStream.bind(this.#stub, request);
    return new Stream(method, new Call(this.#settings, call), parser(options.responseFormat, request));
  }

  /** Counts the tokens of a prompt without generating anything; takes what makes a prompt of `run`'s options. */
  async countTokens(options: PromptOptions & CallOptions & { model: string }): Promise<TokenCount> {
    const [asked, call] = split(options, "countTokens");
    checkNames(asked, PROMPT_NAMES, "countTokens");
    const request = create(CountTokensRequestSchema, { request: makeRequest(asked) });
    checkRequest(CountTokensRequestSchema, request);
    const answer = await unary((each) => this.#stub.countTokens(request, each), this.#settings, call);
    const { servedModel, promptTokens, maxPromptTokens, tokenIds } = answer;
    return { servedModel, promptTokens, maxPromptTokens, tokenIds };
  }

  /**
   * Ends what is running and closes the connection; calls after it are `CallCancelledError`s. An open one keeps no
   * process alive.
   */
  close(): void {
    this.#connection.close();
  }
}

/** What is asked, and how the call is made. */
function split<Options extends CallOptions>(
  options: Options,
  what: string,
): [Omit<Options, keyof CallOptions>, CallOptions] {
  const names: readonly string[] = CALL_OPTIONS;
  const pairs = Object.entries(object(options, `${what}'s argument`));
  const asked = Object.fromEntries(pairs.filter(([name]) => !names.includes(name)));
  return [asked as Omit<Options, keyof CallOptions>, Object.fromEntries(pairs.filter(([name]) => names.includes(name)))];
}
