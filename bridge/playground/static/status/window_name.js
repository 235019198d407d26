// @ts-check
/** The name of the time that the page has seen. */

import { ago } from "./formats.js";

/** @param {import("./history.js").History} history */
export function windowName(history) {
  return `Last ${ago(Math.max(2, history.spanS))}`;
}
