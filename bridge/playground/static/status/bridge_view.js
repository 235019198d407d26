// @ts-check
/** What the bridge itself has to tell: streams, requests by route and status, and the last requests. */

import { byId, element, row, setCells, setChildren, setText } from "./elements.js";
import { clock, count, duration, rate } from "./formats.js";
import { quantile } from "./quantiles.js";
import { Tile } from "./tile.js";

/**
 * @typedef {import("./history.js").History} History
 * @typedef {{route: string, status: number, count: number}} RouteCount
 * @typedef {object} RecentRequest
 * @property {number} ended_at
 * @property {string} id
 * @property {string} account
 * @property {string} route
 * @property {string} model
 * @property {string} served_model
 * @property {number} status
 * @property {number} duration_s
 * @property {number} prompt_tokens
 * @property {number} completion_tokens
 * @property {string} finish_reason
 * @property {string} error
 */

const NUMBERS = [3, 4, 5];

export class BridgeView {
  constructor() {
    this.streams = new Tile("streams-open", "Streams open", count);
    this.requests = new Tile("requests", "Requests/s", rate);
    this.firstEvent = element("dl", { class: "counts" });
    byId("bridge-tiles").append(this.streams.root, this.requests.root);
    byId("bridge-tiles").after(this.firstEvent);
  }

  /**
   * Shows what is new.
   * @param {any} bridge The field `bridge` of the data.
   * @param {RecentRequest[]} recent
   * @param {History} history
   */
  update(bridge, recent, history) {
    this.streams.update(count(bridge.streams_open), history.values((sample) => sample.streamsOpen));
    const numRequests = (/** @type {import("./history.js").Sample} */ sample) => sample.requests;
    this.requests.update(rate(history.rate(numRequests)), history.rates(numRequests));
    this.#updateCounts(bridge);
    this.#updateRoutes(bridge.requests);
    this.#updateRequests(recent);
  }

  /** @param {any} bridge */
  #updateCounts(bridge) {
    const events = bridge.time_to_first_event_seconds;
    const counts = [
      { name: "First event, p50", value: duration(quantile(events, 0.5)) },
      { name: "First event, p99", value: duration(quantile(events, 0.99)) },
      ...Object.entries(bridge.stream_errors).map(([code, value]) => ({
        name: `Streams broken off, ${code}`,
        value: count(/** @type {number} */ (value)),
      })),
    ];
    const create = (/** @type {{name: string}} */ { name }) =>
      element("div", {}, element("dt", {}, name), element("dd"));
    setChildren(this.firstEvent, counts, (item) => item.name, create, (child, { value }) => {
      setText(child.children[1], value);
    });
  }

  /** @param {RouteCount[]} counts */
  #updateRoutes(counts) {
    const routes = [...new Set(counts.map(({ route }) => route))];
    byId("no-routes").hidden = routes.length > 0;
    const body = /** @type {Element} */ (byId("routes").querySelector("tbody"));
    setChildren(body, routes, String, () => row(2), (tableRow, route) => {
      setText(tableRow.children[0], route === "none" ? "paths that nobody serves" : route);
      const ofRoute = counts.filter((item) => item.route === route).sort((one, other) => one.status - other.status);
      setChildren(tableRow.children[1], ofRoute, (item) => String(item.status), chip, (shown, item) => {
        setText(shown.children[1], ` × ${count(item.count)}`);
      });
    });
  }

  /** @param {RecentRequest[]} recent */
  #updateRequests(recent) {
    byId("no-requests").hidden = recent.length > 0;
    byId("requests-region").hidden = !recent.length;
    const body = /** @type {Element} */ (byId("requests").querySelector("tbody"));
    setChildren(body, recent, (request) => request.id, requestRow);
  }
}

/** @param {RouteCount} item */
function chip({ status }) {
  const kind = status >= 500 ? "failed" : status >= 400 ? "refused" : "";
  const name = status === 499 ? "499 left" : String(status);
  return element("span", { class: `chip ${kind}` }, element("b", {}, name), element("span"));
}

/** @param {RecentRequest} request */
function requestRow(request) {
  const made = row(10, NUMBERS);
  const standIn = request.served_model && request.served_model !== request.model ? ` → ${request.served_model}` : "";
  const isCounted = request.completion_tokens > 0 || request.prompt_tokens > 0;
  setCells(made, [
    clock(request.ended_at),
    String(request.status),
    request.model + standIn,
    duration(request.duration_s),
    isCounted ? count(request.prompt_tokens) : "",
    isCounted ? count(request.completion_tokens) : "",
    request.error || request.finish_reason || (request.status === 499 ? "its client left" : ""),
    request.route.replace("/client/v4/accounts/{account_id}", "…"),
    request.account,
    request.id.slice(0, 8),
  ]);
  made.className = request.status >= 400 || request.error ? "failed" : "";
  made.children[1].className = "status";
  made.children[2].className = "model";
  made.children[2].setAttribute("title", request.model + standIn);
  made.children[6].className = "reason";
  made.children[6].setAttribute("title", request.error);
  made.children[7].setAttribute("title", request.route);
  made.children[9].className = "id";
  made.children[9].setAttribute("title", request.id);
  return made;
}
