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
    this.now = "";
    this.most = "";
    this.isPointedAt = false;
    this.note = element("span", { class: "note" });
    this.value = element("span", { class: "value" });
    this.plot = new Plot(
      (time, value) => this.#show(this.format(value), `${ago(this.plot.end - time)} ago`, true),
      () => this.#show(this.now, this.most, false),
    );
    this.root = element("div", { class: "tile", "data-figure": name });
    this.root.append(element("span", { class: "label" }, label), this.value, this.note, this.plot.svg);
  }

  /**
   * Shows what is new.
   * @param {string} text The figure now.
   * @param {Series} series
   */
  update(text, series) {
    const known = /** @type {number[]} */ (series.map(([, value]) => value).filter((value) => value !== null));
    this.now = text;
    this.most = known.some(Boolean) ? `max ${this.format(Math.max(...known))}` : "";
    if (!this.isPointedAt) this.#show(this.now, this.most, false);
    const label = `${this.label}: now ${text}${this.most && `, ${this.most} in the last minutes`}`;
    this.plot.draw(series, label, this.highest);
  }

  /**
   * @param {string} text
   * @param {string} note
   * @param {boolean} isPointedAt
   */
  #show(text, note, isPointedAt) {
    setText(this.value, text);
    setText(this.note, note);
    this.isPointedAt = isPointedAt;
  }
}
