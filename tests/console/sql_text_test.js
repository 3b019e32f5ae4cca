// Cutting SQL into statements.
import assert from "node:assert/strict";
import test from "node:test";

import {changesSchema, nameInSql, quoteName, splitStatements, verb} from "../../server/console/js/sql_text.js";

const texts = (text) => splitStatements(text).map((statement) => statement.text);

test("statements end at semicolons", () => {
  assert.deepEqual(texts("SELECT 1; SELECT 2 ;SELECT 3"), ["SELECT 1", "SELECT 2", "SELECT 3"]);
  assert.deepEqual(texts(""), []);
  assert.deepEqual(texts(" ;; \n; "), []);
  assert.deepEqual(splitStatements(" SELECT 1;"), [{text: "SELECT 1", begin: 1, end: 9}]);
});

test("but not at those in strings, names and comments", () => {
  for (const text of [
    "SELECT 'a;b'", "SELECT 'it''s;'", 'SELECT "a;b"', 'SELECT "a"";"', "SELECT `a;b`", "SELECT [a;b]",
    "SELECT 1 /* ; */ + 2", "SELECT 1 -- ;\n + 2", "SELECT 'open ; end", "SELECT 1 /* open ;", "SELECT x'00;'"])
    assert.deepEqual(texts(text), [text]);
});

test("comments alone are no statement", () => {
  assert.deepEqual(texts("-- nothing; here\n/* nor; here */"), []);
  assert.deepEqual(texts("-- first\nSELECT 1; -- last"), ["SELECT 1"]);
});

test("a trigger is one statement", () => {
  const trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN UPDATE a SET x = CASE WHEN 1 THEN 2 END; SELECT 1; END";
  for (const text of [trigger, trigger.replace("TRIGGER", "TEMP TRIGGER"),
    trigger.replace("TRIGGER", "temporary trigger"), `EXPLAIN ${trigger}`, `EXPLAIN QUERY PLAN ${trigger}`])
    assert.deepEqual(texts(`${text}; SELECT 2`), [text, "SELECT 2"]);
  assert.deepEqual(texts("BEGIN; SELECT 1; END; SELECT 2"), ["BEGIN", "SELECT 1", "END", "SELECT 2"]);
});

test("a long text takes no long time", () => {
  const many = "INSERT INTO t VALUES('x;y', 1);\n".repeat(20_000);
  assert.equal(splitStatements(many).length, 20_000);
  assert.equal(splitStatements(`SELECT '${"a''".repeat(100_000)}'`).length, 1);
});

test("the first word", () => {
  assert.equal(verb("  -- why\n select 1"), "SELECT");
  assert.equal(verb("("), "");
  assert.ok(changesSchema("/* x */ drop table t"));
  assert.ok(!changesSchema("SELECT 'CREATE'"));
});

test("names", () => {
  assert.equal(quoteName('a"b'), '"a""b"');
  assert.equal(nameInSql("users"), "users");
  assert.equal(nameInSql("order"), '"order"');
  assert.equal(nameInSql("two words"), '"two words"');
  assert.equal(nameInSql("1st"), '"1st"');
});
