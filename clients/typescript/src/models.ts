/** The models of a service: which there are, what they take, loading and unloading them. */
import type { Client as Stub } from "@connectrpc/connect";

import { type CallOptions, type CallSettings, LIST_OPTIONS, type ListOptions, unary } from "./calls.js";
import { checkNames } from "./spelling.js";
import {
  type Model as ContractModel,
  type ModelService,
  ModelState as State,
  AnswerShape as Shape,
  SpeculativeMethod as Method,
  type Trial as ContractTrial,
  TrialOutcome as Outcome,
} from "./stubs/runstream/v1/models_pb.js";
import { checked, integer, text } from "./values.js";

/** Whether a model can answer; "unknown" is a state that is newer than this client. */
export type ModelState = "loading" | "ready" | "weights_missing" | "failed" | "unloaded" | "unknown";

/** How Workers AI's own route answers for a model; calls of this client are answered alike for all. */
export type AnswerShape = "native" | "completion" | "chat" | "responses" | "guard" | "decision" | "unknown";

// Loading a model of 8 billion parameters from a slow disk takes minutes.
const LOAD_TIMEOUT_S = 1800;

const STATES = new Map<State, ModelState>([
  [State.LOADING, "loading"],
  [State.READY, "ready"],
  [State.WEIGHTS_MISSING, "weights_missing"],
  [State.FAILED, "failed"],
  [State.UNLOADED, "unloaded"],
]);

const ANSWER_SHAPES = new Map<Shape, AnswerShape>([
  [Shape.NATIVE, "native"],
  [Shape.COMPLETION, "completion"],
  [Shape.CHAT, "chat"],
  [Shape.RESPONSES, "responses"],
  [Shape.GUARD, "guard"],
  [Shape.DECISION, "decision"],
]);

/** What came of trying a way to compute. */
export type TrialOutcome = "used" | "slower" | "wrong" | "failed" | "too_long" | "untried" | "unknown";

const OUTCOMES = new Map<Outcome, TrialOutcome>([
  [Outcome.USED, "used"],
  [Outcome.SLOWER, "slower"],
  [Outcome.WRONG, "wrong"],
  [Outcome.FAILED, "failed"],
  [Outcome.TOO_LONG, "too_long"],
  [Outcome.UNTRIED, "untried"],
]);

/** Where drafts of a model's next tokens come from; "unspecified" while it is not loaded. */
export type SpeculativeMethod = "none" | "ngram" | "unspecified" | "unknown";

const METHODS = new Map<Method, SpeculativeMethod>([
  [Method.UNSPECIFIED, "unspecified"],
  [Method.NONE, "none"],
  [Method.NGRAM, "ngram"],
]);

/** A way to compute that the service has tried on its machine. */
export interface Trial {
  /** What it does: "products", "threads", "activations", "accelerations", "prefill" or "kernels". */
  what: string;
  /** Its name. */
  way: string;
  outcome: TrialOutcome;
  /** Why, if there is more to say. */
  detail: string;
  /** How long a step of so many rows takes, in microseconds; empty if it was not timed. */
  times: { numRows: number; timeUs: number }[];
}

/** A model of the service's catalog. */
export interface Model {
  /** What requests name. */
  id: string;
  /** What it is, in a sentence. */
  description: string;
  /** Whether it can answer now. */
  state: ModelState;
  /** Why, if there is more to say. */
  stateDetail: string;
  /** The model that answers requests for this one; empty if none does. */
  servedModel: string;
  maxPromptTokens: number;
  maxCompletionTokens: number;
  /** The most tokens of prompt and completion together. */
  contextWindow: number;
  /** The `maxTokens` of requests that leave it unset. */
  defaultMaxTokens: number;
  /** The same where a surface has a default of its own for streams. */
  defaultMaxTokensStreamed: number;
  /** That of the weights; empty if the catalog does not tell. */
  license: string;
  /** Whether it was trained to call tools. */
  canCallTools: boolean;
  answerShape: AnswerShape;
  /** The `temperature` of requests that leave it unset. */
  defaultTemperature: number;
  /** What Workers AI's catalog says of it, such as "reasoning" or "beta". */
  properties: string[];
  /** The day on which Cloudflare has retired it, as YYYY-MM-DD; empty if it has not. */
  retired: string;
  /** The model that answers in its place; empty if none does. */
  replacedBy: string;
  /** The model that it is a LoRA adapter of; empty if it is none. */
  parent: string;
  /** The names of its adapters, for `lora`. */
  loraAdapters: string[];
  /** The ways to compute that were tried for it; empty while it is not loaded. */
  trials: Trial[];
  /** Where drafts of its next tokens come from. */
  speculativeMethod: SpeculativeMethod;
  /** Why, if there is more to say. */
  speculativeDetail: string;
}

function toTrial({ what, way, outcome, detail, times }: ContractTrial): Trial {
  const told = times.map(({ numRows, timeUs }) => ({ numRows, timeUs }));
  return { what, way, outcome: OUTCOMES.get(outcome) ?? "unknown", detail, times: told };
}

function toModel(model: ContractModel | undefined): Model {
  const { $typeName: _type, $unknown: _unknown, ...fields } = model!;
  return {
    ...fields,
    state: STATES.get(fields.state) ?? "unknown",
    answerShape: ANSWER_SHAPES.get(fields.answerShape) ?? "unknown",
    trials: fields.trials.map(toTrial),
    speculativeMethod: METHODS.get(fields.speculativeMethod) ?? "unknown",
  };
}

/** `client.models`. All calls reject with `RunstreamError`s. */
export class Models {
  readonly #stub: Stub<typeof ModelService>;
  readonly #settings: CallSettings;

  constructor(stub: Stub<typeof ModelService>, settings: CallSettings) {
    this.#stub = stub;
    this.#settings = settings;
  }

  /** Yields the models in the catalog's order, asking for `pageSize` at once: 0 to 1,000, 0 for the most. */
  async *list(options: ListOptions = {}): AsyncGenerator<Model, void, undefined> {
    checkNames(options, LIST_OPTIONS, "list");
    checked(options, { pageSize: integer });
    const { pageSize = 0, ...each } = options;
    let pageToken = "";
    do {
      const request = { pageSize, pageToken };
      const page = await unary((call) => this.#stub.listModels(request, call), this.#settings, each);
      yield* page.models.map(toModel);
      pageToken = page.nextPageToken;
    } while (pageToken);
  }

  /** Tells about one model; rejects with a `ModelNotFoundError` if the catalog does not name it. */
  async get(model: string, options: CallOptions = {}): Promise<Model> {
    text(model, "model");
    return toModel((await unary((call) => this.#stub.getModel({ model }, call), this.#settings, options)).model);
  }

  /** Loads a model and waits for it, 1800 seconds if `timeoutS` is not given; loading goes on where the wait ends. */
  async load(model: string, options: CallOptions = {}): Promise<Model> {
    text(model, "model");
    const settings = { ...this.#settings, timeoutS: LOAD_TIMEOUT_S, maxAttempts: 1 };
    return toModel((await unary((call) => this.#stub.loadModel({ model }, call), settings, options)).model);
  }

  /** Unloads a model, once its requests have ended or had 30 seconds. */
  async unload(model: string, options: CallOptions = {}): Promise<Model> {
    text(model, "model");
    const settings = { ...this.#settings, maxAttempts: 1 };
    return toModel((await unary((call) => this.#stub.unloadModel({ model }, call), settings, options)).model);
  }
}
