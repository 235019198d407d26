// @ts-check
/** What Workers AI's own route is asked for a model, by the shape of its answers. */

import { isRaw, openAiRequest } from "./openai_body.js";

/**
 * @typedef {object} Asked
 * @property {string} model
 * @property {Record<string, any>} body In the words of Workers AI's classic models.
 * @property {string} [answerShape] The model's `answer_shape`.
 */

/** @param {Asked} asked @returns {Record<string, any>} The body in the words that the model's shape takes. */
export function runBody({ model, body, answerShape }) {
  if (answerShape !== "chat" || isRaw(body)) return body;
  const { model: _, ...chat } = openAiRequest({ model, body }).body;
  return chat;
}

/** @param {Asked} asked @returns {boolean} Whether it is answered with one of OpenAI's completions. */
export function writesCompletions({ body, answerShape }) {
  return answerShape === "chat" || answerShape === "completion" || (answerShape === "responses" && Boolean(body.messages));
}
