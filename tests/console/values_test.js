// Values of the database, and answers of the node, as the console shows them.
import assert from "node:assert/strict";
import test from "node:test";

import {refusal} from "../../server/console/js/api.js";
import {backupLink, complaintOf} from "../../server/console/js/data_view.js";
import {bytes, cell, counted, csv, duration, full, jsonRows, rough} from "../../server/console/js/format.js";
import {parseJson} from "../../server/console/js/json.js";
import {tablesOf} from "../../server/console/js/schema.js";

test("values in one line", () => {
  assert.equal(cell(null), "NULL");
  assert.equal(cell(42), "42");
  assert.equal(cell(true), "true");
  assert.equal(cell("two\r\nlines\tand more"), "two↵lines⇥and more");
  assert.equal(cell("x".repeat(500)).length, 201);
  assert.equal(cell([0, 255]), "x'00ff' 2 bytes");
  assert.equal(cell([]), "x'' 0 bytes");
  assert.ok(cell(Array(100).fill(7)).endsWith("…' 100 bytes"));
  assert.equal(full([0, 255]), "x'00ff'");
});

test("whole numbers of 64 bits", (context) => {
  assert.deepEqual(parseJson("[1,1.5,9007199254740991]"), [1, 1.5, 9007199254740991]);
  const [large, real] = parseJson("[9223372036854775807,12345678901234567890.5]");
  if (typeof large !== "bigint") context.skip("this engine cannot tell");
  else assert.equal(cell(large), "9223372036854775807");
  assert.equal(typeof real, "number");
});

test("figures", () => {
  assert.deepEqual([0, 0.0123, 4.56, 45.6, 1234.5].map(rough), ["0", "0.012", "4.6", "46", "1,235"]);
  assert.deepEqual([0, 1023, 1536, 3 << 20].map(bytes), ["0 B", "1023 B", "1.5 KiB", "3 MiB"]);
  assert.deepEqual([0, 0.00085, 0.012, 1.5].map(duration), ["0 ms", "850 µs", "12 ms", "1.5 s"]);
  assert.deepEqual([rough(undefined), bytes(undefined), duration(undefined)], ["–", "–", "–"]);
  assert.deepEqual([counted(1, "row"), counted(2, "row"), counted(0, "entry", "entries")],
    ["1 row", "2 rows", "0 entries"]);
});

test("files", () => {
  assert.equal(csv(["a", 'b"'], [[null, "x,y"], [1, "line\n"], [[1], ""]]).join(""),
    'a,"b"""\r\n,"x,y"\r\n1,"line\n"\r\nx\'01\',\r\n');
  const rows = [[1n << 60n, null], ["x", [255]]];
  assert.equal(jsonRows(["a", "b"], rows).join(""), `[{"a":${1n << 60n},"b":null},\n{"a":"x","b":"x'ff'"}]\n`);
});

test("refusals", () => {
  assert.equal(refusal(503, "leader not found\n").message, "leader not found");
  assert.equal(refusal(500, "").message, "The node answers with HTTP 500.");
  const unknown = refusal(504, '{"results":[],"error":"timed out","outcome":"unknown"}');
  assert.equal(unknown.outcome, "unknown");
  assert.equal(unknown.message, "timed out – it is not known whether it has taken effect.");
});

test("the answers to a load", () => {
  assert.equal(complaintOf(200, '{"results":[]}'), "");
  assert.equal(complaintOf(200, ""), "", "/boot says nothing");
  assert.equal(complaintOf(200, '{"results":[{"error":"not a database"}]}'), "not a database");
  assert.equal(complaintOf(503, "leader not found\n"), "leader not found");
  assert.match(complaintOf(200, "<html>"), /something else/);
});

test("backups", () => {
  const now = new Date("2026-01-02T03:04:05Z");
  assert.deepEqual(backupLink("file", false, now), {href: "/db/backup", name: "quorate-2026-01-02-030405.db"});
  assert.deepEqual(backupLink("sql", true, now),
    {href: "/db/backup?fmt=sql&compress", name: "quorate-2026-01-02-030405.sql.gz"});
});

test("the schema", () => {
  const objects = [["table", "t", "t"], ["index", "by_name", "t"], ["view", "v", "v"]];
  const columns = [["t", "id", "INTEGER", 0, 1, 0], ["t", "name", "TEXT", 1, 0, 0], ["t", "sum", "", 0, 0, 2],
    ["t", "inner", "", 0, 0, 1], ["v", "id", "INTEGER", 0, 0, 0]];
  assert.deepEqual(tablesOf(objects, columns), [
    {type: "table", name: "t", columns: [{name: "id", about: "integer, primary key"},
      {name: "name", about: "text, not null"}, {name: "sum", about: "generated"}],
    others: [{name: "by_name", about: "index"}]},
    {type: "view", name: "v", columns: [{name: "id", about: "integer"}], others: []},
  ]);
});
