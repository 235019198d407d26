// @ts-check
/** Whether log probabilities are asked for, and of how many tokens at each place. */

import { clone } from "../chat/templates.js";

/** Reads and writes `topLogprobs`. */
export class LogprobsSetting {
  /** @param {import("../chat/state.js").PaneState} state */
  constructor(state) {
    this.element = clone("logprobs-template");
    const part = (/** @type {string} */ name) =>
      /** @type {HTMLInputElement} */ (this.element.querySelector(`[name="${name}"]`));
    const more = /** @type {HTMLElement} */ (this.element.querySelector(".more"));
    const [isOn, number] = [part("logprobs"), part("top-logprobs")];
    isOn.checked = state.topLogprobs !== undefined;
    number.value = String(state.topLogprobs ?? number.value);
    more.hidden = !isOn.checked;
    this.element.addEventListener("change", () => {
      more.hidden = !isOn.checked;
      // What can't be seen is not to stand in the way.
      number.disabled = !isOn.checked;
      if (!isOn.checked) delete state.topLogprobs;
      else if (number.validity.valid) state.topLogprobs = number.valueAsNumber;
    });
  }
}
