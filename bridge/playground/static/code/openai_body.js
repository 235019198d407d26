// @ts-check
/** What Workers AI's own route is asked, in the words of OpenAI's routes. */

/** @typedef {Record<string, any>} Body */

/**
 * The same request for OpenAI's route.
 *
 * @param {{model: string, body: Body, topLogprobs?: number}} request The body is that of Workers AI's route. With
 *   `topLogprobs` log probabilities are asked for, and of so many likely tokens at each place.
 * @returns {{path: "chat/completions" | "completions", body: Body, leftOut: string[]}} The path behind `…/v1/`, and
 *   which fields the route does not have.
 */
export function openAiRequest({ model, body, topLogprobs }) {
  return isRaw(body) ? completion(model, body, topLogprobs) : chat(model, body, topLogprobs);
}

/** @param {Body} body @returns {boolean} Whether it goes to the model without its chat template. */
export function isRaw({ raw }) {
  return raw === true || raw === "true";
}

/**
 * The JSON Schema that a `response_format` of Workers AI asks for.
 *
 * @param {any} format
 * @returns {any} Undefined for any object.
 */
export function schemaOf({ type, json_schema: named, schema = named }) {
  const wanted = schema ?? named ?? undefined;
  if (wanted === undefined || type !== "json_object" || wanted === false) return wanted;
  return { type: "object", ...(wanted === true ? {} : wanted) };
}

/**
 * @param {string} model
 * @param {Body} body
 * @param {number} [topLogprobs]
 * @returns {ReturnType<typeof openAiRequest>}
 */
function chat(model, body, topLogprobs) {
  const { prompt, messages, raw, response_format: format, ...rest } = body;
  const wanted = {
    model,
    messages: messages ? messages.map(messageOf) : [{ role: "user", content: prompt }],
    ...rest,
    ...(rest.tools && { tools: rest.tools.map(toolOf) }),
    ...(rest.tool_choice && { tool_choice: choiceOf(rest.tool_choice) }),
    ...(format && { response_format: formatOf(format) }),
    ...(topLogprobs !== undefined && { logprobs: true, top_logprobs: topLogprobs }),
  };
  return { path: "chat/completions", body: wanted, leftOut: [] };
}

/**
 * @param {string} model
 * @param {Body} body
 * @param {number} [topLogprobs]
 * @returns {ReturnType<typeof openAiRequest>}
 */
function completion(model, body, topLogprobs) {
  const { prompt, messages, raw, response_format: format, tools, tool_choice: choice, ...rest } = body;
  const schema = format && schemaOf(format);
  const wanted = {
    model,
    prompt: prompt ?? messages.map(textOf).join(""),
    ...rest,
    ...(format && { structured_outputs: schema === undefined ? { json_object: true } : { json: schema } }),
    ...(topLogprobs !== undefined && { logprobs: topLogprobs }),
  };
  return { path: "completions", body: wanted, leftOut: Object.keys({ ...(tools && { tools }), ...(choice && { tool_choice: choice }) }) };
}

/** @param {any} message @returns {string} What it says. */
function textOf({ content }) {
  if (!Array.isArray(content)) return content ?? "";
  return content.map(({ text }) => text).join("");
}

/** @param {any} message */
function messageOf(message) {
  return message.tool_calls?.length ? { ...message, tool_calls: message.tool_calls.map(callOf) } : message;
}

/** @param {any} call */
function callOf(call) {
  if (call.function) return call;
  const { name, arguments: given, ...rest } = call;
  return { ...rest, type: "function", function: { name, arguments: typeof given === "string" ? given : JSON.stringify(given ?? {}) } };
}

/** @param {any} tool */
function toolOf(tool) {
  if (tool.function) return tool;
  const { type, ...described } = tool;
  return { type: "function", function: described };
}

/** @param {any} choice */
function choiceOf(choice) {
  if (choice === "any") return "required";
  return choice.name ? { type: "function", function: { name: choice.name } } : choice;
}

/** @param {any} format */
function formatOf(format) {
  const schema = schemaOf(format);
  if (schema === undefined) return { type: "json_object" };
  // OpenAI's envelope is for objects; the two other schemas there are go bare.
  const envelope = typeof schema === "object" ? { name: "answer", schema } : schema;
  return { type: "json_schema", json_schema: envelope };
}
