/** From options to the contract's RunRequest: every field of it and of SamplingParams has its option. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";

import { type Message, toMessage } from "./messages.js";
import { type ResponseFormat, toResponseFormat } from "./responseFormats.js";
import { checkNames, shown } from "./spelling.js";
import {
  Priority,
  type RunRequest,
  RunRequestSchema,
  SamplingParamsSchema,
} from "./stubs/runstream/v1/text_generation_pb.js";
import { type OpenAiTool, type Tool, type ToolChoice, toTool, toToolChoice } from "./tools.js";

/**
 * What makes a prompt. One of `prompt`, `messages` and `promptTokenIds` is needed. `raw` goes with `prompt` and
 * `messages`, `addGenerationPrompt` and `continueFinalMessage` with `messages`. protos/runstream/v1/text_generation.proto
 * tells of each what it does, its range and its default.
 */
export interface PromptOptions {
  prompt?: string | undefined;
  messages?: readonly Message[] | undefined;
  promptTokenIds?: readonly number[] | undefined;
  raw?: boolean | undefined;
  addGenerationPrompt?: boolean | undefined;
  continueFinalMessage?: boolean | undefined;
  tools?: readonly (Tool | OpenAiTool)[] | undefined;
  toolChoice?: ToolChoice | undefined;
  truncatePromptTokens?: number | undefined;
}

/** How tokens are chosen and how many: the fields of SamplingParams. */
export interface SamplingOptions {
  maxTokens?: number | undefined;
  maxTokensIsDefault?: boolean | undefined;
  temperature?: number | undefined;
  topK?: number | undefined;
  topP?: number | undefined;
  minP?: number | undefined;
  repetitionPenalty?: number | undefined;
  frequencyPenalty?: number | undefined;
  presencePenalty?: number | undefined;
  /** 64 bits, with a sign: a bigint where a number is not exact. */
  seed?: number | bigint | undefined;
  logitBias?: Readonly<Record<number, number>> | undefined;
  minTokens?: number | undefined;
  ignoreEos?: boolean | undefined;
  topLogprobs?: number | undefined;
  badWords?: readonly string[] | undefined;
  allowedTokenIds?: readonly number[] | undefined;
  topPromptLogprobs?: number | undefined;
}

/** What a completion is asked for with, besides its model. */
export interface CompletionOptions<T = unknown> extends PromptOptions, SamplingOptions {
  stopSequences?: string | readonly string[] | undefined;
  includeStopSequence?: boolean | undefined;
  stopTokenIds?: readonly number[] | undefined;
  priority?: "online" | "batch" | undefined;
  cacheSalt?: string | undefined;
  /** The form of the answer; of JSON `result.parsed` then is the value. */
  responseFormat?: ResponseFormat<T> | undefined;
}

/** A whole request. */
export interface RequestOptions<T = unknown> extends CompletionOptions<T> {
  /** The model's id, such as "@cf/meta/llama-3.1-8b-instruct". */
  model: string;
}

// Records, so that the compiler misses none.
const PROMPT: Record<keyof PromptOptions, 1> = {
  prompt: 1,
  messages: 1,
  promptTokenIds: 1,
  raw: 1,
  addGenerationPrompt: 1,
  continueFinalMessage: 1,
  tools: 1,
  toolChoice: 1,
  truncatePromptTokens: 1,
};
const SAMPLING: Record<keyof SamplingOptions, 1> = {
  maxTokens: 1,
  maxTokensIsDefault: 1,
  temperature: 1,
  topK: 1,
  topP: 1,
  minP: 1,
  repetitionPenalty: 1,
  frequencyPenalty: 1,
  presencePenalty: 1,
  seed: 1,
  logitBias: 1,
  minTokens: 1,
  ignoreEos: 1,
  topLogprobs: 1,
  badWords: 1,
  allowedTokenIds: 1,
  topPromptLogprobs: 1,
};
const OTHERS: Record<Exclude<keyof CompletionOptions, keyof PromptOptions | keyof SamplingOptions>, 1> = {
  stopSequences: 1,
  includeStopSequence: 1,
  stopTokenIds: 1,
  priority: 1,
  cacheSalt: 1,
  responseFormat: 1,
};
const PRIORITIES = { online: Priority.ONLINE, batch: Priority.BATCH };

