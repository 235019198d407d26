// @ts-check
/** Conversations as a file, out and in. */

import { valueOf } from "../editors/json_text.js";
import { isConversation, isListOf } from "./checks.js";
import { newConversation } from "./conversations.js";

const KIND = "runstream-conversations";
const VERSION = 1;
/** More than a browser keeps for a site, so that what goes out can come in. */
const MAX_BYTES = 32 * 2 ** 20;

/** @typedef {import("./conversations.js").Conversation} Conversation */

/** @param {Conversation[]} conversations @returns {Blob} The file. */
export function exported(conversations) {
  const text = JSON.stringify({ kind: KIND, version: VERSION, conversations });
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
  if (file.size > MAX_BYTES) throw new Error("The file is larger than 32 MB, which is the most that can be imported.");
  const text = await file.text();
  const read = valueOf(text);
  if (read?.kind !== KIND) throw new Error("This is not a file of exported chats.");
  if (read.version !== VERSION) throw new Error(`The file has version ${read.version}, this page reads ${VERSION}.`);
  /** @type {Conversation[]} */
  const conversations = read.conversations;
  if (!isListOf(conversations, isConversation)) throw new Error("The file is damaged: a chat in it lacks a part.");
  return conversations.map(({ updatedAt, panes, aside }) => ({
    ...newConversation(panes),
    ...(aside && { aside }),
    updatedAt: Math.min(updatedAt, Date.now()),
  }));
}
