// @ts-check
/** Log probabilities in words, numbers and colours. */

/** The least probability of each level, from the surest. */
const LEVELS = [0.9, 0.5, 0.2, 0.05];
/** What OpenAI's route says for a token that can't be. */
const LEAST = -9999;

const NAMES = /** @type {Record<string, string>} */ ({ " ": "space", "\n": "line break", "\t": "tab", "": "nothing" });

/** @param {number} logprob @returns {number} From 0, for what was nearly certain, to 4. */
export function levelOf(logprob) {
  const level = LEVELS.findIndex((least) => Math.exp(logprob) >= least);
  return level < 0 ? LEVELS.length : level;
}

/** @param {number} logprob @returns {string} Such as "93.1 %". */
export function percent(logprob) {
  const share = Math.exp(logprob) * 100;
  if (logprob <= LEAST) return "0 %";
  if (share < 0.1) return "under 0.1 %";
  return share > 99.95 && logprob < 0 ? "over 99.9 %" : `${share.toFixed(1)} %`;
}

/** @param {string} text A token's. @returns {string} The same with white space that can be seen. */
export function visible(text) {
  return text.replaceAll(" ", "␣").replaceAll("\n", "⏎").replaceAll("\t", "⇥") || "∅";
}

/** @param {string} text A token's. @returns {string} The same for who hears it. */
export function spoken(text) {
  return NAMES[text] ?? (text.trim() || text.replaceAll(" ", "space ").replaceAll("\n", "line break ").trim());
}
