// @ts-check
/** Answers of OpenAI's route, which alone tells log probabilities. */

import { openAiRequest } from "../code/openai_body.js";
import { eventsOf, post } from "./answers.js";
import { errorOf, idOf, jsonOf } from "./bridge.js";
import { tokensOf } from "./logprobs.js";

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
  const reader = new Reader();
  if (!body.stream) {
    yield reader.piece(await jsonOf(response));
    return;
  }
  for await (const event of eventsOf(response)) {
    if (event.error) throw errorOf(event.error, { requestId });
    yield reader.piece(event);
  }
}

/** Reads the parts of one answer. */
class Reader {
  /** @type {{name: string, json: string}[]} */
  #calls = [];

  /** @param {any} part A chunk, or a whole answer. @returns {import("./answers.js").Piece} */
  piece({ choices: [choice], usage }) {
    const { text, message, delta = message, logprobs, finish_reason: finishReason } = choice ?? {};
    for (const call of delta?.tool_calls ?? []) this.#add(call);
    return {
      text: delta?.content ?? text ?? "",
      thinking: delta?.reasoning_content,
      tokens: logprobs ? tokensOf(logprobs) : [],
      toolCalls: finishReason && this.#calls.length ? this.#calls.map(callOf) : undefined,
      usage: usage ?? undefined,
      finishReason: finishReason ?? undefined,
    };
  }

  /** @param {any} call Of a chunk, which goes on with one, or of a whole answer, where none has a number. */
  #add({ index = this.#calls.length, function: called }) {
    const call = (this.#calls[index] ??= { name: "", json: "" });
    call.name += called.name ?? "";
    call.json += called.arguments ?? "";
  }
}

/** @param {{name: string, json: string}} call */
function callOf({ name, json }) {
  try {
    return { name, arguments: JSON.parse(json) };
  } catch {
    return { name, arguments: json };
  }
}
