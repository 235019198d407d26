/** From options to the contract's RunRequest: every field of it and of SamplingParams has its option. */
import { create, type MessageInitShape } from "@bufbuild/protobuf";

import { type Message, toMessage } from "./messages.js";
import { type ResponseFormat, toResponseFormat } from "./responseFormats.js";
import { checkNames } from "./spelling.js";
import {
  Priority,
  type RunRequest,
  RunRequestSchema,
  SamplingParamsSchema,
} from "./stubs/runstream/v1/text_generation_pb.js";
import { type OpenAiTool, type Tool, type ToolChoice, toTool, toToolChoice } from "./tools.js";
import { type Check, checked, flag, integer, integer64, json, list, number, numbersByToken, shown, text } from "./values.js";

/**
 * What makes a prompt. One of `prompt`, `messages` and `promptTokenIds` is needed. `raw` goes with `prompt` and
 * `messages`, `addGenerationPrompt` and `continueFinalMessage` with `messages`. `chatTemplateKwargs` are variables of the
 * model's template, such as `{ enable_thinking: false }`. protos/runstream/v1/text_generation.proto tells of each what it
 * does, its range and its default.
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
  chatTemplateKwargs?: Readonly<Record<string, unknown>> | undefined;
  reasoningEffort?: string | undefined;
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
  /** The LoRA adapter of the model that the completion is made with. */
  lora?: string | undefined;
  /** The form of the answer; of JSON `result.parsed` then is the value. */
  responseFormat?: ResponseFormat<T> | undefined;
}

/** A whole request. */
export interface RequestOptions<T = unknown> extends CompletionOptions<T> {
  /** The model's id, such as "@cf/meta/llama-3.1-8b-instruct". */
  model: string;
}

const PRIORITIES = new Map<unknown, Priority>([
  ["online", Priority.ONLINE],
  ["batch", Priority.BATCH],
]);

// The compiler misses no option.
const PROMPT = {
  prompt: text,
  messages: list(toMessage),
  promptTokenIds: list(integer),
  raw: flag,
  addGenerationPrompt: flag,
  continueFinalMessage: flag,
  tools: list(toTool),
  toolChoice: toToolChoice,
  truncatePromptTokens: integer,
  chatTemplateKwargs: json,
  reasoningEffort: text,
} satisfies Record<keyof PromptOptions, Check<unknown>>;
const SAMPLING = {
  maxTokens: integer,
  maxTokensIsDefault: flag,
  temperature: number,
  topK: integer,
  topP: number,
  minP: number,
  repetitionPenalty: number,
  frequencyPenalty: number,
  presencePenalty: number,
  seed: integer64,
  logitBias: numbersByToken,
  minTokens: integer,
  ignoreEos: flag,
  topLogprobs: integer,
  badWords: list(text),
  allowedTokenIds: list(integer),
  topPromptLogprobs: integer,
} satisfies Record<keyof SamplingOptions, Check<unknown>>;
const OTHERS = {
  stopSequences: (value, where) => (typeof value === "string" ? [text(value, where)] : list(text)(value, where)),
  includeStopSequence: flag,
  stopTokenIds: list(integer),
  priority: toPriority,
  cacheSalt: text,
  lora: text,
  responseFormat: toResponseFormat,
} satisfies Record<Exclude<keyof CompletionOptions, keyof PromptOptions | keyof SamplingOptions>, Check<unknown>>;

/** The names of what makes a prompt. */
export const PROMPT_NAMES = ["model", ...Object.keys(PROMPT)];
/** The names of all that a request has. */
const REQUEST_NAMES = [...PROMPT_NAMES, ...Object.keys(SAMPLING), ...Object.keys(OTHERS)];

/**
 * A request of the contract, for the stubs or for a batch.
 *
 * @throws TypeError: an option is unknown or of the wrong type, or the input is missing or there twice.
 */
export function makeRequest(options: RequestOptions): RunRequest {
  checkNames(options, REQUEST_NAMES, "a request");
  const { responseFormat, ...others } = checked(options, OTHERS);
  const { tools, toolChoice, truncatePromptTokens, chatTemplateKwargs, reasoningEffort, ...prompt } = checked(
    options,
    PROMPT,
  );
  const samplingParams = checked(options, SAMPLING);
  return create(RunRequestSchema, {
    ...others,
    model: text(options.model, "model"),
    input: input(prompt),
    ...(tools && { tools }),
    ...(toolChoice && { toolChoice }),
    ...(truncatePromptTokens !== undefined && { truncatePromptTokens }),
    ...(chatTemplateKwargs && { chatTemplateKwargsJson: chatTemplateKwargs }),
    ...(reasoningEffort && { reasoningEffort }),
    ...(Object.keys(samplingParams).length && { samplingParams: create(SamplingParamsSchema, samplingParams) }),
    ...(responseFormat?.format.case && { responseFormat }),
  });
}

function toPriority(value: unknown, where: string): Priority {
  const priority = PRIORITIES.get(value);
  if (priority === undefined) throw new TypeError(`${where} is ${shown(value)}: give "online" or "batch"`);
  return priority;
}

type Init = MessageInitShape<typeof RunRequestSchema>;
type Prompt = Omit<
  ReturnType<typeof checked<typeof PROMPT>>,
  "tools" | "toolChoice" | "truncatePromptTokens" | "chatTemplateKwargs" | "reasoningEffort"
>;

function input(options: Prompt): NonNullable<Init["input"]> {
  const { prompt, messages, promptTokenIds, ...conversation } = options;
  const inputs = (["prompt", "messages", "promptTokenIds"] as const).filter((name) => options[name] !== undefined);
  const [kind] = inputs;
  if (inputs.length !== 1 || kind === undefined) {
    const have = inputs.join(" and ") || "none";
    throw new TypeError(`a request has one of prompt, messages and promptTokenIds, this has ${have}`);
  }
  const allowed = { prompt: ["raw"], messages: Object.keys(conversation), promptTokenIds: [] as string[] }[kind];
  const other = Object.keys(conversation).find((name) => !allowed.includes(name));
  if (other !== undefined) throw new TypeError(`${other} does not go together with ${kind}`);
  if (prompt !== undefined) return { case: "prompt", value: { text: prompt, ...conversation } };
  if (promptTokenIds) return { case: "promptTokenIds", value: { values: promptTokenIds } };
  return { case: "conversation", value: { messages: messages!, ...conversation } };
}
