// @ts-check
/** A figure with its plot. */

import { element, setText } from "./elements.js";
import { ago } from "./formats.js";
import { Plot } from "./plot.js";

/** @typedef {import("./history.js").Series} Series */

export class Tile {
  /**
   * @param {string} name What stands in `data-figure`, by which it is found.
   * @param {string} label
   * @param {(value: number) => string} format Writes a value of the plot.
   * @param {number} [highest] The value at the upper edge of the plot.
   */
  constructor(name, label, format, highest) {
    this.label = label;
    this.format = format;
    this.highest = highest;
    this.shown = "";
    this.when = element("span", { class: "when" });
    this.value = element("span", { class: "value" });
    this.plot = new Plot(
      (time, value) => this.#show(this.format(value), `${ago(this.plot.end - time)} ago`),
      () => this.#show(this.shown, ""),
    );
    this.root = element("div", { class: "tile", "data-figure": name });
    this.root.append(element("span", { class: "label" }, label), this.value, this.when, this.plot.svg);
  }

  /**
   * Shows what is new.
   * @param {string} text The figure now.
   * @param {Series} series
   */
  update(text, series) {
    if (!this.when.textContent) setText(this.value, text);
    this.shown = text;
    const known = /** @type {number[]} */ (series.map(([, value]) => value).filter((value) => value !== null));
    const most = known.length ? `, at most ${this.format(Math.max(...known))} in the last minutes` : "";
    this.plot.draw(series, `${this.label}: now ${text}${most}`, this.highest);
  }

  /**
   * @param {string} text
   * @param {string} when
   */
  #show(text, when) {
    setText(this.value, text);
    setText(this.when, when);
  }
}
