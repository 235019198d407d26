// @ts-check
/** The turns of a conversation on the screen, and the view that follows the last of them. */

import { TurnView } from "./turn_view.js";

/** From how near to the end on the view follows what is added, in pixels. */
const NEAR_END = 60;

/** @typedef {import("./state.js").Turn} Turn */

/** What the user can want of a turn. */
const WISHES = ["again", "stop", "code", "edited", "results"];

/** Dispatches "wish" with the turn, the event of its view and that one's `detail` as `detail`. */
export class Transcript extends EventTarget {
  #scroller;
  /** @type {TurnView[]} */
  #views = [];
  #isFollowing = true;

  /** @param {HTMLElement} scroller With a list for the turns, and what stands there while there are none. */
  constructor(scroller) {
    super();
    this.#scroller = scroller;
    scroller.addEventListener("scroll", () => this.#follow());
  }

  /** @param {Turn} turn Shown after the others. @returns {TurnView} */
  add(turn) {
    const view = new TurnView(turn);
    for (const wish of WISHES) {
      view.addEventListener(wish, (event) => {
        const { detail } = /** @type {CustomEvent} */ (event);
        this.dispatchEvent(new CustomEvent("wish", { detail: { turn, wish, detail } }));
      });
    }
    view.addEventListener("shown", () => this.#isFollowing && this.#scrollToEnd());
    this.#views.push(view);
    this.#scroller.querySelector(".turns")?.append(view.element);
    this.#showEmpty();
    this.#scrollToEnd();
    return view;
  }

  /** @param {Turn} turn Its text was changed. */
  showAnew(turn) {
    this.#views.find((view) => view.turn === turn)?.showAnew();
  }

  /**
   * @param {TurnView} view Of an answer.
   * @param {boolean} isRunning Whether it is on its way: meanwhile no turn can be changed.
   */
  showRunning(view, isRunning) {
    view.showRunning(isRunning);
    for (const each of this.#views) each.showLocked(isRunning);
  }

  /** @param {number} length How many turns stay. */
  cutTo(length) {
    for (const view of this.#views.splice(length)) view.element.remove();
    this.#showEmpty();
  }

  #showEmpty() {
    const empty = /** @type {HTMLElement} */ (this.#scroller.querySelector(".empty"));
    empty.hidden = this.#views.length > 0;
  }

  /** Notes whether the user sees the end, and wants to go on seeing it. */
  #follow() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    this.#isFollowing = scrollHeight - scrollTop - clientHeight < NEAR_END;
  }

  #scrollToEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#isFollowing = true;
  }
}
