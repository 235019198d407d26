// @ts-check
/** How a turn becomes an answer: piece by piece, to its end or to its failure. */

import { BridgeError } from "../server/bridge.js";
import { Meter } from "./meter.js";

/** @typedef {import("./state.js").Turn & {ending: import("./state.js").Ending}} Answer */

/**
 * Fills an answer.
 *
 * @param {Answer} answer
 * @param {AsyncIterable<import("../server/answers.js").Piece>} pieces
 * @param {AbortSignal} signal What stops it; whoever does says so in its ending.
 * @param {boolean} isStreamed
 * @param {() => void} show Called after each piece.
 * @returns {Promise<BridgeError | undefined>} Why it failed, if it did and was not stopped; what has come by then stays.
 */
export async function fill(answer, pieces, signal, isStreamed, show) {
  const meter = new Meter();
  try {
    for await (const piece of pieces) {
      if (piece.text || piece.thinking || piece.toolCalls) meter.count();
      take(answer, piece);
      Object.assign(answer.ending, meter.figures(piece.usage, isStreamed));
      show();
    }
  } catch (error) {
    return fail(answer, error, signal.aborted);
  }
  return undefined;
}

/**
 * @param {Answer} answer
 * @param {import("../server/answers.js").Piece} piece
 */
function take(answer, { text = "", thinking, tokens = [], toolCalls, servedModel, requestId, finishReason }) {
  answer.content += text;
  if (thinking) answer.thinking = (answer.thinking ?? "") + thinking;
  answer.tokens?.push(...tokens);
  if (toolCalls) answer.toolCalls = toolCalls;
  if (servedModel) answer.servedModel = servedModel;
  if (requestId) answer.ending.requestId = requestId;
  if (finishReason) answer.ending.reason = finishReason;
}

/**
 * @param {Answer} answer
 * @param {unknown} error
 * @param {boolean} isStopped Whether the user wanted no more of it, by leaving the page too.
 */
function fail({ ending }, error, isStopped) {
  if (isStopped) return undefined;
  if (!(error instanceof BridgeError)) throw error;
  ending.reason = "failed";
  ending.error = error.message;
  ending.requestId = error.requestId || ending.requestId;
  return error;
}
