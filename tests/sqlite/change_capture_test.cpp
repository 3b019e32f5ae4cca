// What is told of rows that change: each of them, in order, with what it was and what it is, and nothing of what was
// undone.
#include "statemachine/sqlite/change_capture.hpp"

#include <cmath>
#include <set>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "statemachine/sqlite/change_feed.hpp"
#include "tests/sqlite/change_harness.hpp"
#include "tests/sqlite/sql_generator.hpp"

namespace quorate::sqlite {
namespace {

using testing::query;
using testing::ReplayedTables;
using testing::SqlStore;

ConnectionOptions capturing(CaptureOptions capture = {}) {
  ConnectionOptions options;
  options.capture = std::move(capture);
  return options;
}

class ChangeCaptureTest : public ::testing::Test {
 protected:
  explicit ChangeCaptureTest(ConnectionOptions options = capturing()) { connect(std::move(options)); }

  void connect(ConnectionOptions options) {
    writer_.reset();
    writer_ = store_.connect(ConnectionRole::kWriter, std::move(options));
  }
  /// What is told of it.
  std::string told(std::string_view sql) {
    const std::string result = run(sql);
    EXPECT_EQ(result.find(": "), std::string::npos) << result;
    return news();
  }
  std::string run(std::string_view sql) { return store_.execute(*writer_, sql); }
  std::string news() {
    const std::vector<ChangeGroup> groups = testing::queued(*store_, seen_);
    // From the beginning each time, as positions come with batches only.
    std::vector<ChangeGroup> fresh;
    for (const ChangeGroup& group : groups) {
      if (group.index > last_) fresh.push_back(group);
    }
    if (!groups.empty()) last_ = groups.back().index;
    std::string text = testing::text_of(fresh);
    return text;
  }

