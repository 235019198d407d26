// @ts-check
/** Reads OpenAI's completions: chunks of a stream, or a whole one. */

import { tokensOf } from "./logprobs.js";

/** Reads the parts of one answer. */
export class CompletionReader {
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
