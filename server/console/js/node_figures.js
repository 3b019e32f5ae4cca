// What the samples of the node come to: the members as they are now, what has happened to them since the page was
// opened, and series of figures for the plots. No page in here, so that tests need none.

import {between, histogramOf, quantile, single, total} from "./prometheus.js";

/** How much of the past the plots show. */
export const SAMPLES_MAX = 300;
/** Latencies are those of so many samples back, so that one slow request is seen for a while. */
const LATENCY_WINDOW = 10;
const HAPPENINGS_MAX = 100;

const WRITES = ["POST /db/execute", "POST /db/request"];
const READS = ["GET /db/query", "POST /db/query"];

/** Of one member, as the table has it. */
function memberOf(node, previous, at) {
  const isSeen = node.reachable && node.applied_index !== undefined;
  return {
    id: node.id,
    address: node.addr,
    console: node.api_addr ?? previous?.console,
    version: node.version ?? previous?.version,
    isVoter: node.voter,
    isReachable: node.reachable,
    isLeader: node.reachable && node.leader,
    error: node.error ?? "",
    state: node.state ?? "",
    term: isSeen ? node.term : undefined,
    commit: isSeen ? node.commit_index : previous?.commit,
    applied: isSeen ? node.applied_index : previous?.applied,
    answerSeconds: node.reachable ? node.time : undefined,
    seenAt: node.reachable ? at : previous?.seenAt,
  };
}

export function roleOf(member) {
  if (!member.isReachable) return "Unreachable";
  if (member.isLeader) return "Leader";
  if (!member.isVoter) return "Read replica";
  return member.state === "Candidate" ? "Candidate" : "Follower";
}

/** What differs between two looks at the members, as sentences: [{text, isBad}] */
export function differences(before, after) {
  const found = [];
  const known = new Map(before.map((member) => [member.id, member]));
  for (const member of after) {
    const old = known.get(member.id);
    known.delete(member.id);
    if (old === undefined) {
      found.push({text: `${member.id} is a member now`});
      continue;
    }
    if (old.isReachable && !member.isReachable)
      found.push({text: `${member.id} does not answer${member.error ? `: ${member.error}` : ""}`, isBad: true});
    if (!old.isReachable && member.isReachable) found.push({text: `${member.id} answers again`});
    if (!old.isVoter && member.isVoter) found.push({text: `${member.id} has a vote now`});
    if (old.isVoter && !member.isVoter) found.push({text: `${member.id} has no vote any more`});
  }
  for (const id of known.keys()) found.push({text: `${id} is no member any more`, isBad: true});
  const leader = (members) => members.find((member) => member.isLeader);
  const [old, now] = [leader(before), leader(after)];
  if (now !== undefined && old?.id !== now.id)
    found.push({text: `${now.id} leads${now.term === undefined ? "" : ` in term ${now.term}`}`});
  if (now === undefined && old !== undefined) found.push({text: "nobody leads", isBad: true});
  return found;
}

/** The entries that the furthest member has and this one has not applied. */
export function lagOf(member, front) {
  return member.applied === undefined ? undefined : Math.max(0, front - member.applied);
}

export function frontOf(members) {
  return Math.max(0, ...members.filter((member) => member.isReachable).map((member) => member.commit ?? 0));
}

export class NodeFigures {
  members = [];
  happenings = []; // newest first: {at, text, isBad}
  status = null;
  error = null;
  failingSince = null;
  isKnown = false; // there has been a first sample
  series = []; // oldest first
  #histograms = [];

  /** Takes one sample of the poller; the happenings that are new. */
  take(sample) {
    const isAnswering = sample.status !== null;
    const fresh = [];
    if (!isAnswering) {
      this.failingSince ??= sample.at;
      if (this.error === null) fresh.push({text: "this node does not answer the console", isBad: true});
      this.error = sample.error;
    } else {
      if (this.error !== null) fresh.push({text: "this node answers the console again"});
      this.error = null;
      this.failingSince = null;
      this.status = sample.status;
    }
    if (sample.nodes !== null && sample.nodes.length > 0) {
      const old = new Map(this.members.map((member) => [member.id, member]));
      const members = sample.nodes.map((node) => memberOf(node, old.get(node.id), sample.at));
      if (this.isKnown) fresh.push(...differences(this.members, members));
      this.members = members;
      this.isKnown = true;
    }
    if (sample.metrics !== null) this.#plot(sample);
    const dated = fresh.map((happening) => ({at: sample.at, ...happening}));
    this.happenings = [...[...dated].reverse(), ...this.happenings].slice(0, HAPPENINGS_MAX);
    return dated;
  }

  #plot({at, metrics}) {
    const now = {
      writes: histogramOf(metrics, "quorate_http_request_seconds", WRITES),
      reads: histogramOf(metrics, "quorate_http_request_seconds", READS),
    };
    const last = this.series.at(-1);
    const seconds = last === undefined ? undefined : (at - last.at) / 1000;
    const previous = this.#histograms.at(-1);
    const rate = (kind) => (seconds > 0 ? total(between(previous[kind], now[kind])) / seconds : undefined);
    const latency = (kind, share) => {
      const earlier = this.#histograms[0]?.[kind];
      return earlier === undefined ? undefined : quantile(between(earlier, now[kind]), share);
    };
    const commit = single(metrics, "quorate_raft_commit_index");
    const applied = single(metrics, "quorate_raft_applied_index");
    const cpu = single(metrics, "process_cpu_seconds_total");
    this.series.push({
      at,
      writes: rate("writes"),
      reads: rate("reads"),
      writeP50: latency("writes", 0.5),
      writeP99: latency("writes", 0.99),
      readP50: latency("reads", 0.5),
      readP99: latency("reads", 0.99),
      commit,
      applied,
      entries: seconds > 0 && last.commit !== undefined && commit >= last.commit
        ? (commit - last.commit) / seconds : undefined,
      behind: commit === undefined || applied === undefined ? undefined : Math.max(0, commit - applied),
      memory: single(metrics, "process_resident_memory_bytes"),
      processor: seconds > 0 && last.cpu !== undefined && cpu >= last.cpu ? (100 * (cpu - last.cpu)) / seconds
        : undefined,
      cpu,
      connections: single(metrics, "quorate_http_connections"),
      queued: single(metrics, "quorate_sql_queued"),
    });
    this.#histograms.push(now);
    if (this.#histograms.length > LATENCY_WINDOW) this.#histograms.shift();
    if (this.series.length > SAMPLES_MAX) this.series.shift();
  }
}
