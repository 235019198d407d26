// @ts-check
/** The playground: puts its parts together. Each of them knows only what it is given here. */

import { Composer } from "./chat/composer.js";
import { Panes } from "./chat/panes.js";
import { newState, withoutTurns } from "./chat/state.js";
import { Bridge, BridgeError, loaded } from "./server/bridge.js";
import { Models } from "./server/models.js";
import { TokenDialog } from "./server/token_dialog.js";
import { ConversationList } from "./store/conversation_list.js";
import { all, keep, newConversation, onChangeElsewhere, wasDeleted } from "./store/conversations.js";
import { browserShelf } from "./store/shelf.js";
import { chooseTheme } from "./theme.js";

const DELETED = "This chat was deleted in another tab.";

const byId = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));

const bridge = new Bridge();
const models = new Models(bridge);
const token = new TokenDialog(bridge);
const list = new ConversationList(byId("conversations"));
const panes = new Panes(byId("panes"), bridge, models);
const composer = new Composer(/** @type {HTMLFormElement} */ (byId("composer")));

let conversation = all()[0] ?? newConversation([newState()]);
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

/** @param {import("./store/conversations.js").Conversation} opened */
function openConversation(opened) {
  // The one before is kept once more.
  panes.close();
  conversation = opened;
  panes.show(conversation.panes);
  byId("compare").setAttribute("aria-pressed", String(conversation.panes.length > 1));
  list.show(conversation.id);
  tell("problem", "");
  showList(false);
  composer.focus();
}

function keepConversation() {
  // One in which nothing was said is not worth keeping.
  if (!conversation.panes.some(({ turns }) => turns.length)) return;
  if (wasDeleted(conversation.id)) {
    tell("problem", DELETED);
    return;
  }
  conversation.updatedAt = Date.now();
  try {
    keep(conversation);
    list.show(conversation.id);
  } catch (error) {
    tell("problem", /** @type {Error} */ (error).message);
  }
}

/** Shows what other tabs have made of the conversations. */
function followOtherTabs() {
  if (!wasDeleted(conversation.id)) {
    list.show(conversation.id);
    return;
  }
  openConversation(newConversation(conversation.panes.map(withoutTurns)));
  tell("problem", DELETED);
}

/**
 * Puts a copy of the pane beside it, where a model or a setting can be another, or puts the copy aside. What was said in it
 * comes back with it.
 */
function compare() {
  const { panes: states, aside } = conversation;
  if (states.length > 1) [conversation.aside] = states.splice(1);
  else {
    states.push(aside?.turns.length ? aside : structuredClone(states[0]));
    delete conversation.aside;
  }
  openConversation(conversation);
  keepConversation();
  byId("compare").focus();
}

function showRunning() {
  composer.showRunning(panes.areRunning);
  /** @type {HTMLButtonElement} */ (byId("compare")).disabled = panes.areRunning;
}

/** @param {boolean} isShown Where there is little room, whether the list covers the rest. */
function showList(isShown) {
  byId("conversations").classList.toggle("open", isShown);
  byId("show-conversations").setAttribute("aria-expanded", String(isShown));
}

/** @param {import("./server/answers.js").Request[]} requests One for each pane, or that of a turn. */
async function showCode(requests) {
  try {
    const { CodeDialog } = await loaded(import("./code/code_dialog.js"));
    code ??= new CodeDialog(models);
    code.open(requests);
  } catch (error) {
    if (!(error instanceof BridgeError)) throw error;
    tell("problem", error.message);
  }
}

composer.addEventListener("send", (event) => {
  if (!panes.check()) event.preventDefault();
  else panes.send(/** @type {CustomEvent} */ (event).detail);
});
composer.addEventListener("stop", () => panes.stop());
// A browser may keep a page that was left for a minute, with its requests, or break them off before it hides the page.
for (const type of ["beforeunload", "pagehide"]) addEventListener(type, () => panes.stop());

panes.addEventListener("change", () => keepConversation());
panes.addEventListener("running", () => showRunning());
panes.addEventListener("announce", (event) => {
  byId("announcer").textContent = /** @type {CustomEvent} */ (event).detail;
});
panes.addEventListener("code", (event) => showCode([/** @type {CustomEvent} */ (event).detail]));
// Where they were typed in is gone then.
panes.addEventListener("told", () => composer.focus());
panes.addEventListener("refused", (event) => token.open(/** @type {CustomEvent} */ (event).detail));

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
  if (panes.check()) showCode(panes.requestsWith(composer.text));
});
byId("compare").addEventListener("click", () => compare());
byId("token-button").addEventListener("click", () => token.open());
byId("show-conversations").addEventListener("click", () => {
  showList(!byId("conversations").classList.contains("open"));
});
onChangeElsewhere(() => followOtherTabs());
byId("not-kept").hidden = browserShelf.isThere;
chooseTheme(/** @type {HTMLSelectElement} */ (byId("theme")));

openConversation(conversation);
models.refresh();
