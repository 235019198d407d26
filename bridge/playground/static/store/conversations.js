// @ts-check
/** Conversations, kept in this browser: each under a key of its own, so that writing one writes no other. */

import { valueOf } from "../editors/json_text.js";

const PREFIX = "runstream.conversation.";
const MAX_TITLE = 60;

/**
 * @typedef {object} Conversation
 * @property {string} id
 * @property {number} updatedAt Milliseconds since 1970.
 * @property {import("../chat/state.js").PaneState[]} panes
 */

/** @param {import("../chat/state.js").PaneState[]} panes @returns {Conversation} */
export function newConversation(panes) {
  const id = [...crypto.getRandomValues(new Uint32Array(3))].map((number) => number.toString(36)).join("");
  return { id, updatedAt: Date.now(), panes };
}

/** @param {Conversation} conversation @returns {string} What it begins with. */
export function titleOf({ panes }) {
  const first = panes.flatMap(({ turns }) => turns).find(({ role }) => role === "user");
  return first?.content.trim().slice(0, MAX_TITLE) || "New chat";
}

/** @returns {Conversation[]} All of them that can be read, the latest first. */
export function all() {
  const keys = Object.keys(localStorage).filter((key) => key.startsWith(PREFIX));
  const kept = keys.map((key) => valueOf(localStorage.getItem(key) ?? "")).filter((read) => Array.isArray(read?.panes));
  return kept.sort((one, other) => other.updatedAt - one.updatedAt);
}

/**
 * Keeps a conversation as it is now.
 *
 * @param {Conversation} conversation
 * @throws {Error} The browser has no room for it.
 */
export function keep(conversation) {
  try {
    localStorage.setItem(PREFIX + conversation.id, JSON.stringify(conversation));
  } catch {
    throw new Error("This browser keeps no more chats: export them, then delete some.");
  }
}

/** @param {string} id */
export function remove(id) {
  localStorage.removeItem(PREFIX + id);
}
