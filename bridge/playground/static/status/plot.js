// @ts-check
/** Small plots over time, drawn as SVG. */

/** @typedef {import("./history.js").Series} Series */

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 300;
const HEIGHT = 48;
const GAP_S = 12;
const SHORTEST_S = 60;

/**
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 */
function shape(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}

export class Plot {
  /**
   * @param {(time: number, value: number) => void} onPoint Called with the point under the pointer.
   * @param {() => void} onLeave Called when the pointer is gone.
   */
  constructor(onPoint, onLeave) {
    this.area = shape("path", { class: "area" });
    this.line = shape("path", { class: "line" });
    this.mark = shape("line", { class: "mark", y1: 0, y2: HEIGHT, x1: -1, x2: -1 });
    this.svg = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", class: "plot" });
    this.svg.append(this.area, this.line, this.mark);
    /** @type {Series} */
    this.series = [];
    this.start = 0;
    this.end = 1;
    this.svg.addEventListener("pointermove", (event) => {
      const point = this.#nearest(/** @type {PointerEvent} */ (event).clientX);
      if (!point) return;
      this.#mark(this.#x(point[0]));
      onPoint(point[0], point[1]);
    });
    this.svg.addEventListener("pointerleave", () => {
      this.#mark(-1);
      onLeave();
    });
  }

  /**
   * Draws a series.
   * @param {Series} series
   * @param {string} label What it shows, in words.
   * @param {number} [highest] The value at the upper edge; otherwise the highest of the series.
   */
  draw(series, label, highest) {
    this.series = series;
    this.end = series.at(-1)?.[0] ?? 1;
    this.start = Math.min(series[0]?.[0] ?? 0, this.end - SHORTEST_S);
    const top = highest ?? Math.max(1, ...series.map(([, value]) => value ?? 0));
    const strokes = this.#strokes(series, top);
    this.line.setAttribute("d", strokes.map((points) => `M${points.join("L")}`).join(""));
    this.area.setAttribute("d", strokes.map((points) => closed(points)).join(""));
    this.svg.setAttribute("aria-label", label);
  }

  /**
   * The points of each stretch without a gap.
   * @param {Series} series
   * @param {number} top
   * @returns {string[][]}
   */
  #strokes(series, top) {
    /** @type {string[][]} */
    const strokes = [];
    let before = -Infinity;
    for (const [time, value] of series) {
      if (value === null) continue;
      if (time - before > GAP_S) strokes.push([]);
      const y = HEIGHT - 2 - (HEIGHT - 4) * Math.min(1, value / top);
      strokes.at(-1)?.push(`${this.#x(time).toFixed(1)} ${y.toFixed(1)}`);
      before = time;
    }
    return strokes.map((points) => (points.length === 1 ? [...points, ...points] : points));
  }

  /** @param {number} time */
  #x(time) {
    return (WIDTH * (time - this.start)) / (this.end - this.start);
  }

  /** @param {number} x */
  #mark(x) {
    this.mark.setAttribute("x1", String(x));
    this.mark.setAttribute("x2", String(x));
  }

  /**
   * The known point that is nearest to a place on the screen.
   * @param {number} clientX
   * @returns {[number, number] | undefined}
   */
  #nearest(clientX) {
    const box = this.svg.getBoundingClientRect();
    const time = this.start + ((clientX - box.left) / box.width) * (this.end - this.start);
    const known = /** @type {[number, number][]} */ (this.series.filter(([, value]) => value !== null));
    return known.sort((one, other) => Math.abs(one[0] - time) - Math.abs(other[0] - time))[0];
  }
}

/**
 * The outline of what is below a line.
 * @param {string[]} points
 */
function closed(points) {
  const first = points[0].split(" ")[0];
  const last = points[points.length - 1].split(" ")[0];
  return `M${first} ${HEIGHT}L${points.join("L")}L${last} ${HEIGHT}Z`;
}
