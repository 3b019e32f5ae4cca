// From samples of a node to what the console shows of them.
import assert from "node:assert/strict";
import test from "node:test";

import {pathOf, roundUp, roundUpBytes} from "../../server/console/js/chart.js";
import {summary, windowOf} from "../../server/console/js/cluster_view.js";
import {differences, frontOf, lagOf, NodeFigures, roleOf, SAMPLES_MAX} from "../../server/console/js/node_figures.js";
import {between, histogramOf, parseMetrics, quantile, single, total} from "../../server/console/js/prometheus.js";

const node = (id, more = {}) => ({id, addr: `${id}:4002`, api_addr: `http://${id}:4001`, voter: true, reachable: true,
  leader: false, state: "Follower", term: 3, commit_index: 100, applied_index: 100, time: 0.001, ...more});
const gone = (id) => ({id, addr: `${id}:4002`, voter: true, reachable: false, leader: false, error: "refused"});
const leader = (id, more = {}) => node(id, {leader: true, state: "Leader", ...more});
const sample = (seconds, nodes, metrics = null) => ({at: new Date(1e12 + seconds * 1000), error: null, nodes,
  status: {build: {}}, metrics});
const texts = (happenings) => happenings.map((happening) => happening.text);

test("members and what happens to them", () => {
  const figures = new NodeFigures();
  assert.deepEqual(figures.take(sample(0, [leader("a"), node("b"), node("c", {voter: false})])), []);
  assert.deepEqual(figures.members.map(roleOf), ["Leader", "Follower", "Read replica"]);
  assert.equal(summary(figures.members), "3 of 3 nodes answer. a leads in term 3.");

  const lost = figures.take(sample(1, [gone("a"), leader("b", {term: 4, commit_index: 120}), node("c")]));
  assert.deepEqual(texts(lost), ["a does not answer: refused", "c has a vote now", "b leads in term 4"]);
  assert.equal(roleOf(figures.members[0]), "Unreachable");
  assert.equal(figures.members[0].applied, 100, "as it was last seen");
  assert.equal(figures.members[0].console, "http://a:4001");
  assert.equal(summary(figures.members), "2 of 3 nodes answer. b leads in term 4.");

  assert.deepEqual(texts(figures.take(sample(2, [node("a"), leader("b", {term: 4})]))),
    ["a answers again", "c is no member any more"]);
  assert.deepEqual(texts(figures.take(sample(3, [node("a"), node("b")]))), ["nobody leads"]);
  assert.deepEqual(texts(figures.happenings).slice(0, 2), ["nobody leads", "c is no member any more"], "newest first");
});

test("a node that does not answer the page", () => {
  const figures = new NodeFigures();
  figures.take(sample(0, [leader("a")]));
  const failed = {at: new Date(1e12 + 1000), error: new Error("gone"), nodes: null, status: null, metrics: null};
  assert.deepEqual(texts(figures.take(failed)), ["this node does not answer the console"]);
  assert.deepEqual(figures.take({...failed, at: new Date(1e12 + 2000)}), [], "said once");
  assert.equal(figures.failingSince.getTime(), 1e12 + 1000);
  assert.equal(figures.members.length, 1, "what was known stays");
  assert.deepEqual(texts(figures.take(sample(3, [leader("a")]))), ["this node answers the console again"]);
});

test("lag", () => {
  assert.deepEqual(differences([], []), []);
  const two = [{isReachable: true, commit: 1000, applied: 1000}, {isReachable: true, commit: 990, applied: 900},
    {isReachable: false, commit: 5000, applied: 5000}];
  assert.equal(frontOf(two), 1000, "those who are away do not count");
  assert.equal(lagOf(two[1], 1000), 100);
  assert.equal(windowOf(two, 1000), 200);
  assert.equal(windowOf([{isReachable: true, commit: 100, applied: 99}], 100), 50);
  assert.equal(windowOf([], 0), 1);
});

const text = (counts, commit) => `# HELP x y
quorate_raft_commit_index ${commit}
quorate_http_request_seconds_bucket{endpoint="POST /db/execute",le="0.001"} ${counts[0]}
quorate_http_request_seconds_bucket{endpoint="POST /db/execute",le="0.002"} ${counts[1]}
quorate_http_request_seconds_bucket{endpoint="POST /db/execute",le="+Inf"} ${counts[2]}
quorate_http_request_seconds_bucket{endpoint="GET /db/query",le="+Inf"} 7
odd{a="back\\\\slash \\"quoted\\" , }",b="x"} 1.5
`;

test("reading metrics", () => {
  const families = parseMetrics(text([1, 2, 3], 9));
  assert.equal(single(families, "quorate_raft_commit_index"), 9);
  assert.equal(single(families, "nothing"), undefined);
  assert.deepEqual(families.get("odd")[0].labels, {a: 'back\\\\slash \\"quoted\\" , }', b: "x"});
  const histogram = histogramOf(families, "quorate_http_request_seconds", ["POST /db/execute"]);
  assert.deepEqual(histogram, [{limit: 0.001, count: 1}, {limit: 0.002, count: 2}, {limit: Infinity, count: 3}]);
  assert.equal(total(histogram), 3);
  assert.equal(quantile(histogram, 0.5), 0.0015);
  assert.equal(quantile(histogram, 0.99), 0.002, "no more is known of the slowest");
  assert.equal(quantile([], 0.5), undefined);
  assert.deepEqual(between(histogram, histogram).map((bucket) => bucket.count), [0, 0, 0]);
  const anew = [{limit: Infinity, count: 2}];
  assert.equal(between(histogram, anew), anew, "the counting has begun anew");
});

test("rates and latencies", () => {
  const figures = new NodeFigures();
  figures.take(sample(0, [], parseMetrics(text([0, 0, 0], 10))));
  figures.take(sample(2, [], parseMetrics(text([20, 20, 20], 14))));
  const last = figures.series.at(-1);
  assert.equal(last.writes, 10);
  assert.equal(last.reads, 0);
  assert.equal(last.entries, 2);
  assert.equal(last.writeP50, 0.0005);
  figures.take(sample(3, [], parseMetrics(text([5, 5, 5], 3))));
  assert.equal(figures.series.at(-1).writes, 5, "the node has begun anew");
  assert.equal(figures.series.at(-1).entries, undefined);
  for (let i = 4; i < SAMPLES_MAX + 50; i += 1) figures.take(sample(i, [], parseMetrics(text([5, 5, 5], 3))));
  assert.equal(figures.series.length, SAMPLES_MAX);
});

test("curves", () => {
  assert.deepEqual([0, 0.3, 1, 1.1, 3, 70].map(roundUp), [1, 0.3, 1, 1.5, 3, 75]);
  assert.deepEqual([0, 900, 1100, 30 << 20].map(roundUpBytes), [1, 1000, 1536, 30 << 20]);
  assert.equal(pathOf([0, 10], 2, {low: 0, high: 10}), "M0.0 120.0L300.0 0.0");
  assert.equal(pathOf([1, undefined, 1], 3, {low: 0, high: 1}), "M0.0 0.0M300.0 0.0", "a gap is a gap");
  assert.equal(pathOf([5], 3, {low: 0, high: 10}), "M300.0 60.0", "the newest is on the right");
});
