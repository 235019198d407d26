// @ts-check
/** What Workers AI's route is asked, as the `RunRequest` of gRPC in its JSON form. */

import { isRaw, schemaOf } from "./openai_body.js";

const SAMPLING = [
  ...["max_tokens", "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "frequency_penalty"],
  ...["presence_penalty", "seed", "logit_bias", "min_tokens", "ignore_eos", "bad_words", "allowed_token_ids"],
];
const CONVERSATION = ["add_generation_prompt", "continue_final_message"];
const SAME = ["truncate_prompt_tokens", "stop_token_ids", "cache_salt", "lora"];
const FORMS = ["json", "regex", "choice", "json_object"];
const ELSEWHERE = ["prompt", "messages", "raw", "stream", "stop", "tools", "tool_choice", "response_format"];
/** @type {Record<string, string>} */
const MODES = { auto: "AUTO", none: "NONE", required: "REQUIRED", any: "REQUIRED" };

const READ = new Set([
  ...[...SAMPLING, ...CONVERSATION, ...SAME, ...ELSEWHERE, "include_stop_str_in_output", "structured_outputs"],
  ...FORMS.map((name) => `guided_${name}`),
]);

/**
 * The message.
 *
 * @param {{model: string, body: Record<string, any>, topLogprobs?: number, maxTokensStreamed?: number}} request The body
 *   is that of Workers AI's route; `maxTokensStreamed` is what the route takes for streams that say nothing.
 * @returns {{request: Record<string, any>, leftOut: string[]}} And which fields have no counterpart.
 */
export function runRequest({ model, body, topLogprobs, maxTokensStreamed }) {
  const choice = body.tool_choice ?? undefined;
  const request = {
    model,
    ...inputOf(body),
    sampling_params: samplingOf(body, topLogprobs, maxTokensStreamed),
    stop_sequences: typeof body.stop === "string" ? [body.stop] : body.stop,
    response_format: formatOf(body),
    tools: toolsOf(body.tools ?? [], choice),
    tool_choice: choice && choiceOf(choice),
    include_stop_sequence: body.include_stop_str_in_output,
    ...picked(body, SAME),
  };
  return { request: without(request), leftOut: Object.keys(body).filter((name) => !READ.has(name)) };
}

/** @param {Record<string, any>} body */
function inputOf(body) {
  const raw = isRaw(body) || undefined;
  if (!body.messages) return { prompt: without({ text: body.prompt, raw }) };
  return { conversation: without({ messages: body.messages.map(messageOf), raw, ...picked(body, CONVERSATION) }) };
}

/** @param {any} message */
function messageOf({ role, content, tool_calls: calls, tool_call_id, name }) {
  const parts = Array.isArray(content) ? content.map(({ text }) => ({ text })) : [{ text: content }];
  return without({
    role,
    content: content === null || content === undefined ? [] : parts,
    tool_calls: (calls ?? []).map(callOf),
    tool_call_id,
    name,
  });
}

/** @param {any} call */
function callOf(call) {
  const { name, arguments: given } = call.function ?? call;
  return without({ id: call.id, name, arguments_json: typeof given === "string" ? given : JSON.stringify(given ?? {}) });
}

/**
 * @param {Record<string, any>} body
 * @param {number} [topLogprobs]
 * @param {number} [maxTokensStreamed]
 */
function samplingOf(body, topLogprobs, maxTokensStreamed) {
  const isOpen = body.stream && body.max_tokens === undefined && maxTokensStreamed;
  const limit = isOpen ? { max_tokens: maxTokensStreamed, max_tokens_is_default: true } : {};
  const params = without({ ...picked(body, SAMPLING), ...limit, top_logprobs: topLogprobs });
  return Object.keys(params).length ? params : undefined;
}

/** @param {Record<string, any>} body */
function formatOf(body) {
  if (body.response_format) {
    const schema = schemaOf(body.response_format);
    return schema === undefined ? { json_object: {} } : { json_schema: JSON.stringify(schema) };
  }
  const [form] = FORMS.map((name) => [name, body[`guided_${name}`] ?? body.structured_outputs?.[name]]).filter(
    ([name, value]) => value !== undefined && value !== null && (name !== "json_object" || value),
  );
  if (!form) return undefined;
  const [name, value] = form;
  if (name === "json") return { json_schema: typeof value === "string" ? value : JSON.stringify(value) };
  if (name === "choice") return { choice: { values: value } };
  return name === "json_object" ? { json_object: {} } : { [name]: value };
}

/**
 * @param {any[]} tools
 * @param {any} choice
 */
function toolsOf(tools, choice) {
  const allowed = choice?.allowed_tools?.tools.map((/** @type {any} */ tool) => tool.function.name);
  return tools
    .map((tool) => tool.function ?? tool)
    .filter(({ name }) => !allowed || allowed.includes(name))
    .map(({ name, description, parameters }) =>
      without({ name, description, parameters_json: parameters ? JSON.stringify(parameters) : undefined }),
    );
}

/** @param {any} choice */
function choiceOf(choice) {
  const mode = choice.allowed_tools?.mode ?? choice;
  if (typeof mode === "string") return { mode: `TOOL_CHOICE_MODE_${MODES[mode]}` };
  return { name: (choice.function ?? choice).name };
}

/**
 * @param {Record<string, any>} from
 * @param {string[]} names
 */
function picked(from, names) {
  return Object.fromEntries(names.filter((name) => name in from).map((name) => [name, from[name]]));
}

/** @param {Record<string, any>} message @returns {Record<string, any>} Without the fields that say nothing. */
function without(message) {
  const isSaid = (/** @type {any} */ value) => value !== undefined && value !== null && value.length !== 0;
  return Object.fromEntries(Object.entries(message).filter(([, value]) => isSaid(value)));
}
