// @ts-check
/** The choice of light or dark; both pages have it, and this browser keeps it. */

import { browserShelf } from "./store/shelf.js";

const KEY = "runstream.theme";

/** @param {HTMLSelectElement} choice Its values are "", for the system's, "light" and "dark". */
export function chooseTheme(choice) {
  const apply = () => {
    document.documentElement.dataset.theme = choice.value;
  };
  choice.value = browserShelf.get(KEY);
  apply();
  choice.addEventListener("change", () => {
    browserShelf.set(KEY, choice.value);
    apply();
  });
}
