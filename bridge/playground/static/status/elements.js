// @ts-check
/** Elements of the page, made and kept up to date without markup in strings. */

/**
 * Makes an element.
 * @param {string} tag
 * @param {Record<string, string>} [attributes] Its attributes.
 * @param {...(Node | string)} children What it holds.
 * @returns {HTMLElement}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/**
 * The element of the page with an id.
 * @param {string} id
 * @returns {HTMLElement}
 */
export function byId(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/**
 * Sets an element's text, if it is another: what a reader has selected stays so.
 * @param {Element} target
 * @param {string} text
 */
export function setText(target, text) {
  if (target.textContent !== text) target.textContent = text;
}

/**
 * Gives an element one child for each item, in their order, and keeps those that are there already.
 * @template Item
 * @template {Element} Child
 * @param {Element} parent
 * @param {Item[]} items
 * @param {(item: Item) => string} keyOf Tells items apart.
 * @param {(item: Item) => Child} create Makes an item's child.
 * @param {(child: Child, item: Item) => void} [update] Shows what is new of an item.
 */
export function setChildren(parent, items, keyOf, create, update = () => {}) {
  const old = new Map([...parent.children].map((child) => [child.getAttribute("data-key"), child]));
  /** @type {Element | null} */
  let before = null;
  for (const item of items) {
    const key = keyOf(item);
    const kept = /** @type {Child | undefined} */ (old.get(key));
    const child = kept ?? create(item);
    old.delete(key);
    child.setAttribute("data-key", key);
    /** @type {Element | null} */
    const place = before ? before.nextElementSibling : parent.firstElementChild;
    if (place !== child) parent.insertBefore(child, place);
    update(child, item);
    before = child;
  }
  for (const child of old.values()) child.remove();
}

/**
 * A row of a table, with as many cells as there are texts; the first is its header.
 * @param {number} numCells
 * @param {number[]} numbers Which cells hold numbers.
 * @returns {HTMLElement}
 */
export function row(numCells, numbers = []) {
  const cells = Array.from({ length: numCells }, (_, place) => {
    const cell = place ? element("td") : element("th", { scope: "row" });
    if (numbers.includes(place)) cell.className = "number";
    return cell;
  });
  return element("tr", {}, ...cells);
}

/**
 * Writes the cells of a row.
 * @param {Element} tableRow
 * @param {string[]} texts
 */
export function setCells(tableRow, texts) {
  texts.forEach((text, place) => setText(tableRow.children[place], text));
}
