// @ts-check
/** Answers of Workers AI's route, piece by piece, whether they are streamed or come whole. */

import { EventSourceParserStream } from "../vendor/eventsource-parser/stream.js";
import { runBody } from "../code/run_body.js";
import { brokenOff, errorOf, idOf, isAbort, jsonOf } from "./bridge.js";
import { CompletionReader } from "./completion_reader.js";

/**
 * What is known of an answer since the piece before.
 *
 * @typedef {object} Piece
 * @property {string} [text] More of it.
 * @property {string} [thinking] More of what the model thinks before it.
 * @property {import("../chat/state.js").ToolCall[]} [toolCalls] All calls.
 * @property {import("../chat/state.js").Token[]} [tokens] More of them, if log probabilities were asked for.
 * @property {Usage} [usage]
 * @property {"stop" | "length" | "tool_calls"} [finishReason]
 * @property {string} [servedModel] Who answers.
 * @property {string} [requestId]
 *
 * @typedef {object} Usage
 * @property {number} prompt_tokens
 * @property {number} completion_tokens
 * @property {{cached_tokens: number}} [prompt_tokens_details]
 *
 * @typedef {object} Request
 * @property {string} account
 * @property {string} model
 * @property {Record<string, any>} body
 * @property {string} [answerShape] The model's `answer_shape`: in whose words its answers are.
 * @property {number} [topLogprobs] Asks OpenAI's route, for log probabilities and so many likely tokens at each place.
 */

/** @param {Request} request @returns {string} The path that it is sent to. */
export function runPath({ account, model }) {
  return `/client/v4/accounts/${encodeURIComponent(account)}/ai/run/${model.split("/").map(segmentOf).join("/")}`;
}

/** @param {string} part Of a model's id. @returns {string} As paths take it; "@" means nothing there. */
function segmentOf(part) {
  return encodeURIComponent(part).replaceAll("%40", "@");
}

/**
 * Asks for an answer.
 *
 * @param {import("./bridge.js").Bridge} bridge
 * @param {Request} request
 * @param {AbortSignal} signal Stops it, and frees what it holds in the engine.
 * @returns {AsyncGenerator<Piece>}
 * @throws {import("./bridge.js").BridgeError} It fails, at once or on the way.
 */
export async function* answers(bridge, request, signal) {
  const response = await post(bridge, runPath(request), runBody(request), signal);
  const requestId = idOf(response);
  yield { servedModel: response.headers.get("x-runstream-model") ?? request.model, requestId };
  const reader = new CompletionReader();
  const read = (/** @type {any} */ told) => (told.choices ? reader.piece(told) : pieceOf(told));
  if (!request.body.stream) {
    yield read((await jsonOf(response)).result);
    return;
  }
  for await (const event of eventsOf(response)) {
    if (event.errors) throw errorOf(event.errors[0], { requestId });
    yield read(event);
  }
}

/**
 * Sends JSON.
 *
 * @param {import("./bridge.js").Bridge} bridge
 * @param {string} path
 * @param {object} body
 * @param {AbortSignal} signal
 */
export function post(bridge, path, body, signal) {
  const headers = { "Content-Type": "application/json" };
  return bridge.fetch(path, { method: "POST", headers, body: JSON.stringify(body), signal });
}

/**
 * The events of a stream, as the JSON that they hold.
 *
 * @param {Response} response
 * @returns {AsyncGenerator<any>}
 * @throws {import("./bridge.js").BridgeError} It breaks off before `[DONE]`.
 */
export async function* eventsOf(response) {
  const body = /** @type {ReadableStream<any>} */ (response.body);
  const reader = body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream()).getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new Error("no last event");
      if (value.data === "[DONE]") return;
      yield JSON.parse(value.data);
    }
  } catch (error) {
    throw isAbort(error) ? error : brokenOff(response);
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** @param {any} result An event, or the result of a whole answer. @returns {Piece} */
function pieceOf({ response, reasoning_content: thinking, tool_calls: toolCalls, usage, finish_reason: finishReason }) {
  const text = typeof response === "string" ? response : JSON.stringify(response ?? undefined, null, 2);
  return { text: text ?? "", thinking, toolCalls: toolCalls?.length ? toolCalls : undefined, usage, finishReason };
}
