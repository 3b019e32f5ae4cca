// The members side by side on one log: who leads, how far each of them is, who is missing; what has happened since the
// page was opened; and what the node that is asked says of itself.

import {h, s, setText} from "./dom.js";
import {bytes, clock, counted, duration, whole} from "./format.js";
import {frontOf, lagOf, roleOf} from "./node_figures.js";

/** At least so many entries are drawn, so that a lag of one does not look like a gap. */
const ENTRIES_MIN = 50;

/** How many entries back the lanes begin: a round number beyond the largest lag. */
export function windowOf(members, front) {
  const lags = members.filter((member) => member.isReachable).map((member) => lagOf(member, front) ?? 0);
  let size = ENTRIES_MIN;
  while (size < Math.max(0, ...lags) * 1.2) size *= 2;
  return Math.min(size, Math.max(1, front));
}

function lane(member, role, begin, size) {
  const share = (index) => `${Math.min(100, Math.max(0, (100 * (index - begin)) / size)).toFixed(2)}%`;
  const picture = s("svg", {role: "img", "aria-label": laneLabel(member)},
    s("rect", {class: "track", x: 0, y: 2.5, width: "100%", height: 11, rx: 2}));
  if (!member.isReachable) {
    picture.append(s("rect", {class: "away", x: 0, y: 2.5, width: "100%", height: 11, rx: 2}));
  } else if (member.applied !== undefined) {
    const kind = role === "Leader" ? "applied leader" : "applied";
    picture.append(s("rect", {class: kind, x: 0, y: 2.5, width: share(member.applied), height: 11, rx: 2}),
      s("line", {class: "commit", x1: share(member.commit), x2: share(member.commit), y1: 0, y2: 16}));
  }
  return picture;
}

function laneLabel(member) {
  if (!member.isReachable) return "unreachable";
  if (member.applied === undefined) return "it does not say how far it is";
  return `applied up to ${whole(member.applied)}, committed up to ${whole(member.commit)}`;
}

function roleCell(role) {
  const kind = {Leader: "leader", Follower: "follower", Unreachable: "away"}[role] ?? "other";
  const shape = role === "Unreachable"
    ? s("path", {class: "dot", d: "M2 2 10 10M10 2 2 10"})
    : role === "Read replica" ? s("rect", {class: "dot", x: 2, y: 2, width: 8, height: 8})
      : s("circle", {class: "dot", cx: 6, cy: 6, r: 4.5});
  return h("span", {class: `role ${kind}`}, s("svg", {width: 12, height: 12, "aria-hidden": "true"}, shape), role);
}

/** "3 of 3 nodes answer. n1 leads in term 4." */
export function summary(members) {
  const reachable = members.filter((member) => member.isReachable).length;
  const leader = members.find((member) => member.isLeader);
  const lead = leader === undefined ? "Nobody leads."
    : `${leader.id} leads${leader.term === undefined ? "" : ` in term ${leader.term}`}.`;
  return `${reachable} of ${counted(members.length, "node")} ${reachable === 1 ? "answers" : "answer"}. ${lead}`;
}

