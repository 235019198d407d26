/** Messages of a conversation, in this client's words or in OpenAI's. */
import { create } from "@bufbuild/protobuf";

import { checkNames, shown } from "./spelling.js";
import {
  type ContentPart,
  ContentPartSchema,
  MessageSchema,
  type Message as ContractMessage,
  ToolCallSchema,
  type ToolCall as ContractToolCall,
} from "./stubs/runstream/v1/text_generation_pb.js";

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
  /** `toolCalls`, as OpenAI spells it. */
  tool_calls?: readonly (ToolCall | OpenAiToolCall)[] | undefined;
  /** `toolCallId`, as OpenAI spells it. */
  tool_call_id?: string | undefined;
}

const KEYS = ["role", "content", "toolCalls", "toolCallId", "name", "tool_calls", "tool_call_id"];

/** A message of the contract; throws a TypeError if it has a key or a value that no message has. */
export function toMessage(message: Message, where: string): ContractMessage {
  checkNames(message, KEYS, where);
  if (typeof message.role !== "string") {
    throw new TypeError(`${where} has no role: give "user", "system", "assistant" or "tool"`);
  }
  const calls = message.toolCalls ?? message.tool_calls ?? [];
  return create(MessageSchema, {
    role: message.role,
    content: texts(message.content, `${where}.content`).map(toContentPart),
    toolCalls: calls.map((call, index) => toToolCall(call, `${where}.toolCalls[${index}]`)),
    toolCallId: message.toolCallId ?? message.tool_call_id ?? "",
    name: message.name ?? "",
  });
}

function texts(content: Message["content"], where: string): string[] {
  if (content === undefined || content === null) return [];
  if (typeof content === "string") return [content];
  if (!Array.isArray(content)) throw new TypeError(`${where} is ${shown(content)}: give a text or a list of text parts`);
  return content.map((part: TextPart, index) => {
    const text = typeof part === "string" ? part : (part?.type ?? "text") === "text" ? part?.text : undefined;
    if (typeof text !== "string") {
      throw new TypeError(`${where}[${index}] is no text but ${shown(part)}: models here take text only`);
    }
    return text;
  });
}

function toToolCall(call: ToolCall | OpenAiToolCall, where: string): ContractToolCall {
  checkNames(call, ["id", "type", "function", "name", "argumentsJson"], where);
  const { name, argumentsJson } =
    "function" in call ? { name: call.function.name, argumentsJson: call.function.arguments } : call;
  return create(ToolCallSchema, { id: call.id ?? "", name: name ?? "", argumentsJson: argumentsJson ?? "" });
}

function toContentPart(text: string): ContentPart {
  return create(ContentPartSchema, { part: { case: "text", value: text } });
}
