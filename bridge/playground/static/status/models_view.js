// @ts-check
/** The models: a panel for each that has an engine, and a table of the others. */

import { byId, element, row, setCells, setChildren, setText } from "./elements.js";
import { count, duration, percent, progress, rate } from "./formats.js";
import { quantile, since } from "./quantiles.js";
import { Tile } from "./tile.js";
import { windowName } from "./window_name.js";

/**
 * @typedef {import("./history.js").History} History
 * @typedef {import("./history.js").Sample} Sample
 * @typedef {import("./history.js").Figures} Figures
 * @typedef {{id: string, state: string, state_detail: string, served_model: string}} Model
 */

const STATES = /** @type {Record<string, string>} */ ({
  ready: "Ready",
  loading: "Loading",
  failed: "Failed",
  unloaded: "Not loaded",
  weights_missing: "Weights missing",
});

/** @type {import("./quantiles.js").Histogram} */
const NOTHING = { count: 0, sum: 0, buckets: [] };

const QUANTILES = [0.5, 0.9, 0.99];

const TIMES = /** @type {[string, string][]} */ ([
  ["time_to_first_token_seconds", "Time to first token"],
  ["e2e_request_latency_seconds", "Whole request"],
]);

/** Shows a model that has an engine. */
class ModelPanel {
  /** @param {string} id */
  constructor(id) {
    this.id = id;
    this.state = element("span", { class: "badge" });
    this.detail = element("span", { class: "small" });
    this.bar = /** @type {HTMLProgressElement} */ (element("progress", { max: "1", "aria-label": `Loading of ${id}` }));
    const head = element("div", { class: "model-head" }, element("h3", {}, id), this.state, this.bar, this.detail);
    this.tiles = {
      running: new Tile("running", "Running", count),
      waiting: new Tile("waiting", "Waiting", count),
      cache: new Tile("kv-cache", "KV cache in use", percent, 1),
      hits: new Tile("prefix-hits", "Prefix cache hit rate", percent, 1),
      generated: new Tile("generated", "Generated tokens/s", rate),
      prompt: new Tile("prompt", "Prompt tokens/s", rate),
    };
    this.times = element("tbody");
    this.timesCaption = element("caption");
    this.counts = element("dl", { class: "counts" });
    const tiles = element("div", { class: "tiles" }, ...Object.values(this.tiles).map((tile) => tile.root));
    this.foot = element("div", { class: "model-foot" }, this.#timesTable(), this.counts);
    this.figures = element("div", { class: "panel-figures" }, tiles, this.foot);
    this.root = element("article", { class: "panel", "aria-label": id }, head, this.figures);
  }

  #timesTable() {
    const names = ["Time", ...QUANTILES.map((q) => `p${q * 100}`), "Calls"];
    const head = names.map((name, place) => element("th", { scope: "col", class: place ? "number" : "" }, name));
    return element("table", {}, this.timesCaption, element("thead", {}, element("tr", {}, ...head)), this.times);
  }

  /**
   * @param {Model | undefined} model Undefined while the service can't be asked.
   * @param {History} history
   */
  update(model, history) {
    const state = model?.state ?? "unknown";
    this.state.className = `badge ${state}`;
    setText(this.state, STATES[state] ?? "State unknown");
    setText(this.detail, model?.state_detail ?? "");
    const loaded = state === "loading" ? progress(model?.state_detail ?? "") : null;
    this.bar.hidden = loaded === null;
    this.bar.value = loaded ?? 0;
    const figures = history.last?.models?.[this.id];
    this.figures.hidden = !history.samples.some((sample) => sample.models?.[this.id]);
    this.#updateTiles(figures, history);
    this.foot.hidden = !figures;
    if (figures) this.#updateTimes(figures, history);
    if (figures) this.#updateCounts(figures, history);
  }

