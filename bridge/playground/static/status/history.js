// @ts-check
/** The last minutes of what the server has told, kept in the page. */

/** @typedef {import("./quantiles.js").Histogram} Histogram */
/** @typedef {Record<string, any>} Figures A model's figures, by the names of the service's metrics. */
/**
 * @typedef {object} Sample
 * @property {number} time In seconds since 1970.
 * @property {Record<string, Figures> | null} models Null while the service's figures can't be had.
 * @property {Record<string, number> | null} failures
 * @property {number} streamsOpen
 * @property {number} requests
 */
/** @typedef {[number, number | null][]} Series Times and values; null where nothing is known. */

export const KEPT_S = 600;

/** Samples farther apart than this say nothing of the time between them. */
const GAP_S = 12;

/** A rate that is shown as a number is that of so many seconds. */
const RATE_S = 10;

/** The share of prompts that was found is that of so many seconds. */
const SHARE_S = 60;

export class History {
  constructor() {
    /** @type {Sample[]} */
    this.samples = [];
  }

  /** @returns {Sample | undefined} */
  get last() {
    return this.samples.at(-1);
  }

  /** The seconds from the first sample to the last. */
  get spanS() {
    return this.last ? this.last.time - this.samples[0].time : 0;
  }

  /**
   * Takes a sample; a clock that was set back begins anew.
   * @param {Sample} sample
   */
  add(sample) {
    if (this.last && sample.time <= this.last.time) this.samples = [];
    this.samples.push(sample);
    this.samples = this.samples.filter(({ time }) => time >= sample.time - KEPT_S);
  }

  /**
   * A figure at each sample.
   * @param {(sample: Sample) => number | null | undefined} read
   * @returns {Series}
   */
  values(read) {
    return this.samples.map((sample) => [sample.time, read(sample) ?? null]);
  }

  /**
   * How fast a counter grew before each sample.
   * @param {(sample: Sample) => number | null | undefined} read
   * @returns {Series}
   */
  rates(read) {
    const counts = this.values(read);
    return counts.map(([time, value], place) => {
      const [timeBefore, before] = counts[place - 1] ?? [time, null];
      if (value === null || before === null || time - timeBefore > GAP_S) return [time, null];
      return [time, grown(value, before) / (time - timeBefore)];
    });
  }

  /**
   * How fast a counter has grown of late.
   * @param {(sample: Sample) => number | null | undefined} read
   * @returns {number | null}
   */
  rate(read) {
    const first = this.#since(RATE_S, read);
    const value = this.last && read(this.last);
    if (!this.last || !first || first === this.last || value === null || value === undefined) return null;
    return this.increase(read, RATE_S) / (this.last.time - first.time);
  }

  /**
   * By how much a counter has grown, new beginnings included.
   * @param {(sample: Sample) => number | null | undefined} read
   * @param {number} [seconds]
   * @returns {number}
   */
  increase(read, seconds = KEPT_S) {
    const start = (this.last?.time ?? 0) - seconds;
    const known = this.values(read).filter(([time, value]) => value !== null && time >= start);
    const counts = /** @type {number[]} */ (known.map(([, value]) => value));
    return counts.slice(1).reduce((total, value, place) => total + grown(value, counts[place]), 0);
  }

  /**
   * One counter's share of another at each sample, over the minute before.
   * @param {(sample: Sample) => number | null | undefined} readPart
   * @param {(sample: Sample) => number | null | undefined} readWhole
   * @returns {Series}
   */
  shares(readPart, readWhole) {
    const parts = this.values(readPart);
    const wholes = this.values(readWhole);
    let first = 0;
    return parts.map(([time, part], place) => {
      while (parts[first][0] < time - SHARE_S) first += 1;
      const whole = wholes[place][1];
      const partBefore = parts[first][1];
      const wholeBefore = wholes[first][1];
      if (part === null || whole === null || partBefore === null || wholeBefore === null) return [time, null];
      return [time, whole > wholeBefore ? grown(part, partBefore) / (whole - wholeBefore) : null];
    });
  }

  /**
   * The oldest sample within some seconds in which a figure is known.
   * @param {number} seconds
   * @param {(sample: Sample) => unknown} read
   * @returns {Sample | undefined}
   */
  #since(seconds, read) {
    const start = (this.last?.time ?? 0) - seconds;
    return this.samples.find((sample) => sample.time >= start && (read(sample) ?? null) !== null);
  }

  /**
   * A model's histogram when it was first seen within the time that is kept.
   * @param {string} model
   * @param {string} name
   * @returns {Histogram | undefined}
   */
  firstHistogram(model, name) {
    return this.samples.find((sample) => sample.models?.[model])?.models?.[model]?.[name];
  }
}

/**
 * By how much a counter has grown; one that is less than before began anew with its process.
 * @param {number} now
 * @param {number} before
 */
function grown(now, before) {
  return now >= before ? now - before : now;
}
