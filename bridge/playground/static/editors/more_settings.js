// @ts-check
/** What of a pane's settings has an editor of its own. */

import { FormatSetting } from "./format_setting.js";
import { LogprobsSetting } from "./logprobs_setting.js";
import { ToolsSetting } from "./tools_setting.js";

export class MoreSettings {
  #format;
  #tools;

  /**
   * @param {Element} place It dispatches "change" when the user has changed the state.
   * @param {import("../chat/state.js").PaneState} state Shown, and written to.
   */
  constructor(place, state) {
    this.#format = new FormatSetting(state);
    this.#tools = new ToolsSetting(state);
    place.append(this.#format.element, this.#tools.element, new LogprobsSetting(state).element);
  }

  /** @param {string} message What the bridge has said to the last request; empty if it has taken it. */
  tell(message) {
    this.#format.tell(/JSON Mode|'\/response_format\b/.test(message) ? message : "");
    this.#tools.tell(/'\/tool(s|_choice)\b/.test(message) ? message : "");
  }
}
