// One figure over time as an SVG of our own: the value now in large type, the curve below it, and what it was at any
// moment under the pointer or the arrow keys.

import {h, s, setText} from "./dom.js";
import {clock} from "./format.js";

const WIDTH = 300;
const HEIGHT = 120;

/** A round number that is at least this much, and not much more. */
export function roundUp(value) {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const rounds = [1, 1.5, 2, 3, 5, 7.5, 10].map((factor) => Number((factor * power).toPrecision(12)));
  return rounds.find((round) => round >= value * 0.999999);
}

/** The same for bytes, in the units that they are shown in. */
export function roundUpBytes(value) {
  const unit = value > 0 ? 1024 ** Math.floor(Math.log2(value) / 10) : 1;
  return roundUp(value / unit) * unit;
}

/** The points of a curve as the d of a path; what is undefined leaves a gap. */
export function pathOf(values, capacity, scale) {
  let path = "";
  let isOpen = false;
  const step = WIDTH / Math.max(1, capacity - 1);
  const begin = capacity - values.length;
  values.forEach((value, i) => {
    if (value === undefined || Number.isNaN(value)) {
      isOpen = false;
      return;
    }
    const x = (begin + i) * step;
    const y = HEIGHT - (HEIGHT * (value - scale.low)) / (scale.high - scale.low || 1);
    path += `${isOpen ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    isOpen = true;
  });
  return path;
}

function scaleOf(curves, isAnchored, round) {
  const values = curves.flat().filter((value) => value !== undefined && !Number.isNaN(value));
  const high = Math.max(...values, 0);
  if (isAnchored) return {low: 0, high: round(high)};
  const low = Math.min(...values);
  return high > low ? {low, high} : {low: Math.max(0, high - 1), high: high + 1};
}

export class Chart {
  #series;
  #format;
  #capacity;
  #isAnchored;
  #round;
  #points = [];
  #at = -1; // the sample that is looked at, counted from the newest; -1: none
  #cursor = s("line", {class: "cursor", y1: 0, y2: HEIGHT, visibility: "hidden"});
  #top = h("span", {class: "number"});
  #when = h("span", {});

  /** `series` are [{key, name}], at most two; `isAnchored`: the scale begins at 0 and ends at a round number. */
  constructor({title, about, series, format, capacity, isAnchored = true, round = roundUp}) {
    this.#series = series.map((one) => ({...one, value: h("span", {class: "value"}),
      curve: s("path", {class: "curve"}), area: s("path", {class: "area"})}));
    this.#format = format;
    this.#capacity = capacity;
    this.#isAnchored = isAnchored;
    this.#round = round;
    this.title = title;
    this.picture = s("svg", {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", tabindex: "0",
      "aria-label": title, onkeydown: (event) => this.#onKey(event), onblur: () => this.#look(-1),
      onpointermove: (event) => this.#onPointer(event), onpointerleave: () => this.#look(-1)},
      [0, HEIGHT / 2, HEIGHT].map((y) => s("line", {class: "rule", x1: 0, x2: WIDTH, y1: y, y2: y})),
      this.#series.map((one, i) => s("g", {class: `series-${i}`}, one.area, one.curve)), this.#cursor);
    this.element = h("section", {class: "chart card"}, h("h2", {}, title), h("p", {class: "about"}, about),
      h("div", {class: "now"}, this.#series.map((one, i) => h("div", {class: `series-${i}`}, one.value))),
      h("div", {class: "axis"}, this.#top, this.#when), this.picture,
      h("div", {class: "axis"}, h("span", {}, `${Math.round(capacity / 60)} min ago`), h("span", {}, "now")));
  }

  update(points) {
    this.#points = points;
    const curves = this.#series.map((one) => points.map((point) => point[one.key]));
    const scale = scaleOf(curves, this.#isAnchored, this.#round);
    this.#series.forEach((one, i) => {
      const path = pathOf(curves[i], this.#capacity, scale);
      one.curve.setAttribute("d", path);
      one.area.setAttribute("d", areaUnder(path));
    });
    setText(this.#top, this.#format(scale.high));
    this.#look(Math.min(this.#at, points.length - 1));
  }

  /** Shows one sample's values, or the newest ones. */
  #look(at) {
    this.#at = at;
    const point = this.#points.at(at < 0 ? -1 : -1 - at);
    const texts = this.#series.map((one) => {
      const text = this.#format(point?.[one.key]);
      one.value.replaceChildren(text, one.name ? h("small", {}, one.name) : "");
      return one.name ? `${one.name} ${text}` : text;
    });
    const x = (WIDTH * (this.#capacity - 1 - at)) / (this.#capacity - 1);
    this.#cursor.setAttribute("visibility", at < 0 ? "hidden" : "visible");
    this.#cursor.setAttribute("x1", x);
    this.#cursor.setAttribute("x2", x);
    setText(this.#when, at < 0 || point === undefined ? "" : clock(point.at));
    const when = at < 0 || point === undefined ? "now" : `at ${clock(point.at)}`;
    this.picture.setAttribute("aria-label", `${this.title}: ${texts.join(", ")} ${when}`);
  }

  #onPointer(event) {
    const {left, width} = this.picture.getBoundingClientRect();
    const at = Math.round((1 - (event.clientX - left) / width) * (this.#capacity - 1));
    this.#look(at < this.#points.length ? Math.max(0, at) : -1);
  }

  #onKey(event) {
    const last = this.#points.length - 1;
    const next = {ArrowLeft: this.#at + 1, ArrowRight: this.#at - 1, Home: last, End: 0, Escape: -1}[event.key];
    if (next === undefined) return;
    event.preventDefault();
    this.#look(Math.min(last, Math.max(-1, next)));
  }
}

/** The surface between a curve and the ground. */
function areaUnder(path) {
  return path.split("M").filter((part) => part !== "").map((part) => {
    const first = part.split(" ")[0];
    const last = part.split("L").at(-1).split(" ")[0];
    return `M${part}L${last} ${HEIGHT}L${first} ${HEIGHT}Z`;
  }).join("");
}
