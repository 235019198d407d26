// @ts-check
/** The route that a request is for. */

import { answers } from "./answers.js";
import { loaded } from "./bridge.js";

/**
 * Asks for an answer: Workers AI's route, or OpenAI's if log probabilities are wanted.
 *
 * @param {import("./bridge.js").Bridge} bridge
 * @param {import("./answers.js").Request} request
 * @param {AbortSignal} signal Stops it.
 * @returns {AsyncGenerator<import("./answers.js").Piece>}
 * @throws {import("./bridge.js").BridgeError} It fails, at once or on the way.
 */
export async function* ask(bridge, request, signal) {
  if (request.topLogprobs === undefined) {
    yield* answers(bridge, request, signal);
    return;
  }
  const { openAiAnswers } = await loaded(import("./openai_answers.js"));
  yield* openAiAnswers(bridge, request, signal);
}
