// @ts-check
/** The playground: puts its parts together. Each of them knows only what it is given here. */

import { Composer } from "./chat/composer.js";
import { Pane } from "./chat/pane.js";
import { newState, withoutTurns } from "./chat/state.js";
import { Bridge } from "./server/bridge.js";
import { Models } from "./server/models.js";
import { TokenDialog } from "./server/token_dialog.js";
import { ConversationList } from "./store/conversation_list.js";
import { all, keep, newConversation } from "./store/conversations.js";
import { chooseTheme } from "./theme.js";

/** Below this width the settings would hide the conversation. */
const ROOM_FOR_SETTINGS = matchMedia("(min-width: 1024px)");

const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));

const bridge = new Bridge();
const models = new Models(bridge);
const token = new TokenDialog(bridge);
const list = new ConversationList(byId("conversations"));
const composer = new Composer(/** @type {HTMLFormElement} */ (byId("composer")));

let conversation = all()[0] ?? newConversation([newState()]);
/** @type {Pane[]} */
let panes = [];
/** @type {import("./code/code_dialog.js").CodeDialog | undefined} Loaded when it is opened first. */
let code;

/**
 * @param {"unreachable" | "problem"} place For what is wrong with the bridge, or with what the user has asked of the page.
 * @param {string} words Empty if all is well.
 */
function tell(place, words) {
  if (byId(place).textContent !== words) byId(place).textContent = words;
  byId(place).hidden = !words;
}

/**
 * @param {import("./chat/state.js").PaneState} state
 * @param {import("./store/conversations.js").Conversation} owner The conversation that it is of.
 */
function openPane(state, owner) {
  const pane = new Pane(bridge, models, state);
  pane.showSettings(ROOM_FOR_SETTINGS.matches && panes.length === 0);
  pane.addEventListener("change", () => keepConversation(owner));
  pane.addEventListener("running", () => composer.showRunning(panes.some(({ isRunning }) => isRunning)));
  pane.addEventListener("announce", (event) => {
    byId("announcer").textContent = /** @type {CustomEvent} */ (event).detail;
  });
  pane.addEventListener("code", (event) => showCode([/** @type {CustomEvent} */ (event).detail]));
  pane.addEventListener("refused", (event) => token.open(/** @type {CustomEvent} */ (event).detail));
  panes.push(pane);
  byId("panes").append(pane.element);
}

/** @param {import("./store/conversations.js").Conversation} opened */
function openConversation(opened) {
  for (const pane of panes) pane.close();
  panes = [];
  conversation = opened;
  for (const state of conversation.panes) openPane(state, conversation);
  list.show(conversation.id);
  tell("problem", "");
  showList(false);
  composer.focus();
}

/** @param {import("./store/conversations.js").Conversation} changed */
function keepConversation(changed) {
  // One in which nothing was said is not worth keeping.
  if (!changed.panes.some(({ turns }) => turns.length)) return;
  changed.updatedAt = Date.now();
  try {
    keep(changed);
    list.show(conversation.id);
  } catch (error) {
    tell("problem", /** @type {Error} */ (error).message);
  }
}

/** @param {boolean} isShown Where there is little room, whether the list covers the rest. */
function showList(isShown) {
  byId("conversations").classList.toggle("open", isShown);
  byId("show-conversations").setAttribute("aria-expanded", String(isShown));
}

/** @param {import("./server/answers.js").Request[]} requests One for each pane, or that of a turn. */
async function showCode(requests) {
  try {
    const { CodeDialog } = await import("./code/code_dialog.js");
    code ??= new CodeDialog(models);
    code.open(requests);
  } catch {
    tell("problem", "The bridge can't be reached: is it still running?");
  }
}

composer.addEventListener("send", (event) => {
  if (!panes.every((pane) => pane.check())) event.preventDefault();
  else panes.forEach((pane) => pane.send(/** @type {CustomEvent} */ (event).detail));
});
composer.addEventListener("stop", () => panes.forEach((pane) => pane.stop()));

list.addEventListener("open", (event) => openConversation(/** @type {CustomEvent} */ (event).detail));
list.addEventListener("new", () => openConversation(newConversation(conversation.panes.map(withoutTurns))));
list.addEventListener("problem", (event) => tell("problem", /** @type {CustomEvent} */ (event).detail));

models.addEventListener("change", () => {
  tell("unreachable", "");
  byId("token-button").hidden = !models.needsToken;
});
models.addEventListener("failure", (event) => {
  const error = /** @type {CustomEvent<import("./server/bridge.js").BridgeError>} */ (event).detail;
  tell("unreachable", error.message);
  if (!error.wantsToken) return;
  byId("token-button").hidden = false;
  token.open(error);
});
token.addEventListener("change", () => models.refresh());

byId("code").addEventListener("click", () => {
  if (panes.every((pane) => pane.check())) showCode(panes.map((pane) => pane.requestWith(composer.text)));
});
byId("token-button").addEventListener("click", () => token.open());
byId("show-conversations").addEventListener("click", () => {
  showList(!byId("conversations").classList.contains("open"));
});
chooseTheme(/** @type {HTMLSelectElement} */ (byId("theme")));

openConversation(conversation);
models.refresh();