  /**
   * @param {Figures | undefined} figures
   * @param {History} history
   */
  #updateTiles(figures, history) {
    const { running, waiting, cache, hits, generated, prompt } = this.tiles;
    const read = (/** @type {string} */ name) => (/** @type {Sample} */ sample) => this.#figure(sample, name);
    running.update(count(figures?.num_requests_running), history.values(read("num_requests_running")));
    waiting.update(count(figures?.num_requests_waiting), history.values(read("num_requests_waiting")));
    cache.update(percent(figures?.kv_cache_usage_perc), history.values(read("kv_cache_usage_perc")));
    const shares = history.shares(read("prefix_cache_hits_total"), read("prefix_cache_queries_total"));
    hits.update(percent(shares.at(-1)?.[1] ?? shareOf(figures)), shares);
    for (const [tile, name] of /** @type {[Tile, string][]} */ ([
      [generated, "generation_tokens_total"],
      [prompt, "prompt_tokens_total"],
    ]))
      tile.update(rate(history.rate(read(name))), history.rates(read(name)));
  }

  /**
   * A figure in a sample; a counter is not told before it counts for the first time.
   * @param {Sample} sample
   * @param {string} name
   * @returns {number | undefined}
   */
  #figure(sample, name) {
    const figures = sample.models?.[this.id];
    return figures?.[name] ?? (figures && name.endsWith("_total") ? 0 : undefined);
  }

  /**
   * @param {Figures} figures
   * @param {History} history
   */
  #updateTimes(figures, history) {
    const all = TIMES.map(([name]) => figures[name] ?? NOTHING);
    const recent = TIMES.map(([name], place) => since(all[place], history.firstHistogram(this.id, name)));
    const isRecent = recent.some((histogram) => histogram.count > 0);
    setText(this.timesCaption, isRecent ? windowName(history) : "Since the service started");
    const shown = TIMES.map(([, label], place) => ({ label, of: (isRecent ? recent : all)[place] }));
    setChildren(this.times, shown, (time) => time.label, () => row(5, [1, 2, 3, 4]), (tableRow, { label, of }) => {
      setCells(tableRow, [label, ...QUANTILES.map((q) => duration(quantile(of, q))), count(of.count)]);
    });
  }

  /**
   * @param {Figures} figures
   * @param {History} history
   */
  #updateCounts(figures, history) {
    const ends = Object.entries(figures.request_success_total ?? {});
    const counts = [
      { name: "Engines serving", value: figures.num_engines_serving, isBad: figures.num_engines_serving === 0 },
      { name: "Engine restarts", value: figures.engine_restarts_total, isBad: figures.engine_restarts_total > 0 },
      { name: "Preemptions", value: figures.num_preemptions_total, isBad: this.#grows("num_preemptions_total", history) },
      ...ends.map(([reason, value]) => ({ name: `Ended by ${reason}`, value, isBad: false })),
    ];
    setChildren(
      this.counts,
      counts,
      (item) => item.name,
      (item) => element("div", {}, element("dt", {}, item.name), element("dd")),
      (child, { value, isBad }) => {
        child.className = isBad ? "bad" : "";
        setText(child.children[1], count(value));
      },
    );
  }

  /**
   * @param {string} name
   * @param {History} history
   */
  #grows(name, history) {
    return history.increase((sample) => this.#figure(sample, name)) > 0;
  }
}

/** @param {Figures | undefined} figures The share of all prompts since the service started that was found. */
function shareOf(figures) {
  const { prefix_cache_queries_total: all, prefix_cache_hits_total: found } = figures ?? {};
  return all ? found / all : null;
}

export class ModelsView {
  /** @type {Map<string, ModelPanel>} */
  #panels = new Map();

  /**
   * Shows what is new.
   * @param {Model[]} models Empty while the service can't be asked: what was known stays.
   * @param {History} history
   */
  update(models, history) {
    const figures = history.last?.models ?? {};
    const ids = new Set([
      ...models.filter((model) => model.served_model === model.id || model.id in figures).map((model) => model.id),
      ...Object.keys(figures),
      ...(models.length ? [] : this.#panels.keys()),
    ]);
    setChildren(byId("models"), [...ids], String, (id) => this.#panel(id).root, (_, id) => {
      this.#panel(id).update(models.find((model) => model.id === id), history);
    });
    if (models.length) this.#updateOthers(models.filter((model) => !ids.has(model.id)));
  }

  /** @param {string} id */
  #panel(id) {
    const panel = this.#panels.get(id) ?? new ModelPanel(id);
    this.#panels.set(id, panel);
    return panel;
  }

  /** @param {Model[]} models */
  #updateOthers(models) {
    const details = byId("other-models");
    details.hidden = !models.length;
    const numStoodIn = models.filter((model) => model.served_model).length;
    const others = `${models.length} other ${models.length === 1 ? "model" : "models"} of the catalog`;
    const standIns = numStoodIn ? `; a stand-in answers for ${numStoodIn === models.length ? "all of them" : numStoodIn}` : "";
    setText(details.children[0], others + standIns);
    const body = /** @type {Element} */ (details.querySelector("tbody"));
    setChildren(body, models, (model) => model.id, () => row(3), (tableRow, model) => {
      const state = model.served_model ? `${model.served_model} stands in` : (STATES[model.state] ?? model.state);
      setCells(tableRow, [model.id, state, model.state_detail]);
      tableRow.children[1].className = model.served_model ? "stood-in" : "";
    });
  }
}
