// @ts-check
/** The calls that the service refused or failed, by reason, and what waits in batches. */

import { byId, row, setCells, setChildren, setText } from "./elements.js";
import { count } from "./formats.js";
import { windowName } from "./window_name.js";

/**
 * Shows what is new.
 * @param {{failures: Record<string, number>, batch_items_waiting: number} | null} figures Null while they can't be had.
 * @param {import("./history.js").History} history
 */
export function updateFailures(figures, history) {
  const table = byId("failures");
  const reasons = Object.entries(figures?.failures ?? {}).sort(([, one], [, other]) => other - one);
  table.hidden = !reasons.length;
  byId("no-failures").hidden = reasons.length > 0;
  setText(byId("no-failures"), figures ? "None since the service started." : "Not known now.");
  setText(/** @type {Element} */ (table.querySelector(".window")), windowName(history));
  const body = /** @type {Element} */ (table.querySelector("tbody"));
  setChildren(body, reasons, ([reason]) => reason, () => row(3, [1, 2]), (tableRow, [reason, total]) => {
    const recent = history.increase((sample) => sample.failures && (sample.failures[reason] ?? 0));
    setCells(tableRow, [reason, count(recent), count(total)]);
  });
  const waiting = figures?.batch_items_waiting ?? 0;
  byId("batch-items").hidden = !waiting;
  setText(byId("batch-items"), `${count(waiting)} items of batches wait for their result.`);
}
