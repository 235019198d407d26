// @ts-check
/** A dialog in which a part of the request is edited. What is wrong can't be taken over; nothing changes if it is left. */

import { clone } from "../chat/templates.js";

/**
 * @typedef {object} Edited
 * @property {string} title
 * @property {string} help
 * @property {string} problem What the bridge has said of it; empty for nothing.
 * @property {HTMLElement} content Where it is edited.
 * @property {() => void} focus
 * @property {() => any} read The value; undefined if something is wrong, which is then pointed at.
 */

/** @param {Edited} edited @returns {Promise<any>} The new value; undefined if the dialog is left. */
export function edit({ title, help, problem, content, focus, read }) {
  const dialog = /** @type {HTMLDialogElement} */ (clone("editor-template"));
  const part = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (dialog.querySelector(selector));
  part("h2").textContent = title;
  part(".help").textContent = help;
  part(".problem").textContent = problem;
  part(".problem").hidden = !problem;
  part(".edited").append(content);
  /** @type {any} */
  let value;
  part("form").addEventListener("submit", (event) => {
    // The policy of these pages lets no form be sent, not even to nowhere.
    event.preventDefault();
    value = read();
    if (value !== undefined) dialog.close();
  });
  part('[name="cancel"]').addEventListener("click", () => dialog.close());
  // Escape leaves the dialog, and does not stop an answer.
  dialog.addEventListener("keydown", (event) => event.key === "Escape" && event.stopPropagation());
  document.body.append(dialog);
  dialog.showModal();
  focus();
  return new Promise((resolve) =>
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(value);
    }),
  );
}
