// The figures of the node that is asked, over the last minutes.

import {Chart, roundUpBytes} from "./chart.js";
import {h} from "./dom.js";
import {bytes, duration, rough, whole} from "./format.js";
import {SAMPLES_MAX} from "./node_figures.js";

const rate = (value) => (value === undefined ? "–" : `${rough(value)}/s`);
const percent = (value) => (value === undefined ? "–" : `${rough(value)} %`);

const CHARTS = [
  {title: "Writes", about: "Requests to /db/execute and /db/request", series: [{key: "writes"}], format: rate},
  {title: "Reads", about: "Requests to /db/query", series: [{key: "reads"}], format: rate},
  {title: "Latency of writes", about: "Within the last ten seconds", format: duration,
    series: [{key: "writeP50", name: "median"}, {key: "writeP99", name: "99th percentile"}]},
  {title: "Latency of reads", about: "Within the last ten seconds", format: duration,
    series: [{key: "readP50", name: "median"}, {key: "readP99", name: "99th percentile"}]},
  {title: "Log", about: "The last entry known to be committed", series: [{key: "commit"}], format: whole,
    isAnchored: false},
  {title: "Growth of the log", about: "Entries; one may carry many writes", series: [{key: "entries"}], format: rate},
  {title: "Behind", about: "Entries committed, and not yet applied here", series: [{key: "behind"}],
    format: whole},
  {title: "Memory", about: "Resident in this process", series: [{key: "memory"}], format: bytes,
    round: roundUpBytes},
  {title: "Processor", about: "Of one core, in this process", series: [{key: "processor"}], format: percent},
  {title: "Connections", about: "Of clients, this page among them", series: [{key: "connections"}], format: whole},
  {title: "Waiting", about: "SQL requests that wait to be executed", series: [{key: "queued"}], format: whole},
];

export class MetricsView {
  #charts = CHARTS.map((options) => new Chart({...options, capacity: SAMPLES_MAX}));
  #element;

  constructor(element) {
    this.#element = element;
    element.append(h("header", {}, h("h1", {id: "title-metrics", tabindex: "-1"}, "Metrics"),
      h("p", {}, "Of this node, second by second, since the page was opened. All figures are at ",
        h("a", {href: "/metrics"}, "/metrics"), ".")),
      h("div", {class: "charts"}, this.#charts.map((chart) => chart.element)));
  }

  update(figures) {
    if (this.#element.hidden) return;
    for (const chart of this.#charts) chart.update(figures.series);
  }
}
