// @ts-check
/** Answers of OpenAI's route, which alone tells log probabilities. */

import { openAiRequest } from "../code/openai_body.js";
import { eventsOf, post } from "./answers.js";
import { errorOf, idOf, jsonOf } from "./bridge.js";
import { CompletionReader } from "./completion_reader.js";

/**
 * As `answers`, of the other route.
 *
 * @param {import("./bridge.js").Bridge} bridge
 * @param {import("./answers.js").Request} request With `topLogprobs`.
 * @param {AbortSignal} signal
 * @returns {AsyncGenerator<import("./answers.js").Piece>}
 */
export async function* openAiAnswers(bridge, request, signal) {
  const { path, body } = openAiRequest(request);
  const base = `/client/v4/accounts/${encodeURIComponent(request.account)}/ai/v1`;
  const asked = { ...body, ...(body.stream && { stream_options: { include_usage: true } }) };
  const response = await post(bridge, `${base}/${path}`, asked, signal);
  const requestId = idOf(response);
  yield { servedModel: response.headers.get("x-runstream-model") ?? request.model, requestId };
  const reader = new CompletionReader();
  if (!body.stream) {
    yield reader.piece(await jsonOf(response));
    return;
  }
  for await (const event of eventsOf(response)) {
    if (event.error) throw errorOf(event.error, { requestId });
    yield reader.piece(event);
  }
}
