// @ts-check
/** Whether what a file has is a conversation that can be shown. */

import { isObject } from "../editors/json_text.js";

const ROLES = ["user", "assistant", "tool"];
const MODES = ["chat", "raw"];

const NAMES = ["model", "servedModel", "name", "thinking"];
const FIGURES = ["firstTokenMs", "tokensPerSecond", "completionTokens", "promptTokens", "cachedTokens"];
const WORDS = ["reason", "error", "requestId"];

/** @param {any} value @returns {boolean} */
export function isConversation(value) {
  const { updatedAt, panes, aside } = value ?? {};
  return Number.isFinite(updatedAt) && isListOf(panes, isPane) && panes.length > 0 && (aside === undefined || isPane(aside));
}

/** @param {any} value */
function isPane(value) {
  return isAsked(value) && typeof value.model === "string" && isListOf(value.turns, isTurn);
}

/** @param {any} value */
function isAsked(value) {
  const { mode, stream, system, fields, topLogprobs } = value ?? {};
  if (!isObject(fields) || !isCalling(fields) || !["number", "undefined"].includes(typeof topLogprobs)) return false;
  return MODES.includes(mode) && typeof stream === "boolean" && typeof system === "string";
}

/** @param {any} fields */
function isCalling({ tools = [], tool_choice: choice = "" }) {
  return isListOf(tools, isTool) && (typeof choice === "string" || typeof choice?.function?.name === "string");
}

/** @param {any} value In either spelling. */
function isTool(value) {
  return isObject(value) && typeof (value.function ?? value).name === "string";
}

/** @param {any} value */
function isTurn(value) {
  const { role, content, toolCalls = [], tokens = [], ending = {} } = value ?? {};
  const isKnown = ROLES.includes(role) && typeof content === "string" && isEnding(ending) && hasOnly(value, "string", NAMES);
  const isAnswer = isListOf(toolCalls, isCall) && isListOf(tokens, isToken);
  return isKnown && isAnswer && (value.asked === undefined || isAsked(value.asked));
}

/** @param {any} value */
function isEnding(value) {
  return isObject(value) && hasOnly(value, "number", FIGURES) && hasOnly(value, "string", WORDS);
}

/** @param {any} value @param {string} type Of the parts with these names, if there. @param {string[]} names */
function hasOnly(value, type, names) {
  return names.every((name) => [type, "undefined"].includes(typeof value[name]));
}

/** @param {any} value */
function isCall(value) {
  return typeof value?.name === "string" && value.arguments !== undefined;
}

/** @param {any} value */
function isToken(value) {
  return isLikely(value) && isListOf(value.top, isLikely);
}

/** @param {any} value */
function isLikely(value) {
  return typeof value?.text === "string" && Number.isFinite(value.logprob);
}

/**
 * @template T
 * @param {any} value
 * @param {(entry: any) => boolean} isOne
 * @returns {value is T[]}
 */
export function isListOf(value, isOne) {
  return Array.isArray(value) && value.every(isOne);
}
