// @ts-check
/** What this browser keeps for the pages. One that is told to keep nothing throws where its storage is but named. */

/** Texts by key. What the browser does not take is there until the page is left. */
class Shelf {
  #storage;
  /** @type {Map<string, string>} */
  #loose = new Map();

  /** @param {"localStorage" | "sessionStorage"} name */
  constructor(name) {
    this.#storage = storageOf(name);
  }

  /** Whether the browser keeps anything. */
  get isThere() {
    return this.#storage !== undefined;
  }

  /** @returns {string[]} */
  get keys() {
    return [...new Set([...Object.keys(this.#storage ?? {}), ...this.#loose.keys()])];
  }

  /** @param {string} key @returns {string} Empty if there is none. */
  get(key) {
    return this.#loose.get(key) ?? this.#storage?.getItem(key) ?? "";
  }

  /**
   * @param {string} key
   * @param {string} text
   * @returns {boolean} False if the browser has no room for it.
   */
  set(key, text) {
    this.#loose.set(key, text);
    try {
      this.#storage?.setItem(key, text);
    } catch {
      return false;
    }
    if (this.#storage) this.#loose.delete(key);
    return true;
  }

  /** @param {string} key */
  remove(key) {
    this.#loose.delete(key);
    this.#storage?.removeItem(key);
  }
}

/** @param {"localStorage" | "sessionStorage"} name @returns {Storage | undefined} */
function storageOf(name) {
  try {
    const storage = globalThis[name];
    storage.getItem("");
    return storage;
  } catch {
    return undefined;
  }
}

/** What lasts. */
export const browserShelf = new Shelf("localStorage");

/** What lasts until the tab is closed. */
export const tabShelf = new Shelf("sessionStorage");
