// @ts-check
/** Conversations, kept in this browser: each under a key of its own, so that writing one writes no other. */

import { valueOf } from "../editors/json_text.js";
import { browserShelf } from "./shelf.js";

const PREFIX = "runstream.conversation.";
const MAX_TITLE = 60;

/** Those that this page has seen kept: one that is gone was deleted. @type {Set<string>} */
const seen = new Set();

/**
 * @typedef {object} Conversation
 * @property {string} id
 * @property {number} updatedAt Milliseconds since 1970.
 * @property {import("../chat/state.js").PaneState[]} panes
 * @property {import("../chat/state.js").PaneState} [aside] The second one, after it was closed.
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
  const keys = browserShelf.keys.filter((key) => key.startsWith(PREFIX));
  const kept = keys.map((key) => valueOf(browserShelf.get(key))).filter((read) => Array.isArray(read?.panes));
  for (const { id } of kept) seen.add(id);
  return kept.sort((one, other) => other.updatedAt - one.updatedAt);
}

/**
 * Keeps a conversation as it is now.
 *
 * @param {Conversation} conversation
 * @throws {Error} The browser has no room for it.
 */
export function keep(conversation) {
  seen.add(conversation.id);
  if (!browserShelf.set(PREFIX + conversation.id, JSON.stringify(conversation))) {
    throw new Error("This browser keeps no more chats: export them, then delete some.");
  }
}

/** @param {string} id */
export function remove(id) {
  browserShelf.remove(PREFIX + id);
}

/** @param {string} id @returns {boolean} Whether it has been deleted, here or in another tab. */
export function wasDeleted(id) {
  return seen.has(id) && !browserShelf.get(PREFIX + id);
}

/** @param {() => void} act Called when another tab has kept or deleted some. */
export function onChangeElsewhere(act) {
  addEventListener("storage", ({ key }) => (key === null || key.startsWith(PREFIX)) && act());
  // A page that a browser has put aside, and shows again, was not told.
  addEventListener("pageshow", ({ persisted }) => persisted && act());
}
