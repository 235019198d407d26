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
 * @typedef {object} ToolCall
 * @property {string} name
 * @property {object | string} arguments A text if they are no JSON.
 *
 * @typedef {object} Token
 * @property {string} text
 * @property {number} logprob Natural logarithm of its probability.
 * @property {{text: string, logprob: number}[]} top The likeliest in its place, the first of them first.
 *
 * @typedef {object} Turn
 * @property {"user" | "assistant" | "tool"} role
 * @property {string} content
 * @property {string} [thinking] Of an answer: what the model thought before it.
 * @property {string} [model] Who was asked.
 * @property {string} [servedModel] Who answered.
 * @property {boolean} [isRaw] Whether it is of a raw prompt, which goes through no chat template.
 * @property {Token[]} [tokens] Of an answer: what it consists of, if log probabilities were asked for.
 * @property {ToolCall[]} [toolCalls]
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
 * @property {number} [topLogprobs] Of how many tokens at each place log probabilities are asked for; undefined for none.
 * @property {Record<string, unknown>} fields Fields of the request that are set, beside those above.
 * @property {Turn[]} turns
 */

/** Text completions tell of fewer likely tokens than chat completions. */
const MAX_TOP_OF_RAW = 5;

/** What is asked in code where nothing has been said yet. */
const EXAMPLE = "Where is New York?";

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
export function bodyOf({ mode, stream, system, fields, turns, topLogprobs }) {
  const { tools, tool_choice: choice, ...others } = fields;
  const calling = { ...(tools !== undefined && { tools }), ...(choice !== undefined && { tool_choice: choice }) };
  // Tools stand in a conversation's template, and a raw prompt has none.
  const input =
    mode === "raw" ? { prompt: promptOf(turns), raw: true } : { messages: messagesOf(system, turns), ...calling };
  // Of Workers AI's route JSON comes whole; OpenAI's, which tells log probabilities, streams it.
  const isStreamed = stream && (fields.response_format === undefined || topLogprobs !== undefined);
  return { ...input, ...others, stream: isStreamed };
}

/**
 * Of how many tokens log probabilities are asked for, as the route of the input takes it.
 *
 * @param {PaneState} state
 */
export function topLogprobsOf({ mode, topLogprobs }) {
  return topLogprobs !== undefined && mode === "raw" ? Math.min(topLogprobs, MAX_TOP_OF_RAW) : topLogprobs;
}

/** @param {PaneState} state @returns {Asked} How the next answer is asked for, beside the model and the turns. */
export function askedOf({ model, turns, ...asked }) {
  return structuredClone(asked);
}

/**
 * The state with which the next answer is asked for.
 *
 * @param {PaneState} state
 * @param {string} content What the user says next. If it is empty, what was said last is asked again, or an example.
 * @returns {PaneState}
 */
export function withNext(state, content) {
  const said = state.turns.slice(0, state.turns.findLastIndex(({ role }) => role !== "assistant") + 1);
  if (!content.trim() && said.length) return { ...state, turns: said };
  return { ...state, turns: [...state.turns, { role: "user", content: content.trim() ? content : EXAMPLE }] };
}

/**
 * The state with which an answer was asked for.
 *
 * @param {PaneState} state
 * @param {Turn} turn The answer, one of the turns.
 * @returns {PaneState}
 */
export function before(state, turn) {
  const { asked = state, model = state.model } = turn;
  return { ...asked, model, turns: state.turns.slice(0, state.turns.indexOf(turn)) };
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
