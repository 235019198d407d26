// @ts-check
/** The operator's page: asks for the data while it is looked at, and shows it. */

import { Bridge, BridgeError, jsonOf } from "../server/bridge.js";
import { browserShelf } from "../store/shelf.js";
import { chooseTheme } from "../theme.js";
import { BridgeView } from "./bridge_view.js";
import { byId, element, setChildren, setText } from "./elements.js";
import { updateFailures } from "./failures_view.js";
import { clock } from "./formats.js";
import { History } from "./history.js";
import { ModelsView } from "./models_view.js";
import { Poll } from "./poll.js";

const INTERVAL_MS = 2000;
const TIMEOUT_MS = 10_000;

const bridge = new Bridge();
const history = new History();
const modelsView = new ModelsView();
const bridgeView = new BridgeView();
const tokenInput = /** @type {HTMLInputElement} */ (byId("token"));
const poll = new Poll(ask, INTERVAL_MS);

async function ask() {
  try {
    const response = await bridge.fetch("/status/data", { signal: AbortSignal.timeout(TIMEOUT_MS) });
    show(await jsonOf(response));
  } catch (error) {
    fail(error);
  }
}

/** @param {any} data */
function show(data) {
  const { models, metrics, bridge: own, recent_requests: recent } = data;
  history.add({
    time: data.time,
    models: metrics.figures?.models ?? null,
    failures: metrics.figures?.failures ?? null,
    streamsOpen: own.streams_open,
    requests: own.requests.reduce((/** @type {number} */ total, /** @type {{count: number}} */ item) => total + item.count, 0),
  });
  showForm(false);
  modelsView.update(models.entries, history);
  updateFailures(metrics.figures, history);
  bridgeView.update(own, recent, history);
  tell(
    [models.problem, metrics.is_configured ? metrics.problem : ""].filter(Boolean),
    metrics.is_configured ? "" : metrics.problem,
  );
  setText(byId("live"), `${models.problem ? "Service down" : "Live"}, ${clock(data.time)}`);
  byId("live").className = models.problem ? "small off" : "small on";
}

/**
 * Shows the form for the token, or what there is to see.
 * @param {boolean} isAsking
 */
function showForm(isAsking) {
  byId("token-form").hidden = !isAsking;
  for (const id of ["figures", "live", "pause"]) byId(id).hidden = isAsking;
}

/** @param {unknown} error */
function fail(error) {
  byId("live").className = "small off";
  if (error instanceof BridgeError && error.wantsToken) {
    showForm(true);
    setText(byId("token-problem"), bridge.token ? "The bridge does not know this token." : "Its figures are shown to who has one.");
    poll.isPaused = true;
    tell([], "");
    tokenInput.focus();
    return;
  }
  if (!(error instanceof BridgeError)) console.error(error);
  setText(byId("live"), "No answer");
  const message = error instanceof BridgeError ? error.message : "The bridge gives no answer.";
  tell([`${message} What is shown here is from before.`], "");
}

/**
 * Tells what is wrong, and what is only not set up.
 * @param {string[]} problems
 * @param {string} hint
 */
function tell(problems, hint) {
  const notices = [
    ...problems.map((text) => ({ text, kind: "notice bad" })),
    ...(hint ? [{ text: hint, kind: "notice warning" }] : []),
  ];
  setChildren(byId("problems"), notices, ({ text }) => text, ({ text, kind }) => element("p", { class: kind }, text));
}

byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  bridge.token = tokenInput.value.trim();
  tokenInput.value = "";
  poll.isPaused = false;
  poll.run();
});

byId("pause").addEventListener("click", () => {
  poll.isPaused = !poll.isPaused;
  setText(byId("pause"), poll.isPaused ? "Resume" : "Pause");
  poll.run();
});

byId("not-kept").hidden = browserShelf.isThere;
chooseTheme(/** @type {HTMLSelectElement} */ (byId("theme")));
poll.run();
