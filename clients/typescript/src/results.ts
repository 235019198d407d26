/** What a request is answered with: whole, in parts, and parts joined to the whole. */
import { create } from "@bufbuild/protobuf";

import type { Message, ToolCall } from "./messages.js";
import {
  FinishReason as ContractFinishReason,
  type RunResponse,
  RunResponseSchema,
  type RunStreamResponse,
  ToolCallSchema,
  type Usage as ContractUsage,
} from "./stubs/runstream/v1/text_generation_pb.js";

/** Why a completion ended; "unknown" is one that is newer than this client. */
export type FinishReason = "stop" | "length" | "tool_calls" | "unknown";

const FINISH_REASONS = new Map<ContractFinishReason, FinishReason>([
  [ContractFinishReason.STOP, "stop"],
  [ContractFinishReason.LENGTH, "length"],
  [ContractFinishReason.TOOL_CALLS, "tool_calls"],
]);

/** A request's tokens, counted. */
export interface Usage {
  /** Those of the prompt, with those that the chat template adds. */
  promptTokens: number;
  /** Those that were generated, with the one that ended the completion. */
  completionTokens: number;
  /** How many of `promptTokens` were taken from the prefix cache. */
  cachedPromptTokens: number;
  /** How many of `completionTokens` were thinking, the first ones. */
  reasoningTokens: number;
  /** Those of prompt and completion together. */
  totalTokens: number;
}

/** How many tokens a prompt has. */
export interface TokenCount {
  /** The model whose tokens were counted. */
  servedModel: string;
  promptTokens: number;
  /** The most that a prompt can have. */
  maxPromptTokens: number;
  /** Their ids; none if there are more than `maxPromptTokens`. */
  tokenIds: number[];
}

/** A whole answer. */
export class RunResult<T = unknown> {
  /** The request's id, which the server's log repeats. */
  readonly id: string;
  /** The model that answered; another than the one asked for if it stood in. */
  readonly servedModel: string;
  readonly text: string;
  /** What a model that reasons thought before the text. */
  readonly reasoningContent: string;
  readonly toolCalls: readonly ToolCall[];
  /** Why it ended; "length" means that `maxTokens` cut it. */
  readonly finishReason: FinishReason;
  readonly usage: Usage;
  /** The message of the contract, with log probabilities and what stopped the completion. */
  readonly raw: RunResponse;
  readonly #parse: ((text: string) => T) | undefined;

  constructor(raw: RunResponse, parse?: (text: string) => T) {
    this.id = raw.id;
    this.servedModel = raw.servedModel;
    this.text = raw.text;
    this.reasoningContent = raw.reasoningContent;
    this.toolCalls = raw.toolCalls.map(({ id, name, argumentsJson }) => ({ id, name, argumentsJson }));
    this.finishReason = FINISH_REASONS.get(raw.finishReason) ?? "unknown";
    this.usage = toUsage(raw.usage);
    this.raw = raw;
    this.#parse = parse;
  }

  /**
   * The value of a text that has the form of JSON; undefined where none was asked for.
   *
   * @throws Error: the text is no whole value: it was cut, or the answer is a call.
   * @throws TypeError: a library's schema wants more than its JSON Schema says.
   */
  get parsed(): T | undefined {
    if (this.#parse === undefined) return undefined;
    if (this.toolCalls.length) throw new Error("the answer is a call, see toolCalls");
    if (this.finishReason === "length") {
      throw new Error(`maxTokens cut the answer at ${this.usage.completionTokens} tokens: ask for more`);
    }
    return this.#parse(this.text);
  }

  /** The answer as the next message of its conversation. */
  get message(): Message {
    const { text: content, toolCalls, reasoningContent } = this;
    return { role: "assistant", content, toolCalls, ...(reasoningContent && { reasoningContent }) };
  }
}

/** What a part adds to a tool call. */
export interface ToolCallDelta {
  /** Which of the answer's calls, counted from 0. */
  index: number;
  /** The call's id; only in the first delta of its call. */
  id: string;
  /** The tool's name; only in the first delta of its call. */
  name: string;
  /** What follows in the arguments. */
  argumentsJson: string;
}

/** What a completion has grown by. */
export interface Part {
  /** What follows in the text, possibly nothing. */
  text: string;
  /** What follows in the thinking, which all comes before the first text. */
  reasoningContent: string;
  toolCalls: ToolCallDelta[];
  /** Why the completion ended; undefined in all parts but the last. */
  finishReason: FinishReason | undefined;
  /** The request's tokens; undefined in all parts but the last. */
  usage: Usage | undefined;
  /** The message of the contract, with log probabilities. */
  raw: RunStreamResponse;
}

/** A part from the contract's. */
export function toPart(raw: RunStreamResponse): Part {
  const { text, reasoningContent, finishReason: reason, usage } = raw;
  const toolCalls = raw.toolCalls.map(({ index, id, name, argumentsJson }) => ({ index, id, name, argumentsJson }));
  const finishReason = reason ? (FINISH_REASONS.get(reason) ?? "unknown") : undefined;
  return { text, reasoningContent, toolCalls, finishReason, usage: usage && toUsage(usage), raw };
}

function toUsage(usage: ContractUsage | undefined): Usage {
  const { promptTokens = 0, completionTokens = 0, cachedPromptTokens = 0, reasoningTokens = 0 } = usage ?? {};
  const totalTokens = promptTokens + completionTokens;
  return { promptTokens, completionTokens, cachedPromptTokens, reasoningTokens, totalTokens };
}

/** The parts of a stream, joined as the contract's law says: the whole that Run would have answered. */
export class Joined {
  readonly response = create(RunResponseSchema);

  /** Whether the last part has come. */
  get isWhole(): boolean {
    return this.response.finishReason !== ContractFinishReason.UNSPECIFIED;
  }

  /** Adds the next part. */
  add(part: RunStreamResponse): void {
    const { response } = this;
    response.id = part.id;
    response.servedModel = part.servedModel;
    response.text += part.text;
    response.reasoningContent += part.reasoningContent;
    for (const delta of part.toolCalls) {
      while (delta.index >= response.toolCalls.length) response.toolCalls.push(create(ToolCallSchema));
      const call = response.toolCalls[delta.index]!;
      call.id = delta.id || call.id;
      call.name = delta.name || call.name;
      call.argumentsJson += delta.argumentsJson;
    }
    response.logprobs.push(...part.logprobs);
    response.promptLogprobs.push(...part.promptLogprobs);
    if (part.finishReason) this.#end(part);
  }

  #end({ finishReason, usage, matchedStop, matchedStopTokenId }: RunStreamResponse): void {
    this.response.finishReason = finishReason;
    if (usage) this.response.usage = usage;
    if (matchedStop !== undefined) this.response.matchedStop = matchedStop;
    if (matchedStopTokenId !== undefined) this.response.matchedStopTokenId = matchedStopTokenId;
  }
}
