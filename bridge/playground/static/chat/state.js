// @ts-check
/** What a pane holds, as it is kept and exported, and the request that follows from it. */

/**
 * How an answer ended, or how far it is.
 *
 * @typedef {object} Ending
 * @property {"" | "stop" | "length" | "tool_calls" | "stopped" | "failed"} reason Empty while it goes on.
 * @property {number} [firstTokenMs]
 * @property {number} [tokensPerSecond]
 * @property {number} [completionTokens]
 * @property {number} [promptTokens]
 * @property {number} [cachedTokens] How many of the prompt's were computed before.
 * @property {string} [error]
 * @property {string} [requestId]
 *
 * @typedef {object} Turn
 * @property {"user" | "assistant" | "tool"} role
 * @property {string} content
 * @property {string} [model] Who was asked.
 * @property {string} [servedModel] Who answered.
 * @property {boolean} [isRaw] Whether it is of a raw prompt, which goes through no chat template.
 * @property {{name: string, arguments: object}[]} [toolCalls]
 * @property {string} [name] The tool whose result a turn of the role "tool" is.
 * @property {Ending} [ending]
 * @property {Asked} [asked] Of an answer: how it was asked for.
 *
 * @typedef {Omit<PaneState, "model" | "turns">} Asked
 *
 * @typedef {object} PaneState
 * @property {string} model Empty for the first that answers.
 * @property {"chat" | "raw"} mode
 * @property {boolean} stream
 * @property {string} system The system prompt; empty for none.
 * @property {Record<string, unknown>} fields Fields of the request that are set, beside those above.
 * @property {Turn[]} turns
 */

/** @returns {PaneState} */
export function newState() {
  return { model: "", mode: "chat", stream: true, system: "", fields: {}, turns: [] };
}

/** @param {PaneState} state @returns {PaneState} The same settings for another conversation. */
export function withoutTurns(state) {
  return { ...structuredClone(state), turns: [] };
}

/**
 * The body of the request for the next answer.
 *
 * @param {PaneState} state
 * @returns {Record<string, any>}
 */
export function bodyOf({ mode, stream, system, fields, turns }) {
  const input = mode === "raw" ? { prompt: promptOf(turns), raw: true } : { messages: messagesOf(system, turns) };
  return { ...input, ...fields, stream };
}

/** @param {PaneState} state @returns {Asked} How the next answer is asked for, beside the model and the turns. */
export function askedOf({ model, turns, ...asked }) {
  return structuredClone(asked);
}

/** @param {Turn[]} turns */
function promptOf(turns) {
  return turns.findLast((turn) => turn.role === "user")?.content ?? "";
}

/**
 * @param {string} system
 * @param {Turn[]} turns
 */
function messagesOf(system, turns) {
  const said = turns.filter((turn) => !turn.isRaw && (turn.content || turn.toolCalls));
  const messages = said.map(({ role, content, toolCalls, name }) => ({
    role,
    content,
    ...(toolCalls && { tool_calls: toolCalls }),
    ...(name && { name }),
  }));
  return system ? [{ role: "system", content: system }, ...messages] : messages;
}
