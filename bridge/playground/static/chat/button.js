// @ts-check
/** Buttons that are made, rather than written in a page. */

/**
 * @param {string} label
 * @param {string} className
 * @param {() => void} act
 */
export function button(label, className, act) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = className;
  element.textContent = label;
  element.addEventListener("click", act);
  return element;
}
