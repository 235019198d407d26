// @ts-check
/** What stands below an answer: how fast it came, and why it ended. */

const REASONS = {
  length: "Cut by max_tokens: the model had more to say. Raise it, or send “go on”.",
  stopped: "Stopped.",
};

/** @param {import("./state.js").Turn} turn @returns {(string | Node)[]} The parts of the line, from left to right. */
export function endingOf({ ending, model, servedModel }) {
  if (!ending) return [];
  const { reason, error, requestId } = ending;
  const isFailed = reason === "failed";
  return [
    ...(isFailed ? [part("failure", `${error}`)] : []),
    ...(isFailed && requestId ? [part("request-id", `Request id: ${requestId}`)] : []),
    ...(reason === "length" || reason === "stopped" ? [part("cut", REASONS[reason])] : []),
    ...(servedModel && servedModel !== model ? [part("served", `Answered by ${servedModel}`)] : []),
    ...figuresOf(ending).map((text) => part("figure", text)),
  ];
}

/** @param {import("./state.js").Turn} turn An answer that has ended. @returns {string} How, in a sentence. */
export function outcomeOf({ ending, toolCalls }) {
  if (ending?.reason === "failed") return `The answer failed: ${ending.error}`;
  if (toolCalls) return `The model calls ${toolCalls.map(({ name }) => name).join(", ")}. Type in what it answers.`;
  return ending?.reason === "stopped" || ending?.reason === "length" ? REASONS[ending.reason] : "The answer is complete.";
}

/** @param {import("./state.js").Ending} ending */
function figuresOf({ firstTokenMs, tokensPerSecond, completionTokens, promptTokens, cachedTokens }) {
  return [
    firstTokenMs !== undefined && `first token ${Math.round(firstTokenMs)} ms`,
    tokensPerSecond !== undefined && `${tokensPerSecond.toFixed(tokensPerSecond < 10 ? 1 : 0)} tokens/s`,
    completionTokens !== undefined && (completionTokens === 1 ? "1 token" : `${count(completionTokens)} tokens`),
    promptTokens !== undefined && `prompt ${count(promptTokens)}, of it ${count(cachedTokens ?? 0)} cached`,
  ].filter((text) => text !== false);
}

/** @param {number} number @returns {string} */
export function count(number) {
  return number.toLocaleString("en");
}

/**
 * @param {string} name
 * @param {string} text
 */
function part(name, text) {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}
