// @ts-check
/** Figures as people read them. */

const ABOUT = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** What stands for a figure that is not known. */
export const UNKNOWN = "–";

/**
 * A count.
 * @param {number | null | undefined} value
 */
export function count(value) {
  return value === null || value === undefined ? UNKNOWN : WHOLE.format(value);
}

/**
 * A number of things in a second.
 * @param {number | null} value
 */
export function rate(value) {
  if (value === null) return UNKNOWN;
  return value >= 100 ? WHOLE.format(value) : ABOUT.format(Math.round(value * 10) / 10);
}

/**
 * A share.
 * @param {number | null | undefined} value From 0 to 1.
 */
export function percent(value) {
  if (value === null || value === undefined) return UNKNOWN;
  return value > 0 && value < 0.1 ? `${ABOUT.format(Math.round(value * 1000) / 10)} %` : `${WHOLE.format(value * 100)} %`;
}

/**
 * A duration.
 * @param {number | null} seconds
 */
export function duration(seconds) {
  if (seconds === null) return UNKNOWN;
  if (seconds < 1) return `${ABOUT.format(Math.round(seconds * 10000) / 10)} ms`;
  return seconds < 100 ? `${ABOUT.format(seconds)} s` : `${WHOLE.format(seconds)} s`;
}

/**
 * How long ago something was, in words.
 * @param {number} seconds
 */
export function ago(seconds) {
  return seconds < 90 ? `${WHOLE.format(seconds)} s` : `${WHOLE.format(seconds / 60)} min`;
}

/**
 * The time of day.
 * @param {number} time In seconds since 1970.
 */
export function clock(time) {
  return new Date(time * 1000).toLocaleTimeString("en-GB");
}

/**
 * How far a load is, from what the service says of it, such as "loading: 4.2 of 13.5 GB".
 * @param {string} detail
 * @returns {number | null} From 0 to 1; null if it says nothing of the kind.
 */
export function progress(detail) {
  const match = /(\d+(?:\.\d+)?) of (\d+(?:\.\d+)?)/.exec(detail);
  if (!match || Number(match[2]) <= 0) return null;
  return Math.min(1, Number(match[1]) / Number(match[2]));
}
