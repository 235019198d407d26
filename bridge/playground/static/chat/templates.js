// @ts-check
/** Copies of the templates in index.html. */

/** @param {string} id @returns {HTMLElement} The first element of the template, anew. */
export function clone(id) {
  const template = /** @type {HTMLTemplateElement} */ (document.getElementById(id));
  return /** @type {HTMLElement} */ (/** @type {Element} */ (template.content.firstElementChild).cloneNode(true));
}