  SqlStore store_;
  std::unique_ptr<Connection> writer_;
  ChangePosition seen_;
  ChangeIndex last_;
};

TEST_F(ChangeCaptureTest, TellsOfEveryRow) {
  EXPECT_EQ(told("CREATE TABLE t(a INTEGER PRIMARY KEY, b)"), "") << "not of schemas";
  EXPECT_EQ(told("INSERT INTO t VALUES(1,'x'),(7,NULL)"), "1: +t[1](1,'x') +t[7](7,NULL)");
  EXPECT_EQ(told("UPDATE t SET b = x'00ff' WHERE a = 7"), "2: t[7](7,NULL>7,x'00ff')");
  EXPECT_EQ(told("UPDATE t SET a = 8 WHERE a = 7"), "3: t[7](7,x'00ff'>8,x'00ff')[8]");
  EXPECT_EQ(told("UPDATE t SET b = 5 WHERE a = 100"), "");
  EXPECT_EQ(told("DELETE FROM t"), "4: -t[1](1,'x') -t[8](8,x'00ff')") << "the whole table at once, too";
}

TEST_F(ChangeCaptureTest, ValuesAreExact) {
  run("CREATE TABLE t(i INTEGER, r REAL, s TEXT, b BLOB, n)");
  EXPECT_EQ(told("INSERT INTO t VALUES(9223372036854775807, 3, 'ä', zeroblob(3), 1e999)"),
            "1: +t[1](9223372036854775807,3,'ä',x'000000',inf)");
  const std::vector<ChangeGroup> groups = testing::queued(*store_);
  EXPECT_TRUE(std::holds_alternative<double>(groups.at(0).changes.at(0).after.at(1))) << "a whole number of a REAL";
  EXPECT_EQ(groups.at(0).unix_time_ms, store_.unix_time_ms);
  EXPECT_EQ(groups.at(0).tables.at(0).columns, (std::vector<std::string>{"i", "r", "s", "b", "n"}));
  EXPECT_EQ(told("INSERT INTO t(i) VALUES(-9223372036854775807 - 1)"),
            "2: +t[2](-9223372036854775808,NULL,NULL,NULL,NULL)");
  EXPECT_EQ(told("DELETE FROM t WHERE i > 0"), "3: -t[1](9223372036854775807,3,'ä',x'000000',inf)");
}

TEST_F(ChangeCaptureTest, TablesWithoutRowIds) {
  run("CREATE TABLE w(v, k PRIMARY KEY) WITHOUT ROWID");
  EXPECT_EQ(told("INSERT INTO w VALUES(1,'a')"), "1: +w(1,'a')");
  EXPECT_EQ(told("UPDATE w SET k = 'b', v = 2"), "2: w(1,'a'>2,'b')");
  EXPECT_EQ(told("INSERT INTO w SELECT v + 1, k || 'c' FROM w"), "3: +w(3,'bc')");
  EXPECT_EQ(told("DELETE FROM w"), "4: -w(2,'b') -w(3,'bc')");
}

TEST_F(ChangeCaptureTest, ConflictsTriggersAndForeignKeys) {
  ConnectionOptions options = capturing();
  options.foreign_keys = ForeignKeys::kEnforced;
  connect(std::move(options));
  run("CREATE TABLE p(a INTEGER PRIMARY KEY, b UNIQUE);"
      "CREATE TABLE c(x REFERENCES p(a) ON DELETE CASCADE ON UPDATE SET NULL);"
      "CREATE TABLE log(what); CREATE TRIGGER r AFTER INSERT ON p BEGIN INSERT INTO log VALUES(new.b); END;"
      "INSERT INTO p VALUES(1,'one'),(2,'two'); INSERT INTO c VALUES(1),(2)");
  news();
  EXPECT_EQ(told("INSERT OR REPLACE INTO p VALUES(3,'one')"),
            "3: -p[1](1,'one') -c[1](1) +p[3](3,'one') +log[3]('one')");
  EXPECT_EQ(told("INSERT INTO p VALUES(2,'x') ON CONFLICT(a) DO UPDATE SET b = excluded.b"), "4: p[2](2,'two'>2,'x')");
  EXPECT_EQ(told("UPDATE p SET a = 9 WHERE a = 2"), "5: p[2](2,'x'>9,'x')[9] c[2](2>NULL)");
  EXPECT_EQ(told("INSERT OR IGNORE INTO p VALUES(9,'y')"), "");
  EXPECT_EQ(run("DROP TABLE p").find("787"), std::string::npos);
  news();
}

TEST_F(ChangeCaptureTest, NothingOfWhatIsUndone) {
  run("CREATE TABLE t(a INTEGER PRIMARY KEY, b UNIQUE)");
  EXPECT_EQ(told("BEGIN; INSERT INTO t VALUES(1,1); ROLLBACK"), "");
  EXPECT_EQ(told("BEGIN; INSERT INTO t VALUES(1,1); SAVEPOINT s; INSERT INTO t VALUES(2,2); SAVEPOINT i;"
                 "INSERT INTO t VALUES(3,3); ROLLBACK TO s; INSERT INTO t VALUES(4,4); RELEASE s; COMMIT"),
            "1: +t[1](1,1) +t[4](4,4)");
  run("BEGIN; INSERT INTO t VALUES(5,5)");
  EXPECT_NE(run("INSERT INTO t VALUES(6,6),(7,5)").find("UNIQUE"), std::string::npos);
  EXPECT_NE(run("INSERT OR FAIL INTO t VALUES(8,8),(9,5)").find("UNIQUE"), std::string::npos);
  EXPECT_EQ(told("COMMIT"), "2: +t[5](5,5) +t[8](8,8)") << "OR FAIL keeps what came before the failure";
  run("BEGIN; INSERT INTO t VALUES(10,10)");
  EXPECT_NE(run("INSERT OR ROLLBACK INTO t VALUES(11,5)").find("UNIQUE"), std::string::npos);
  EXPECT_EQ(news(), "");
  EXPECT_NE(run("INSERT OR FAIL INTO t VALUES(12,12),(13,5)").find("UNIQUE"), std::string::npos);
  EXPECT_EQ(news(), "3: +t[12](12,12)") << "a transaction of its own";
  EXPECT_EQ(told("SAVEPOINT o; INSERT INTO t VALUES(20,20); ROLLBACK TO o; INSERT INTO t VALUES(21,21); RELEASE o"),
            "4: +t[21](21,21)");
  EXPECT_EQ(query(*writer_, "SELECT group_concat(a) FROM t"), "'1,4,5,8,12,21'");
}

TEST_F(ChangeCaptureTest, ColumnsThatWereAddedLater) {
  run("CREATE TABLE t(a INTEGER PRIMARY KEY); INSERT INTO t VALUES(1),(2); CREATE TABLE w(k PRIMARY KEY) WITHOUT ROWID;"
      "INSERT INTO w VALUES('k'); ALTER TABLE t ADD COLUMN d DEFAULT 'later'; ALTER TABLE t ADD COLUMN e NOT NULL "
      "DEFAULT 4; ALTER TABLE w ADD COLUMN d DEFAULT 5");
  news();
  EXPECT_EQ(told("UPDATE t SET d = NULL WHERE a = 1"), "3: t[1](1,'later',4>1,NULL,4)");
  EXPECT_EQ(told("DELETE FROM t"), "4: -t[1](1,NULL,4) -t[2](2,'later',4)");
  EXPECT_EQ(told("DELETE FROM w"), "5: -w('k',5)");
}

TEST_F(ChangeCaptureTest, ColumnsThatAreComputed) {
  run("CREATE TABLE s(a, b AS (a + 1) STORED, c)");
  EXPECT_EQ(told("INSERT INTO s(a,c) VALUES(1,3)"), "1: +s[1](1,2,3)");
  run("CREATE TABLE v(a, c, b AS (a + 1))");
  EXPECT_EQ(told("INSERT INTO v(a,c) VALUES(1,3)"), "2: +v[1](1,3)");
  run("CREATE TABLE m(b AS (a + 1), id INTEGER PRIMARY KEY, a)");
  EXPECT_EQ(told("INSERT INTO m(a,id) VALUES(1,3)"), "3: +m[3]()") << "rather nothing than what is wrong";
}

TEST_F(ChangeCaptureTest, SchemasThatChangeInBetween) {
  run("CREATE TABLE t(a)");
  EXPECT_EQ(told("INSERT INTO t VALUES(1)"), "1: +t[1](1)");
  EXPECT_EQ(told("BEGIN; ALTER TABLE t ADD COLUMN b; INSERT INTO t VALUES(2,3); ROLLBACK"), "");
  EXPECT_EQ(told("BEGIN; ALTER TABLE t RENAME COLUMN a TO z; INSERT INTO t VALUES(2); COMMIT"), "2: +t[2](2)");
  EXPECT_EQ(testing::queued(*store_).back().tables.at(0).columns, std::vector<std::string>{"z"});
  const auto other = store_.connect(ConnectionRole::kWriter, capturing());
  store_.execute(*other, "ALTER TABLE t ADD COLUMN b");
  EXPECT_EQ(told("INSERT INTO t(z, b) VALUES(3,4)"), "3: +t[3](3,4)");
}

TEST_F(ChangeCaptureTest, OtherDatabasesAndWhatIsTemporary) {
  run("ATTACH 'other' AS o; CREATE TABLE o.t(a); CREATE TABLE t(a); CREATE TEMP TABLE s(a)");
  EXPECT_EQ(told("INSERT INTO s VALUES(1)"), "");
  EXPECT_EQ(told("BEGIN; INSERT INTO t VALUES(1); INSERT INTO o.t VALUES(2); INSERT INTO s VALUES(3); COMMIT"),
            "1: +t[1](1) +other.t[1](2)");
  EXPECT_EQ(told("DETACH o; ATTACH 'third' AS o; CREATE TABLE o.t(z); INSERT INTO o.t VALUES(1)"), "2: +third.t[1](1)");
  EXPECT_EQ(told("CREATE TABLE copy AS SELECT * FROM t; VACUUM"), "");
  EXPECT_EQ(told("CREATE TABLE n(a INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO n VALUES(1); DELETE FROM "
                 "sqlite_sequence"),
            "3: +n[1](1)");
}

TEST_F(ChangeCaptureTest, ContentsOfVirtualTablesAreThoseOfTheirOwnTables) {
  run("CREATE VIRTUAL TABLE f USING fts5(x)");
  news();
  run("BEGIN; INSERT INTO f VALUES('hello')");
  const std::string said = told("COMMIT");
  EXPECT_NE(said.find("+f_content[1](1,'hello')"), std::string::npos) << said;
  EXPECT_NE(said.find("f_data["), std::string::npos) << "which are written as late as in the commit";
}

TEST_F(ChangeCaptureTest, GroupsEndWhereTheyAreTold) {
  run("CREATE TABLE t(a)");
  run("BEGIN");
  run("INSERT INTO t VALUES(1)");
  writer_->end_change_group();
  writer_->end_change_group();
  run("SAVEPOINT s; INSERT INTO t VALUES(2)");
  writer_->end_change_group();
  run("INSERT INTO t VALUES(3); ROLLBACK TO s; INSERT INTO t VALUES(4)");
  EXPECT_EQ(told("COMMIT"), "1: +t[1](1); 2: +t[2](4)");
}

TEST_F(ChangeCaptureTest, LargeGroupsAreContinued) {
  connect(capturing({.wants = nullptr, .group_bytes = 30}));
  run("CREATE TABLE t(a)");
  EXPECT_EQ(told("INSERT INTO t VALUES(1),(2),(3)"), "1+: +t[1](1) +t[2](2); 2: +t[3](3)");
  run("BEGIN; INSERT INTO t VALUES(4),(5); SAVEPOINT s; INSERT INTO t VALUES(6); ROLLBACK TO s");
  EXPECT_EQ(told("COMMIT"), "3: +t[4](4) +t[5](5)") << "there is no rest after all";
}

TEST_F(ChangeCaptureTest, OnlyWhatIsWanted) {
  CaptureOptions options{.wants = [](std::string_view table) { return table == "t" || table == "other.u"; }};
  options.rows = CaptureOptions::Rows::kIdsOnly;
  connect(capturing(std::move(options)));
  run("ATTACH 'other' AS o; CREATE TABLE t(a); CREATE TABLE u(a); CREATE TABLE o.u(a); CREATE TABLE o.t(a)");
  EXPECT_EQ(told("BEGIN; INSERT INTO t VALUES(1); INSERT INTO main.u VALUES(1); INSERT INTO o.u VALUES(1); INSERT INTO "
                 "o.t VALUES(1); COMMIT"),
            "1: +t[1]() +other.u[1]()");
  EXPECT_EQ(told("UPDATE t SET rowid = 5"), "2: t[1](>)[5]");
}

TEST_F(ChangeCaptureTest, TooMuchForOneTransaction) {
  connect(capturing({.wants = nullptr, .transaction_bytes_max = 4096}));
  run("CREATE TABLE t(a)");
  const std::string many =
      "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n WHERE x < 5000) INSERT INTO t "
      "SELECT x FROM n";
  EXPECT_NE(run(many).find("split it"), std::string::npos);
  EXPECT_EQ(query(*writer_, "SELECT count(*) FROM t"), "0");
  EXPECT_EQ(told("INSERT INTO t VALUES(1)"), "1: +t[1](1)") << "it can go on";
}

TEST_F(ChangeCaptureTest, IsNotInTheWay) {
  run("CREATE TABLE t(a); INSERT INTO t VALUES(1),(2); INSERT INTO t VALUES(17)");
  EXPECT_EQ(run("BEGIN; UPDATE t SET a = 3; SELECT changes(), last_insert_rowid(), total_changes(); COMMIT"), "3,3,6");
  EXPECT_EQ(query(*writer_, "SELECT count(*) FROM sqlite_quorate_changes"), "0");
  EXPECT_NE(run("INSERT INTO sqlite_quorate_changes VALUES(1)").find("readonly"), std::string::npos);
  EXPECT_NE(run("ATTACH 'quorate.changes' AS q").find("not allowed"), std::string::npos);
  const auto reader = store_.connect(ConnectionRole::kReader, capturing());
  EXPECT_EQ(reader->capture(), nullptr);
}

TEST_F(ChangeCaptureTest, WhatIsForgotten) {
  run("CREATE TABLE t(a)");
  for (int i = 1; i <= 5; ++i) run("INSERT INTO t VALUES(" + std::to_string(i) + ")");
  const Pin pin = store_->pin(PinKind::kApplied);
  const ChangeBatch two = *read_changes(*store_, pin, {}, {.groups = 2, .bytes = SIZE_MAX});
  ASSERT_TRUE(forget_changes(*writer_, two.after).has_value());
  store_.commit(*writer_);
  EXPECT_EQ(testing::text_of(testing::queued(*store_)).substr(0, 12), "3: +t[3](3);");
  ASSERT_TRUE(
      forget_changes(*writer_,
                     read_changes(*store_, store_->pin(PinKind::kApplied), {}, {.groups = 3, .bytes = SIZE_MAX})->after)
          .has_value());
  store_.commit(*writer_);
  EXPECT_EQ(testing::text_of(testing::queued(*store_)), "");
  run("INSERT INTO t VALUES(6)");
  EXPECT_EQ(testing::text_of(testing::queued(*store_)), "6: +t[6](6)");
}

/// Whatever random SQL does, the tables are what was told of them, and its answers are what they are without captures.
RC_GTEST_PROP(ChangeCaptureProperty, ReplayedChangesAreTheTables, ()) {
  Random random(*rc::gen::arbitrary<std::uint64_t>());
  const auto steps = *rc::gen::inRange(1, 80);
  testing::SqlGenerator generator(random);
  SqlStore store;
  ConnectionOptions options = capturing();
  options.capture->group_bytes = 1 + random.below(4000);
  const auto writer = store.connect(ConnectionRole::kWriter, std::move(options));
  SqlStore plain_store;
  const auto plain = plain_store.connect(ConnectionRole::kWriter);
  for (int i = 0; i < testing::SqlGenerator::kTables; ++i) {
    const std::string sql = generator.create_table("t" + std::to_string(i));
    store.execute(*writer, sql);
    plain_store.execute(*plain, sql);
  }
  ReplayedTables told;
  ChangePosition position;
  std::uint64_t next = 1;
  std::string schema = query(*writer, "SELECT sql FROM sqlite_schema ORDER BY name");
  std::string story;
  for (int i = 0; i < steps; ++i) {
    std::string sql = generator.next();
    // The first statement of a transaction that writes finds the count of changes set back.
    if (const std::size_t count = sql.find("changes(), "); count != std::string::npos) sql.erase(count, 11);
    const std::string answer = store.execute(*writer, sql);
    story += sql + " -> " + answer.substr(0, 60) + "\n";
    RC_LOG(story);
    RC_ASSERT(answer == plain_store.execute(*plain, sql));
    if (writer->in_transaction()) continue;
    const Pin pin = store->pin(PinKind::kApplied);
    const ChangeBatch batch = *read_changes(*store, pin, position, {.groups = SIZE_MAX, .bytes = SIZE_MAX});
    position = batch.after;
    const std::string schema_now = query(*writer, "SELECT sql FROM sqlite_schema ORDER BY name");
    const bool is_same_schema = std::exchange(schema, schema_now) == schema_now;
    for (const ChangeGroup& group : batch.groups) {
      RC_ASSERT(group.index.value == next++);
      ChangeGroup of_main = group;
      std::erase_if(of_main.changes,
                    [&](const RowChange& change) { return group.tables.at(change.table).database != "main"; });
      // What a new schema does to rows is not told.
      if (is_same_schema) told.replay(of_main);
    }
    const ReplayedTables::Tables actual = ReplayedTables::actual(*writer);
    if (!is_same_schema) {
      told.tables = actual;
    }
    const std::string difference = told.difference(actual);
    RC_ASSERT(difference == "");
    RC_ASSERT(!::testing::Test::HasFailure());
    if (random.below(4) == 0) {
      RC_ASSERT(forget_changes(*writer, position).has_value());
      store.commit(*writer);
    }
  }
}

}  // namespace
}  // namespace quorate::sqlite
