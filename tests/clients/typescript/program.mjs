// Asks a service by the TypeScript client what each line of standard input says; tests/clients/contract.py tells how.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

import { create, createRegistry, fromJsonString, isFieldSet, toJsonString } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Choice, Client, Regex, RunstreamError } from "runstream";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema, StatusSchema } from "runstream/google/rpc";
import { Priority, RunRequestSchema, RunResponseSchema, RunStreamResponseSchema, ToolChoiceMode } from "runstream/v1";

const registry = createRegistry(BadRequestSchema, ErrorInfoSchema, RetryInfoSchema);
const MODES = {
  [ToolChoiceMode.AUTO]: "auto",
  [ToolChoiceMode.NONE]: "none",
  [ToolChoiceMode.REQUIRED]: "required",
};

function show(name, schema, message) {
  process.stdout.write(`{"${name}": ${toJsonString(schema, message, { registry })}}\n`);
}

// The fields of a message that are set, by the names that the options have, too.
function setFields(schema, message) {
  const set = schema.fields.filter((field) => !field.oneof && isFieldSet(message, field));
  return Object.fromEntries(set.map(({ localName }) => [localName, message[localName]]));
}

function toOptions(request) {
  const { samplingParams, responseFormat, toolChoice, priority, chatTemplateKwargsJson, ...plain } = setFields(
    RunRequestSchema,
    request,
  );
  return {
    ...plain,
    ...(samplingParams && setFields(RunRequestSchema.field.samplingParams.message, samplingParams)),
    ...toInput(request.input),
    tools: plain.tools?.map(({ name, description, parametersJson }) => {
      return { name, description, parameters: parametersJson || undefined };
    }),
    toolChoice: toolChoice && (toolChoice.choice.case === "name" ? toolChoice.choice.value : MODES[toolChoice.choice.value]),
    chatTemplateKwargs: chatTemplateKwargsJson && JSON.parse(chatTemplateKwargsJson),
    priority: priority && { [Priority.ONLINE]: "online", [Priority.BATCH]: "batch" }[priority],
    responseFormat: responseFormat && toForm(responseFormat.format),
  };
}

function toInput({ case: kind, value }) {
  if (kind === "prompt") return { prompt: value.text, raw: value.raw };
  if (kind === "promptTokenIds") return { promptTokenIds: value.values };
  const { messages, ...rest } = setFields(RunRequestSchema.field.conversation.message, value);
  return { ...rest, messages: messages.map(toMessage) };
}

// A message as OpenAI spells it.
function toMessage({ role, content, toolCalls, toolCallId, name, reasoningContent }) {
  const calls = toolCalls.map((call) => {
    return { id: call.id, type: "function", function: { name: call.name, arguments: call.argumentsJson } };
  });
  const texts = content.map(({ part }) => ({ type: "text", text: part.value }));
  return { role, content: texts, tool_calls: calls, tool_call_id: toolCallId, name, reasoning_content: reasoningContent };
}

function toForm({ case: kind, value }) {
  if (kind === "jsonObject") return "json_object";
  if (kind === "jsonSchema") return value;
  return kind === "regex" ? new Regex(value) : new Choice(...value.values);
}

// The status that an error was made of, from what the error tells.
function toStatus(error) {
  const details = [];
  const add = (schema, fields) => details.push(anyPack(schema, create(schema, fields)));
  if (error.reason) add(ErrorInfoSchema, { reason: error.reason, domain: "runstream", metadata: error.metadata });
  if (error.field) add(BadRequestSchema, { fieldViolations: [{ field: error.field, description: error.message }] });
  if (error.retryAfterS !== undefined) add(RetryInfoSchema, { retryDelay: { seconds: BigInt(error.retryAfterS) } });
  return create(StatusSchema, { code: error.code, message: error.message, details });
}

async function ask(client, line) {
  const [, method, timeoutMs, cancelAfter, text] = /^(\S+) (\S+) (\S+) (.*)$/s.exec(line);
  const request = fromJsonString(RunRequestSchema, text);
  try {
    const options = { ...toOptions(request), timeoutS: Number(timeoutMs) / 1000 };
    if (method === "Run") {
      show("response", RunResponseSchema, (await client.run(options)).raw);
      return create(StatusSchema);
    }
    const stream = client.stream(options);
    let numParts = 0;
    for await (const part of stream) {
      show("part", RunStreamResponseSchema, part.raw);
      if (++numParts === Number(cancelAfter)) break;
    }
    await stream.result();
  } catch (error) {
    if (!(error instanceof RunstreamError)) throw error;
    return toStatus(error);
  }
  return create(StatusSchema);
}

const names = ["address", "token", "ca"].map((name) => [name, { type: "string", default: "" }]);
const { address, token, ca } = parseArgs({ options: Object.fromEntries(names) }).values;
// One attempt: a test that wants to see UNAVAILABLE need not wait for four.
const client = new Client({ target: address, token, ca: ca ? readFileSync(ca) : undefined, maxAttempts: 1 });
for await (const line of createInterface({ input: process.stdin })) {
  show("status", StatusSchema, await ask(client, line));
}
