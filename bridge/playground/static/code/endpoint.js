// @ts-check
/** Where a request goes over HTTP, and what of it can't. */

import { runPath } from "../server/answers.js";
import { openAiRequest } from "./openai_body.js";
import { runBody, writesCompletions } from "./run_body.js";

/**
 * A request, as the page sends it.
 *
 * @typedef {object} Request
 * @property {string} origin The bridge's, such as "http://127.0.0.1:8080".
 * @property {string} account
 * @property {string} model
 * @property {Record<string, any>} body For Workers AI's own route.
 * @property {string} [answerShape] The model's `answer_shape`.
 * @property {number} [topLogprobs] Asks OpenAI's route, for log probabilities and so many likely tokens at each place.
 * @property {boolean} needsToken Whether the bridge wants one.
 * @property {{address: string, is_tls: boolean, needs_token: boolean}} grpc Where the service answers.
 * @property {number} [maxTokensStreamed] The model's `default_max_tokens_streamed`.
 */

/** @param {Request} request @returns {{url: string, body: Record<string, any>}} Where it goes, and what goes there. */
export function endpointOf(request) {
  if (request.topLogprobs === undefined) return { url: request.origin + runPath(request), body: runBody(request) };
  const { path, body } = openAiRequest(request);
  return { url: `${openAiBase(request)}/${path}`, body };
}

/**
 * What Workers AI's own route is asked by those that know no other: with log probabilities JSON is streamed, but not there.
 *
 * @param {Request} request
 * @returns {Record<string, any>}
 */
export function nativeBody(request) {
  const { stream, ...whole } = request.body;
  return runBody({ ...request, body: request.topLogprobs !== undefined && whole.response_format ? whole : request.body });
}

/** @param {Request} request @returns {string} The base address of OpenAI's routes. */
export function openAiBase({ origin, account }) {
  return `${origin}/client/v4/accounts/${encodeURIComponent(account)}/ai/v1`;
}

/** @param {Request} request @returns {boolean} Whether an answer is a text and nothing else. */
export function isText({ body, topLogprobs }) {
  const forms = ["tools", "response_format", "structured_outputs", "guided_json", "guided_json_object"];
  return topLogprobs === undefined && !forms.some((name) => body[name]);
}

/** @param {Request} request @returns {boolean} Whether Workers AI's own route answers with a text and nothing else. */
export function isNativeText(request) {
  return isText(request) && !writesCompletions(request);
}

/**
 * A comment on what is missing.
 *
 * @param {string} sign What begins a comment.
 * @param {string[]} names The fields that are left out.
 * @param {string} where What does not have them.
 */
export function noteOf(sign, names, where) {
  return names.length ? `${sign} ${where} has no ${names.join(", ")}.\n` : "";
}

/**
 * As `noteOf`, for Workers AI's own route.
 *
 * @param {string} sign
 * @param {Request} request
 */
export function noteOfLogprobs(sign, { topLogprobs }) {
  return noteOf(sign, topLogprobs === undefined ? [] : ["log probabilities"], "Workers AI's own route");
}
