// Puts the page together: the views, which of them is shown, and the figures that feed them.

import {ClusterView} from "./cluster_view.js";
import {DataView} from "./data_view.js";
import {h, setText} from "./dom.js";
import {clock} from "./format.js";
import {MetricsView} from "./metrics_view.js";
import {NodeFigures} from "./node_figures.js";
import {Poller} from "./poller.js";
import {SqlView} from "./sql_view.js";
import {chooseTheme, chosenTheme} from "./theme.js";

const NAMES = {cluster: "Cluster", sql: "SQL", data: "Data", metrics: "Metrics"};
const section = (name) => document.getElementById(`view-${name}`);

const figures = new NodeFigures();
const poller = new Poller();
const cluster = new ClusterView(section("cluster"));
const metrics = new MetricsView(section("metrics"));
const sql = new SqlView(section("sql"));
new DataView(section("data"), () => sql.schema.load());

function wantedView() {
  const name = location.hash.slice(1);
  return name in NAMES ? name : "cluster";
}

function showView({moveFocus}) {
  const name = wantedView();
  for (const other of Object.keys(NAMES)) section(other).hidden = other !== name;
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${NAMES[name]} – Quorate`;
  if (name === "sql") sql.shown();
  if (name === "metrics") metrics.update(figures);
  if (moveFocus) document.getElementById(`title-${name}`).focus();
}

function showTrouble() {
  const trouble = document.getElementById("trouble");
  const isBad = figures.error !== null;
  trouble.hidden = !isBad;
  if (!isBad) {
    trouble.replaceChildren();
    return;
  }
  if (trouble.childNodes.length > 0) return;
  if (figures.error.status === 401) {
    trouble.append("You may not see what the node says of itself. The rest of the console works as far as you may.");
    return;
  }
  const others = figures.members.filter((member) => member.console && !member.console.includes(location.host));
  const links = others.flatMap((member) => [" ", h("a", {href: `${member.console}/console/`}, member.id)]);
  trouble.append(h("span", {}, `${location.host} does not answer since ${clock(figures.failingSince)}. `,
    others.length > 0 ? "The consoles of the others:" : "", links));
}

function showPause() {
  const pause = document.getElementById("pause");
  pause.setAttribute("aria-pressed", String(poller.isPaused));
  setText(pause, poller.isPaused ? "Paused" : "Pause");
}

function setUpControls() {
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault(); // the part of the address behind # says which view is shown
    document.getElementById("content").focus();
  });
  const pause = document.getElementById("pause");
  pause.addEventListener("click", () => {
    poller.isPaused = !poller.isPaused;
    showPause();
  });
  const theme = document.getElementById("theme");
  theme.value = chosenTheme();
  theme.addEventListener("change", () => chooseTheme(theme.value));
}

setText(document.getElementById("asked"), location.host);
setUpControls();
window.addEventListener("hashchange", () => showView({moveFocus: true}));
showView({moveFocus: false});
poller.addEventListener("sample", ({detail}) => {
  const fresh = figures.take(detail);
  cluster.update(figures, fresh);
  metrics.update(figures);
  showTrouble();
  showPause();
});
poller.start();
