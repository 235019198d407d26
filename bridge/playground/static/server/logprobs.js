// @ts-check
/** Log probabilities, in either of the shapes in which OpenAI's routes tell them, as one. */

/** @typedef {import("../chat/state.js").Token} Token */

/** What chat completions tell of a token. @typedef {{token: string, logprob: number, bytes?: number[] | null}} Entry */

const DIGITS = 1e4;
const HEX = 16;

/** @param {any} logprobs Of a part of an answer. @returns {Token[]} */
export function tokensOf({ content, tokens, token_logprobs: logprobs, top_logprobs: top }) {
  if (tokens) {
    return tokens.map((/** @type {string} */ name, /** @type {number} */ index) => ({
      ...tokenOf(textOf(name), logprobs[index]),
      top: sorted(Object.entries(top?.[index] ?? {}).map(([other, logprob]) => tokenOf(textOf(other), logprob))),
    }));
  }
  return (content ?? []).map((/** @type {Entry & {top_logprobs: Entry[]}} */ entry) => ({
    ...tokenOf(nameOf(entry), entry.logprob),
    top: sorted(entry.top_logprobs.map((other) => tokenOf(nameOf(other), other.logprob))),
  }));
}

/**
 * @param {string} text
 * @param {number} logprob Rounded: it is kept with the conversation.
 */
function tokenOf(text, logprob) {
  return { text, logprob: Math.round(logprob * DIGITS) / DIGITS };
}

/** @param {{text: string, logprob: number}[]} tokens */
function sorted(tokens) {
  return tokens.sort((one, other) => other.logprob - one.logprob);
}

/** @param {Entry} entry @returns {string} Its text, or its bytes if they are no whole characters. */
function nameOf({ token, bytes }) {
  if (!token.includes("\ufffd") || !bytes) return token;
  return bytes.map((byte) => `\\x${byte.toString(HEX).padStart(2, "0")}`).join("");
}

/** @param {string} name As text completions write it. */
function textOf(name) {
  return name.startsWith("bytes:") ? name.slice("bytes:".length) : name;
}
