// @ts-check
/** Conversations as a file, out and in. */

import { newConversation } from "./conversations.js";

const KIND = "runstream-conversations";
const VERSION = 1;
const MAX_BYTES = 5 * 2 ** 20;

const ROLES = ["user", "assistant", "tool"];
const MODES = ["chat", "raw"];

/** @typedef {import("./conversations.js").Conversation} Conversation */

/** @param {Conversation[]} conversations @returns {Blob} The file. */
export function exported(conversations) {
  const text = JSON.stringify({ kind: KIND, version: VERSION, conversations }, null, 1);
  return new Blob([text], { type: "application/json" });
}

/**
 * What a file has.
 *
 * @param {Blob} file
 * @returns {Promise<Conversation[]>} With new ids: what is here already stays.
 * @throws {Error} It is too large, or none of ours.
 */
export async function imported(file) {
  if (file.size > MAX_BYTES) throw new Error("The file is larger than 5 MB, which is the most that can be imported.");
  const text = await file.text();
  const read = parsed(text);
  if (read?.kind !== KIND) throw new Error("This is not a file of exported chats.");
  if (read.version !== VERSION) throw new Error(`The file has version ${read.version}, this page reads ${VERSION}.`);
  /** @type {Conversation[]} */
  const conversations = read.conversations;
  if (!isListOf(conversations, isConversation)) throw new Error("The file is damaged: a chat in it lacks a part.");
  return conversations.map(({ updatedAt, panes }) => ({ ...newConversation(panes), updatedAt }));
}

/** @param {string} text @returns {any} */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @param {any} value */
function isConversation(value) {
  return Number.isFinite(value?.updatedAt) && isListOf(value.panes, isPane) && value.panes.length > 0;
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
  return isListOf(tools, isObject) && (typeof choice === "string" || typeof choice?.function?.name === "string");
}

/** @param {any} value */
function isTurn(value) {
  const { role, content, toolCalls = [], tokens = [], ending = {} } = value ?? {};
  const isKnown = ROLES.includes(role) && typeof content === "string" && isObject(ending);
  const isAnswer = isListOf(toolCalls, isCall) && isListOf(tokens, isToken);
  return isKnown && isAnswer && (value.asked === undefined || isAsked(value.asked));
}

/** @param {any} value */
function isCall(value) {
  return typeof value?.name === "string" && (isObject(value.arguments) || typeof value.arguments === "string");
}

/** @param {any} value */
function isToken(value) {
  return isLikely(value) && isListOf(value.top, isLikely);
}

/** @param {any} value */
function isLikely(value) {
  return typeof value?.text === "string" && Number.isFinite(value.logprob);
}

/** @param {any} value */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * @template T
 * @param {any} value
 * @param {(entry: any) => boolean} isOne
 * @returns {value is T[]}
 */
function isListOf(value, isOne) {
  return Array.isArray(value) && value.every(isOne);
}