export class ClusterView {
  #summary = h("p", {role: "status"});
  #rows = h("tbody", {role: "rowgroup"});
  #begin = h("span", {class: "number"});
  #front = h("span", {class: "number"});
  #facts = h("dl", {class: "facts"});
  #happenings = h("ol", {class: "happenings", "aria-live": "polite", tabindex: "0",
    "aria-label": "What has happened since the page was opened"});
  #nothing = h("p", {class: "soft small"}, "Nothing since the page was opened.");

  constructor(element) {
    const head = (text, kind) => h("th", {role: "columnheader", scope: "col", class: kind}, text);
    element.append(
      h("header", {}, h("h1", {id: "title-cluster", tabindex: "-1"}, "Cluster"), this.#summary),
      h("div", {class: "card"},
        h("table", {class: "members", role: "table", "aria-label": "Members of the cluster"},
          h("thead", {role: "rowgroup"}, h("tr", {role: "row"}, head("Node"), head("Role"), head("Term", "right"),
            h("th", {role: "columnheader", scope: "col", class: "lane"}, h("span", {class: "lane-key"},
              h("span", {}, "Log, from ", this.#begin), this.#front)),
            ["Committed", "Applied", "Behind", "Answers in"].map((text) => head(text, "right")))),
          this.#rows),
        h("p", {class: "key"}, h("span", {}, "Bar: applied"), h("span", {}, "Line: known to be committed"),
          h("span", {}, "The scale ends at the last committed entry"))),
      h("div", {class: "below"},
        h("section", {class: "card", "aria-labelledby": "happenings"},
          h("h2", {id: "happenings"}, "What has happened"), this.#nothing, this.#happenings),
        h("section", {class: "card", "aria-labelledby": "this-node"},
          h("h2", {id: "this-node"}, "This node"), this.#facts)));
  }

  /** `fresh` are the happenings that are new. */
  update(figures, fresh) {
    this.#drawMembers(figures);
    if (figures.status !== null) this.#drawFacts(figures.status);
    this.#nothing.hidden = figures.happenings.length > 0;
    this.#happenings.hidden = figures.happenings.length === 0;
    for (const happening of fresh)
      this.#happenings.prepend(h("li", {class: happening.isBad && "bad"},
        h("time", {datetime: happening.at.toISOString()}, clock(happening.at)), h("span", {}, happening.text)));
    while (this.#happenings.childElementCount > figures.happenings.length) this.#happenings.lastChild.remove();
  }

  #drawMembers({members, isKnown, error}) {
    setText(this.#summary, isKnown && error === null ? summary(members)
      : isKnown ? "What follows is as it was when the node last answered." : "Asking…");
    const front = frontOf(members);
    const size = windowOf(members, front);
    const begin = Math.max(0, front - size);
    setText(this.#begin, whole(begin));
    setText(this.#front, whole(front));
    const focused = document.activeElement?.closest?.("tr")?.dataset.id;
    this.#rows.replaceChildren(...members.map((member) => this.#row(member, front, begin, size)));
    if (focused !== undefined) this.#rows.querySelector(`[data-id="${CSS.escape(focused)}"] a`)?.focus();
  }

  #row(member, front, begin, size) {
    const role = roleOf(member);
    const lag = lagOf(member, front);
    const cell = (label, kind, ...content) => h("td", {role: "cell", class: kind, data: label ? {label} : {}}, content);
    const name = member.console === undefined ? member.id
      : h("a", {href: `${member.console}/console/`, title: "Its own console"}, member.id);
    const behind = lag === undefined ? "–" : lag === 0 ? "0" : h("span", {class: "behind"}, whole(lag));
    const seen = member.isReachable ? duration(member.answerSeconds)
      : member.seenAt === undefined ? "never" : `seen ${clock(member.seenAt)}`;
    return h("tr", {role: "row", class: member.isReachable ? null : "away", data: {id: member.id}},
      cell(null, "name", name, " ", h("small", {}, member.address)), cell(null, "role-cell", roleCell(role)),
      cell("Term", "right number", whole(member.term)), cell(null, "lane", lane(member, role, begin, size)),
      cell("Committed", "right number", whole(member.commit)), cell("Applied", "right number", whole(member.applied)),
      cell("Behind", "right number", member.isReachable ? behind : "–"),
      cell("Answers in", "right number", member.isReachable && member.answerSeconds === undefined ? "itself" : seen));
  }

  #drawFacts(status) {
    const store = status.store ?? {};
    const raft = store.raft ?? {};
    const facts = [
      ["Name", store.node_id],
      ["Version", `${status.build?.version ?? "–"}, SQLite ${store.sqlite3?.version ?? "–"}`],
      ["Up for", status.node?.uptime], ["For clients", status.cluster?.api_addr], ["For nodes", store.addr],
      ["Directory", store.dir], ["Database", bytes(store.sqlite3?.db_size)],
      ["Last entry", `${whole(raft.last_log_index)} of term ${raft.last_log_term ?? "–"}`],
      ["Checkpoint", raft.last_snapshot_index === undefined ? "–" : `at ${whole(raft.last_snapshot_index)}`],
      ["Cluster", store.cluster_id],
    ].filter(([, value]) => value !== undefined && value !== "");
    const texts = facts.map(([, value]) => String(value));
    const shown = [...this.#facts.querySelectorAll("dd")].map((one) => one.textContent);
    if (shown.length === texts.length && shown.every((text, i) => text === texts[i])) return;
    this.#facts.replaceChildren(...facts.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))]));
  }
}