/** The names of what makes a prompt. */
export const PROMPT_NAMES = ["model", ...Object.keys(PROMPT)];
/** The names of all that a request has. */
export const REQUEST_NAMES = [...PROMPT_NAMES, ...Object.keys(SAMPLING), ...Object.keys(OTHERS)];

/**
 * A request of the contract, for the stubs or for a batch.
 *
 * @throws TypeError: an option is unknown or of the wrong type, or the input is missing or there twice.
 */
export function makeRequest(options: RequestOptions): RunRequest {
  checkNames(options, REQUEST_NAMES, "a request");
  if (typeof options.model !== "string") throw new TypeError(`model is ${shown(options.model)}: give its id`);
  const params = given(options, Object.keys(SAMPLING) as (keyof SamplingOptions)[]);
  const { priority, responseFormat, stopSequences: stops } = options;
  if (priority !== undefined && !(priority in PRIORITIES)) {
    throw new TypeError(`priority is ${shown(priority)}: give "online" or "batch"`);
  }
  const form = responseFormat === undefined ? undefined : toResponseFormat(responseFormat);
  const request = create(RunRequestSchema, {
    ...given(options, ["includeStopSequence", "cacheSalt", "truncatePromptTokens"]),
    model: options.model,
    input: input(options),
    stopSequences: typeof stops === "string" ? [stops] : [...(stops ?? [])],
    stopTokenIds: [...(options.stopTokenIds ?? [])],
    tools: (options.tools ?? []).map((tool, index) => toTool(tool, `tools[${index}]`)),
    priority: priority === undefined ? Priority.UNSPECIFIED : PRIORITIES[priority],
  });
  if (Object.keys(params).length) {
    const { seed, badWords = [], allowedTokenIds = [], logitBias, ...others } = params;
    request.samplingParams = create(SamplingParamsSchema, {
      ...others,
      ...(seed !== undefined && { seed: toSeed(seed) }),
      badWords: [...badWords],
      allowedTokenIds: [...allowedTokenIds],
      logitBias: { ...logitBias },
    });
  }
  if (form?.format.case) request.responseFormat = form;
  if (options.toolChoice !== undefined) request.toolChoice = toToolChoice(options.toolChoice);
  return request;
}

type Init = MessageInitShape<typeof RunRequestSchema>;

function input(options: RequestOptions): NonNullable<Init["input"]> {
  const inputs = (["prompt", "messages", "promptTokenIds"] as const).filter((name) => options[name] !== undefined);
  const [kind] = inputs;
  if (inputs.length !== 1 || kind === undefined) {
    const have = inputs.join(" and ") || "none";
    throw new TypeError(`a request has one of prompt, messages and promptTokenIds, this has ${have}`);
  }
  const conversation = given(options, ["raw", "addGenerationPrompt", "continueFinalMessage"]);
  const allowed = { prompt: ["raw"], messages: Object.keys(conversation), promptTokenIds: [] as string[] }[kind];
  const other = Object.keys(conversation).find((name) => !allowed.includes(name));
  if (other !== undefined) throw new TypeError(`${other} does not go together with ${kind}`);
  if (kind === "prompt") return { case: "prompt", value: { text: options.prompt!, ...given(options, ["raw"]) } };
  if (kind === "promptTokenIds") return { case: "promptTokenIds", value: { values: [...options.promptTokenIds!] } };
  if (!Array.isArray(options.messages)) throw new TypeError("messages is no list: give one, or prompt for a single text");
  const messages = options.messages.map((message, index) => toMessage(message as Message, `messages[${index}]`));
  return { case: "conversation", value: { messages, ...conversation } };
}

function toSeed(seed: number | bigint): bigint {
  if (typeof seed === "number" && !Number.isSafeInteger(seed)) {
    throw new TypeError(`seed is ${seed}: give an integer, and a bigint where it is over 2^53`);
  }
  return BigInt(seed);
}

type Given<Options, Name extends keyof Options> = { [Key in Name]?: Exclude<Options[Key], undefined> };

function given<Options extends object, Name extends keyof Options>(options: Options, names: Name[]): Given<Options, Name> {
  const pairs = names.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]);
  return Object.fromEntries(pairs) as Given<Options, Name>;
}
