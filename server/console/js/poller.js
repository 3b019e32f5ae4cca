// Asks the node for its figures over and over, one round at a time, until it is paused, and only while somebody looks.
// Pauses by itself when the node does not permit it: the browser would ask for a password each time.

import {getJson, getText} from "./api.js";
import {parseMetrics} from "./prometheus.js";

const INTERVAL_MS = 1000;
/** For the node to ask the others, and for us to wait for it. */
const PROBE = "800ms";
const PATIENCE_MS = 3000;
const UNAUTHORIZED = 401;

export class Poller extends EventTarget {
  #timer = 0;
  #isPaused = false;
  #isAsking = false;

  constructor() {
    super();
    document.addEventListener("visibilitychange", () => this.#schedule(0));
  }

  start() {
    this.#schedule(0);
  }

  get isPaused() {
    return this.#isPaused;
  }

  set isPaused(value) {
    this.#isPaused = value;
    this.#schedule(0);
  }

  #schedule(delay) {
    clearTimeout(this.#timer);
    if (this.#isPaused || document.hidden || this.#isAsking) return;
    this.#timer = setTimeout(() => this.#ask(), delay);
  }

  async #ask() {
    this.#isAsking = true;
    const begun = performance.now();
    const [nodes, status, metrics] = await Promise.allSettled([
      getJson(`/nodes?ver=2&nonvoters&timeout=${PROBE}`, PATIENCE_MS),
      getJson("/status", PATIENCE_MS),
      getText("/metrics", PATIENCE_MS),
    ]);
    this.#isAsking = false;
    if (this.#isPaused) return;
    if ([nodes, status, metrics].some((one) => one.reason?.status === UNAUTHORIZED)) this.#isPaused = true;
    const failed = [status, nodes, metrics].find((one) => one.status === "rejected");
    this.dispatchEvent(new CustomEvent("sample", {
      detail: {
        at: new Date(),
        error: failed?.reason ?? null,
        nodes: nodes.value?.nodes ?? null,
        status: status.value ?? null,
        metrics: metrics.status === "fulfilled" ? parseMetrics(metrics.value) : null,
      },
    }));
    this.#schedule(Math.max(0, INTERVAL_MS - (performance.now() - begun)));
  }
}
