// Random SQL for the differential tests: valid most of the time, full of conflicts, and deterministic, so that two
// databases that were given the same must answer the same.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "consensus/random.hpp"

namespace quorate::sqlite::testing {

class SqlGenerator {
 public:
  explicit SqlGenerator(Random& random) : random_(random) {}

  std::string next() {
    switch (random_.below(20)) {
      case 0:
      case 1: return schema();
      case 2:
      case 3:
      case 4: return transaction();
      case 5:
      case 6:
      case 7:
      case 8: return insert();
      case 9:
      case 10: return update();
      case 11: return "DELETE FROM " + table() + where();
      case 12: return bulk();
      case 13: return maintenance();
      case 14: return "SELECT changes(), last_insert_rowid(), total_changes() > 0";
      default: return select();
    }
  }

  static constexpr int kTables = 3;

  std::string create_table(const std::string& name) {
    const std::string create = "CREATE TABLE IF NOT EXISTS " + name;
    switch (random_.below(4)) {
      case 0: return create + "(a INTEGER PRIMARY KEY, b UNIQUE, c)";
      case 1: return create + "(a PRIMARY KEY, b, c CHECK(c IS NULL OR c <> 7)) WITHOUT ROWID";
      case 2: return create + "(a, b NOT NULL DEFAULT 3, c UNIQUE ON CONFLICT REPLACE)";
      default:
        return create + "(a INTEGER PRIMARY KEY AUTOINCREMENT, b REFERENCES t0(a) DEFERRABLE INITIALLY DEFERRED, c)";
    }
  }

 private:
  std::string pick(std::initializer_list<const char*> choices) {
    return choices.begin()[random_.below(choices.size())];
  }
  std::string number(std::uint64_t bound) { return std::to_string(random_.below(bound)); }
  std::string table() { return "t" + number(kTables); }

  std::string value() {
    switch (random_.below(7)) {
      case 0: return "NULL";
      case 1: return "'text " + number(50) + "'";
      case 2: return number(1000) + ".25";
      case 3: return "zeroblob(" + number(3000) + ")";
      case 4: return "hex(zeroblob(" + number(2000) + "))";
      default: return number(60);
    }
  }
  std::string where() {
    switch (random_.below(4)) {
      case 0: return " WHERE a < " + number(40);
      case 1: return " WHERE b = " + value();
      case 2: return " WHERE a % 3 = " + number(3);
      default: return " WHERE a = " + number(60);
    }
  }
  std::string conflict() {
    return pick({"", "", "", " OR IGNORE", " OR REPLACE", " OR FAIL", " OR ABORT", " OR ROLLBACK"});
  }

  std::string schema() {
    const std::string name = table();
    switch (random_.below(13)) {
      case 0:
      case 1:
      case 2:
      case 3: return create_table(name);
      case 6: return "DROP TABLE " + name;
      case 4:
      case 5: return "CREATE INDEX i" + number(3) + " ON " + name + "(" + pick({"b", "c", "c,b", "a,c", "b+1"}) + ")";
      case 7: return "DROP INDEX i" + number(3);
      case 8:
        return "CREATE TRIGGER r" + number(2) + " AFTER INSERT ON " + name + " BEGIN UPDATE " + table() +
               " SET c = new.a WHERE a = 1; END";
      case 9:
        return "CREATE TRIGGER r" + number(2) + " BEFORE DELETE ON " + name + " WHEN old.a = 5 BEGIN SELECT RAISE(" +
               pick({"ABORT", "FAIL", "ROLLBACK"}) + ", 'five stays'); END";
      case 10: return "DROP TRIGGER r" + number(2);
      case 11: return "ALTER TABLE " + name + " ADD COLUMN d" + number(4) + " DEFAULT " + number(9);
      default: return "CREATE TEMP TABLE IF NOT EXISTS scratch AS SELECT * FROM " + name;
    }
  }
  std::string transaction() {
    return pick({"BEGIN", "BEGIN IMMEDIATE", "COMMIT", "COMMIT", "ROLLBACK", "SAVEPOINT s1", "SAVEPOINT s2",
                 "RELEASE s1", "RELEASE s2", "ROLLBACK TO s1", "ROLLBACK TO s2"});
  }
  std::string insert() {
    std::string sql = "INSERT" + conflict() + " INTO " + table() + "(a,b,c) VALUES";
    const std::uint64_t rows = 1 + random_.below(4);
    for (std::uint64_t i = 0; i < rows; ++i) {
      sql +=
          (i == 0 ? "(" : ",(") + (random_.below(3) == 0 ? "NULL" : number(60)) + "," + value() + "," + value() + ")";
    }
    return sql + pick({"", "", "", " RETURNING a, b", " ON CONFLICT DO NOTHING"});
  }
  std::string update() {
    return "UPDATE" + conflict() + " " + table() + " SET " + pick({"b", "c", "a"}) + " = " +
           pick({"a + 1", "b", "c", "NULL", "length(b)", "'same'"}) + where() + pick({"", "", " RETURNING *"});
  }
  std::string bulk() {
    return "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n WHERE x < " + number(300) + ") INSERT" +
           conflict() + " INTO " + table() + "(a,b,c) SELECT x + " + number(100) + ", x || 'b', zeroblob(" +
           number(900) + ") FROM n";
  }
  std::string maintenance() {
    switch (random_.below(9)) {
      case 0: return "VACUUM";
      case 1: return "PRAGMA user_version = " + number(100);
      case 2: return "PRAGMA foreign_keys = " + number(2);
      case 3: return "REINDEX";
      case 4: return "PRAGMA cache_size = " + pick({"3", "20", "2000"});
      case 5: return "PRAGMA incremental_vacuum(" + number(20) + ")";
      case 6: return "PRAGMA auto_vacuum = " + number(3);
      case 7:
        return pick({"ATTACH 'other' AS o", "DETACH o", "CREATE TABLE IF NOT EXISTS o.t0(a INTEGER PRIMARY KEY, b, c)",
                     "INSERT INTO o.t0(b) SELECT count(*) FROM main.t1", "DELETE FROM o.t0"});
      default: return "PRAGMA quick_check";
    }
  }
  std::string select() {
    switch (random_.below(6)) {
      case 0: return "SELECT count(*), total(a), max(b), min(c) FROM " + table();
      case 1: return "SELECT x.a, y.b FROM " + table() + " x JOIN " + table() + " y ON x.a = y.a ORDER BY 1, 2 LIMIT 5";
      case 2: return "SELECT type, name, tbl_name FROM sqlite_schema ORDER BY 1, 2";
      case 3: return "PRAGMA user_version";
      case 4: return "SELECT b FROM o.t0 ORDER BY a LIMIT 3";
      default: return "SELECT a, b, length(c) FROM " + table() + where() + " ORDER BY a, b";
    }
  }

  Random& random_;
};

}  // namespace quorate::sqlite::testing
