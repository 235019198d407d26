/** Messages of a conversation, in this client's words or in OpenAI's. */
import { create } from "@bufbuild/protobuf";

import { checkNames } from "./spelling.js";
import {
  type ContentPart,
  ContentPartSchema,
  MessageSchema,
  type Message as ContractMessage,
  ToolCallSchema,
  type ToolCall as ContractToolCall,
} from "./stubs/runstream/v1/text_generation_pb.js";
import { checkFunctionType } from "./tools.js";
import { isObject, list, optional, shown, text } from "./values.js";

/** A call that the model makes. */
export interface ToolCall {
  /** What the message with its result repeats as `toolCallId`. */
  id: string;
  name: string;
  /** The arguments, a JSON object as the model has written it. */
  argumentsJson: string;
}

/** A call as OpenAI's API has it. */
export interface OpenAiToolCall {
  id?: string;
  type?: "function";
  function: { name: string; arguments: string };
}

/** A piece of a message's text. */
export type TextPart = string | { type?: "text"; text: string };

/** One message of a conversation. */
export interface Message {
  /** "system", "user", "assistant" or "tool", or another that the model's chat template knows. */
  role: string;
  /** What is said; several texts are joined with nothing between them. */
  content?: string | readonly TextPart[] | null | undefined;
  /** For role "assistant": the calls that it made. */
  toolCalls?: readonly (ToolCall | OpenAiToolCall)[] | undefined;
  /** For role "tool": the id of the call that this answers. */
  toolCallId?: string | undefined;
  /** For role "tool": the name of the tool. */
  name?: string | undefined;
  /** For role "assistant": what it thought before; the chat template decides who sees it again. */
  reasoningContent?: string | undefined;
  /** `toolCalls`, as OpenAI spells it. */
  tool_calls?: readonly (ToolCall | OpenAiToolCall)[] | undefined;
  /** `toolCallId`, as OpenAI spells it. */
  tool_call_id?: string | undefined;
  /** `reasoningContent`, as vLLM and Workers AI spell it. */
  reasoning_content?: string | null | undefined;
}

const KEYS = [
  ...["role", "content", "toolCalls", "toolCallId", "name", "reasoningContent"],
  ...["tool_calls", "tool_call_id", "reasoning_content"],
];

/** A message of the contract; throws a TypeError if it has a key or a value that no message has. */
export function toMessage(value: unknown, where: string): ContractMessage {
  checkNames(value, KEYS, where);
  const message = value as Record<keyof Message, unknown>;
  if (message.role === undefined) {
    throw new TypeError(`${where} has no role: give "user", "system", "assistant" or "tool"`);
  }
  const callsName = spelling(message, "toolCalls", "tool_calls", where);
  const idName = spelling(message, "toolCallId", "tool_call_id", where);
  const thinkingName = spelling(message, "reasoningContent", "reasoning_content", where);
  const calls = optional(list(toToolCall))(message[callsName], `${where}.${callsName}`);
  const content = optional(texts)(message.content, `${where}.content`);
  if (!content && !calls?.length) throw new TypeError(`${where} has neither content nor toolCalls: give "" for no text`);
  return create(MessageSchema, {
    role: text(message.role, `${where}.role`),
    content: (content ?? []).map(toContentPart),
    toolCalls: calls ?? [],
    toolCallId: optional(text)(message[idName], `${where}.${idName}`) ?? "",
    name: optional(text)(message.name, `${where}.name`) ?? "",
    reasoningContent: optional(text)(message[thinkingName], `${where}.${thinkingName}`) ?? "",
  });
}

/** By which of its two names a message has a value; throws a TypeError if it has one by each. */
function spelling<Name extends keyof Message>(
  message: Record<keyof Message, unknown>,
  camel: Name,
  snake: Name,
  where: string,
): Name {
  if ((message[camel] ?? null) === null) return snake;
  if ((message[snake] ?? null) === null) return camel;
  throw new TypeError(`${where} has ${camel} and ${snake}, which mean the same: give one of them`);
}

function texts(content: unknown, where: string): string[] {
  return typeof content === "string" ? [text(content, where)] : list(toText)(content, where);
}

function toText(part: unknown, where: string): string {
  if (typeof part === "string") return text(part, where);
  if (!isObject(part) || (part["type"] ?? "text") !== "text" || typeof part["text"] !== "string") {
    throw new TypeError(`${where} is no text but ${shown(part)}: models here take text only`);
  }
  checkNames(part, ["type", "text"], where);
  return text(part["text"], `${where}.text`);
}

function toToolCall(value: unknown, where: string): ContractToolCall {
  checkNames(value, ["id", "type", "function", "name", "argumentsJson"], where);
  const call = value as Record<string, unknown>;
  checkFunctionType(call["type"], where);
  const id = optional(text)(call["id"], `${where}.id`) ?? "";
  if (call["function"] === undefined) {
    const argumentsJson = optional(text)(call["argumentsJson"], `${where}.argumentsJson`) ?? "";
    return create(ToolCallSchema, { id, name: text(call["name"], `${where}.name`), argumentsJson });
  }
  checkNames(value, ["id", "type", "function"], where);
  checkNames(call["function"], ["name", "arguments"], `${where}.function`);
  const { name, arguments: written } = call["function"] as Record<string, unknown>;
  const argumentsJson = optional(text)(written, `${where}.function.arguments`) ?? "";
  return create(ToolCallSchema, { id, name: text(name, `${where}.function.name`), argumentsJson });
}

function toContentPart(value: string): ContentPart {
  return create(ContentPartSchema, { part: { case: "text", value } });
}
