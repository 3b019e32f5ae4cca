#include "statemachine/sqlite/batch.hpp"

#include <cmath>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "tests/sqlite/sql_harness.hpp"

namespace quorate::sqlite {
namespace {

using testing::query;
using testing::SqlStore;

Request execute(std::vector<std::string> statements, Atomicity atomicity = Atomicity::kEach) {
  Request request;
  for (std::string& sql : statements) request.statements.push_back({std::move(sql), {}});
  request.atomicity = atomicity;
  return request;
}
Request mixed(std::vector<std::string> statements, Atomicity atomicity = Atomicity::kEach) {
  Request request = execute(std::move(statements), atomicity);
  request.kind = RequestKind::kMixed;
  return request;
}
Request with(std::string sql, Parameters parameters) {
  Request request;
  request.statements.push_back({std::move(sql), std::move(parameters)});
  return request;
}

/// One element a statement: "+rowid/changes", rows, or the error.
std::string text_of(const Response& response) {
  if (response.error) return "failed: " + response.error->message;
  std::string text;
  for (const StatementResult& result : response.results) {
    if (!text.empty()) text += " | ";
    switch (result.kind) {
      case StatementResult::Kind::kNothing: text += "nothing"; break;
      case StatementResult::Kind::kChanges:
        text += fmt::format("+{}/{}", result.last_insert_rowid, result.rows_affected);
        break;
      case StatementResult::Kind::kError: text += "error: " + result.error.message; break;
      case StatementResult::Kind::kRows:
        text += "rows:";
        for (const auto& row : result.rows) {
          text += ' ';
          for (std::size_t i = 0; i < row.size(); ++i) text += (i == 0 ? "" : ",") + testing::text_of(row[i]);
        }
    }
  }
  return text;
}

class BatchTest : public ::testing::Test {
 protected:
  BatchTest() { run(execute({"CREATE TABLE t(a INTEGER PRIMARY KEY, b UNIQUE)"})); }

  static ConnectionOptions options(SqlStore& store) {
    ConnectionOptions options;
    options.vfs.unix_time_ms = [&store] { return store.unix_time_ms; };
    options.now = [&store] { return store.now += std::chrono::microseconds(1); };
    return options;
  }

  std::vector<std::string> run_all(const std::vector<Request>& requests) {
    BatchRunner::Outcome outcome = runner_.run(requests);
    EXPECT_EQ(outcome.responses.size(), requests.size());
    std::vector<std::string> texts;
    for (const Response& response : outcome.responses) texts.push_back(text_of(response));
    versions_ = outcome.versions.size();
    for (const SealedVersion& version : outcome.versions) store_->commit(version.name, store_.store().next_entry());
    responses_ = std::move(outcome.responses);
    sealed_ = std::move(outcome.versions);
    return texts;
  }
  std::string run(const Request& request) { return run_all({request}).front(); }
  std::string read(std::string_view sql) { return query(*store_.connect(ConnectionRole::kReader), sql); }

  SqlStore store_;
  BatchRunner runner_{*store_, options(store_)};
  std::size_t versions_ = 0;
  std::vector<Response> responses_;
  std::vector<SealedVersion> sealed_;
};

using Texts = std::vector<std::string>;

TEST_F(BatchTest, ManyRequestsAreOneVersion) {
  const Texts texts = run_all({execute({"INSERT INTO t(b) VALUES('x')"}), execute({"INSERT INTO t(b) VALUES('x')"}),
                               execute({"INSERT INTO t(b) VALUES('y')"}), mixed({"SELECT count(*) FROM t"})});
  EXPECT_EQ(texts, (Texts{"+1/1", "error: UNIQUE constraint failed: t.b", "+2/1", "rows: 2"}));
  EXPECT_EQ(versions_, 1U);
  for (const Response& response : responses_) EXPECT_EQ(response.depends_on, sealed_[0].version);
  EXPECT_EQ(read("SELECT b FROM t ORDER BY b"), "'x';'y'");
}

TEST_F(BatchTest, WhatChangesNothingSealsNothing) {
  run_all({mixed({"SELECT 1"}), execute({"INSERT INTO nope VALUES(1)"})});
  EXPECT_EQ(versions_, 0U);
}

TEST_F(BatchTest, EachStatementStandsForItselfUnlessItIsATransaction) {
  EXPECT_EQ(run(execute({"INSERT INTO t(b) VALUES(1)", "INSERT INTO t(b) VALUES(1)", "INSERT INTO t(b) VALUES(2)"})),
            "+1/1 | error: UNIQUE constraint failed: t.b | +2/1");
  EXPECT_EQ(read("SELECT count(*) FROM t"), "2");
  EXPECT_EQ(run(execute({"INSERT INTO t(b) VALUES(3)", "INSERT INTO t(b) VALUES(3)", "INSERT INTO t(b) VALUES(4)"},
                        Atomicity::kTransaction)),
            "+3/1 | error: UNIQUE constraint failed: t.b");
  EXPECT_EQ(read("SELECT count(*) FROM t"), "2");
}

// --- Defects of statement replication that must not happen here, numbered as in the contract ---

TEST_F(BatchTest, D1_EveryStatementOfATextRuns) {
  EXPECT_EQ(run(execute({"INSERT INTO t(b) VALUES(random()); INSERT INTO t(b) VALUES(random())"})), "+2/1");
  EXPECT_EQ(read("SELECT count(*), count(DISTINCT b) FROM t"), "2,2");
}

TEST_F(BatchTest, D2_D3_TimeIsTimeNotText) {
  store_.unix_time_ms = 1'000'000'000'123;
  run(execute({"CREATE TABLE d(a, b DEFAULT CURRENT_TIMESTAMP)",
               "INSERT INTO d(a) VALUES(CURRENT_TIMESTAMP), (datetime('now')), (strftime('%f','now'))"}));
  EXPECT_EQ(read("SELECT a FROM d"), "'2001-09-09 01:46:40';'2001-09-09 01:46:40';'40.123'");
  EXPECT_EQ(read("SELECT DISTINCT b FROM d"), "'2001-09-09 01:46:40'");
}

TEST_F(BatchTest, D4_D5_ReplicasAreEqualWhateverIsExecuted) {
  sim::SimFiles other_disk{Random(2)};
  testing::Store replica(other_disk);
  SqlStore leader;
  BatchRunner runner(*leader, options(leader));
  for (const char* sql : {"CREATE TABLE t(a INTEGER PRIMARY KEY, b, c DEFAULT CURRENT_TIMESTAMP)",
                          "CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET c = random() WHERE a = new.a; END",
                          "INSERT INTO t(b) VALUES(randomblob(20)), (strftime('%s')), (date())",
                          "WITH x(v) AS (SELECT random()) INSERT INTO t(b) SELECT v FROM x",
                          "INSERT INTO t(b) SELECT b FROM t ORDER BY random() LIMIT 2", "UPDATE t SET b = random()"}) {
    const std::vector<Request> requests{execute({sql})};
    for (const SealedVersion& version : runner.run(requests).versions) {
      leader->commit(version.name, leader.store().next_entry());
      ASSERT_TRUE(replica->apply(replica.next_entry(), version.parts).has_value());
    }
    EXPECT_EQ(replica->digest(), leader->digest()) << sql;
  }
  EXPECT_EQ(
      query(*leader.connect(ConnectionRole::kReader), "SELECT count(DISTINCT b) > 1, count(DISTINCT c) > 1 FROM t"),
      "1,1")
      << "every row has a random value of its own";
}

TEST_F(BatchTest, D6_AMixedTransactionIsAtomicAlsoWhenAStatementCannotBePrepared) {
  EXPECT_EQ(run(mixed({"INSERT INTO t(b) VALUES(1)", "INSERT INTO nope VALUES(1)"}, Atomicity::kTransaction)),
            "+1/1 | error: no such table: nope");
  EXPECT_EQ(read("SELECT count(*) FROM t"), "0");
}

TEST_F(BatchTest, D7_NobodyCanHijackTheTransactionOfOthers) {
  const Texts texts = run_all({execute({"INSERT INTO t(b) VALUES('mine')"}), execute({"BEGIN"}),
                               execute({"INSERT INTO t(b) VALUES('yours')"}), execute({"ROLLBACK"}),
                               execute({"INSERT INTO t(b) VALUES('theirs')"}, Atomicity::kTransaction)});
  EXPECT_EQ(texts[0], "+1/1");
  EXPECT_NE(texts[1].find("left a transaction open"), std::string::npos) << texts[1];
  EXPECT_EQ(texts[2], "+2/1");
  EXPECT_EQ(texts[3], "error: cannot rollback - no transaction is active");
  EXPECT_EQ(texts[4], "+3/1");
  EXPECT_EQ(read("SELECT b FROM t ORDER BY a"), "'mine';'yours';'theirs'");
}

TEST_F(BatchTest, D7_ATransactionWithinOneRequestIsFine) {
  EXPECT_EQ(run(execute({"BEGIN; INSERT INTO t(b) VALUES(1); SAVEPOINT s; INSERT INTO t(b) VALUES(2); ROLLBACK TO s; "
                         "COMMIT"})),
            "+2/1");
  EXPECT_EQ(run(execute({"BEGIN", "INSERT INTO t(b) VALUES(3)", "ROLLBACK"})), "+2/1 | +2/1 | +2/1");
  EXPECT_EQ(read("SELECT b FROM t"), "1");
}

TEST_F(BatchTest, D14_D15_ValuesComeBackAsTheyAre) {
  run(execute({"CREATE TABLE v(t TEXT, b BLOB, u)"}));
  run(with("INSERT INTO v VALUES(?, ?, ?)", std::vector<Value>{Blob{std::byte{0xFF}, std::byte{0}}, Blob{}, HUGE_VAL}));
  run(mixed({"SELECT t, b, u, -u, 9223372036854775807 FROM v"}));
  const std::vector<Value>& row = responses_[0].results[0].rows[0];
  EXPECT_EQ(std::get<Blob>(row[0]), (Blob{std::byte{0xFF}, std::byte{0}})) << "a BLOB in a TEXT column stays one";
  EXPECT_EQ(std::get<Blob>(row[1]), Blob{}) << "an empty BLOB is not NULL";
  EXPECT_TRUE(std::isinf(std::get<double>(row[2])));
  EXPECT_LT(std::get<double>(row[3]), 0);
  EXPECT_EQ(std::get<std::int64_t>(row[4]), INT64_MAX);
}

TEST_F(BatchTest, D19_DisallowedPragmasAreFoundByTheParser) {
  for (const char* sql :
       {"PRAGMA journal_mode=WAL", "/* c */ PRAGMA wal_checkpoint(TRUNCATE)", "-- c\nPRAGMA synchronous=FULL",
        "SELECT 1; PRAGMA synchronous=FULL", "pragma MAIN.journal_mode = delete", "PRAGMA locking_mode(EXCLUSIVE)",
        "PRAGMA page_size=512", "PRAGMA wal_autocheckpoint=1", "PRAGMA query_only=1", "PRAGMA mmap_size=1000000",
        "PRAGMA hard_heap_limit=1"}) {
    const std::string text = run(mixed({sql}));
    EXPECT_NE(text.find("not allowed"), std::string::npos) << sql << " gives " << text;
  }
  EXPECT_EQ(run(mixed({"PRAGMA journal_mode", "PRAGMA synchronous", "PRAGMA page_size"})),
            "rows: 'truncate' | rows: 1 | rows: 4096");
  EXPECT_EQ(run(mixed({"PRAGMA user_version=7", "PRAGMA user_version"})), "+0/0 | rows: 7");
}

TEST_F(BatchTest, D20_AnErrorIsSeenByTheOneWhoExecutes) {
  const Texts texts = run_all({execute({"SELECT no_such_function()"}), execute({"INSERT INTO t(b) VALUES(1)"})});
  EXPECT_EQ(texts, (Texts{"error: no such function: no_such_function", "+1/1"}));
}

// --- What cannot share a transaction ---

TEST_F(BatchTest, AStatementThatEndsTheTransactionDoesNotTakeItsNeighboursWithIt) {
  run(execute({"INSERT INTO t(b) VALUES('taken')"}));
  const Texts texts =
      run_all({execute({"INSERT INTO t(b) VALUES('one')"}), execute({"INSERT OR ROLLBACK INTO t(b) VALUES('taken')"}),
               execute({"INSERT INTO t(b) VALUES('two')"}),
               execute({"INSERT INTO t(b) VALUES('three')", "INSERT OR ROLLBACK INTO t(b) VALUES('one')",
                        "INSERT INTO t(b) VALUES('four')"}),
               execute({"INSERT INTO t(b) VALUES('five')"})});
  EXPECT_EQ(texts, (Texts{"+2/1", "error: UNIQUE constraint failed: t.b", "+3/1",
                          "+4/1 | error: UNIQUE constraint failed: t.b | +5/1", "+6/1"}));
  EXPECT_EQ(read("SELECT b FROM t ORDER BY a"), "'taken';'one';'two';'three';'four';'five'");
}

TEST_F(BatchTest, ARaisedRollbackStaysWithItsRequest) {
  run(execute({"CREATE TRIGGER r BEFORE INSERT ON t WHEN new.b = 'bad' BEGIN SELECT RAISE(ROLLBACK, 'refused'); END"}));
  const Texts texts =
      run_all({execute({"INSERT INTO t(b) VALUES('one')"}),
               execute({"INSERT INTO t(b) VALUES('two')", "INSERT INTO t(b) VALUES('bad')"}, Atomicity::kTransaction),
               execute({"INSERT INTO t(b) VALUES('three')"})});
  EXPECT_EQ(texts, (Texts{"+1/1", "+2/1 | error: refused", "+2/1"}));
  EXPECT_EQ(read("SELECT b FROM t ORDER BY a"), "'one';'three'");
}

TEST_F(BatchTest, ForeignKeysAreCheckedForEachRequest) {
  SqlStore store;
  ConnectionOptions enforced = options(store);
  enforced.foreign_keys = ForeignKeys::kEnforced;
  BatchRunner runner(*store, enforced);
  const auto run = [&](std::vector<Request> requests) {
    Texts texts;
    BatchRunner::Outcome outcome = runner.run(requests);
    for (const Response& response : outcome.responses) texts.push_back(text_of(response));
    for (const SealedVersion& version : outcome.versions) store->commit(version.name, store.store().next_entry());
    return texts;
  };
  run({execute(
      {"CREATE TABLE p(a INTEGER PRIMARY KEY)", "CREATE TABLE c(a REFERENCES p(a) DEFERRABLE INITIALLY DEFERRED)"})});
  EXPECT_EQ(
      run({execute({"INSERT INTO p VALUES(1)"}), execute({"INSERT INTO c VALUES(2)"}),
           execute({"INSERT INTO c VALUES(3)", "INSERT INTO p VALUES(3)"}, Atomicity::kTransaction),
           execute({"INSERT INTO p VALUES(5)", "INSERT INTO c VALUES(6)"}, Atomicity::kTransaction),
           execute({"INSERT INTO c VALUES(4)", "INSERT INTO p VALUES(4)"}), execute({"INSERT INTO c VALUES(1)"})}),
      (Texts{"+1/1", "error: FOREIGN KEY constraint failed", "+1/1 | +3/1",
             "+5/1 | error: FOREIGN KEY constraint failed", "error: FOREIGN KEY constraint failed | +4/1", "+2/1"}));
  EXPECT_EQ(query(*store.connect(ConnectionRole::kReader),
                  "SELECT a FROM p; SELECT a FROM c ORDER BY a; PRAGMA "
                  "foreign_key_check"),
            "1;3;4;1;3");
}

TEST_F(BatchTest, ARunawayStatementEndsAtItsTimeLimitAndAlone) {
  Request endless =
      execute({"INSERT INTO t(b) SELECT x FROM (WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) "
               "SELECT x FROM n)"});
  endless.time_max = std::chrono::milliseconds(5);
  const Texts texts =
      run_all({execute({"INSERT INTO t(b) VALUES('one')"}), endless, execute({"INSERT INTO t(b) VALUES('two')"})});
  EXPECT_EQ(texts, (Texts{"+1/1", "error: the statement ran into its time limit", "+2/1"}));
  EXPECT_EQ(responses_[1].results[0].error.kind, SqlErrorKind::kTimeout);
  EXPECT_EQ(read("SELECT b FROM t ORDER BY a"), "'one';'two'");
}

TEST_F(BatchTest, WhatStandsBeforeARunawayStatementInItsRequestIsNotUndoneWithIt) {
  const std::string endless =
      "INSERT INTO t(b) WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) SELECT x FROM n";
  Request each = execute({"", "INSERT INTO t(b) VALUES('two')", "INSERT INTO t(b) VALUES('one')",
                          "INSERT INTO t(b) VALUES('three')", endless, "INSERT INTO t(b) VALUES('never')"});
  each.time_max = std::chrono::milliseconds(5);
  Request whole = execute({"INSERT INTO t(b) VALUES('part')", endless}, Atomicity::kTransaction);
  whole.time_max = std::chrono::milliseconds(5);
  const Texts texts =
      run_all({execute({"INSERT INTO t(b) VALUES('one')"}), each, whole, execute({"INSERT INTO t(b) VALUES('four')"})});
  EXPECT_EQ(texts, (Texts{"+1/1",
                          "+2/1 | error: UNIQUE constraint failed: t.b | +3/1 | "
                          "error: the statement ran into its time limit",
                          "+4/1 | error: the statement ran into its time limit", "+4/1"}));
  EXPECT_EQ(read("SELECT b FROM t ORDER BY a"), "'one';'two';'three';'four'");
}

TEST_F(BatchTest, ACancelledRequestEndsWhereItIsAndAlone) {
  const auto stop = std::make_shared<std::atomic<bool>>(false);
  int looks = 0;
  ConnectionOptions watched = options(store_);
  watched.now = [&] {
    if (++looks == 10) *stop = true;
    return store_.now;
  };
  BatchRunner runner(*store_, watched);
  Request endless = execute({"INSERT INTO t(b) VALUES('before')",
                             "INSERT INTO t(b) WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n) "
                             "SELECT x FROM n",
                             "INSERT INTO t(b) VALUES('after')"});
  endless.time_max = std::chrono::hours(1);
  endless.stop = stop;
  const std::vector<Request> requests{execute({"INSERT INTO t(b) VALUES('one')"}), endless,
                                      execute({"INSERT INTO t(b) VALUES('two')"})};
  const BatchRunner::Outcome outcome = runner.run(requests);
  for (const SealedVersion& version : outcome.versions) store_->commit(version.name, store_.store().next_entry());
  EXPECT_EQ(text_of(outcome.responses[0]), "+1/1");
  EXPECT_EQ(outcome.responses[1].results.back().error.kind, SqlErrorKind::kCancelled);
  EXPECT_EQ(text_of(outcome.responses[2]), "+2/1");
  EXPECT_EQ(read("SELECT b FROM t ORDER BY a"), "'one';'two'") << "nothing of what was cancelled";
}

TEST_F(BatchTest, SettingsAndAttachmentsLastAsLongAsTheirRequest) {
  EXPECT_EQ(run(mixed({"PRAGMA foreign_keys=ON", "PRAGMA foreign_keys"})), "+0/0 | rows: 1");
  EXPECT_EQ(run(mixed({"PRAGMA foreign_keys"})), "rows: 0");
  EXPECT_EQ(run(mixed({"ATTACH 'more' AS m", "CREATE TABLE m.u(a)", "INSERT INTO m.u VALUES(4)", "SELECT a FROM m.u"})),
            "+0/0 | +0/0 | +1/1 | rows: 4");
  EXPECT_EQ(run(mixed({"SELECT a FROM m.u"})), "error: no such table: m.u");
  EXPECT_EQ(run(mixed({"CREATE TEMP TABLE x(a)", "INSERT INTO x VALUES(1)"})), "+1/0 | +1/1");
  EXPECT_EQ(run(mixed({"SELECT * FROM x"})), "error: no such table: x");
  EXPECT_EQ(run(mixed({"INSERT INTO t(b) VALUES(1)", "ATTACH 'more' AS m", "SELECT a FROM m.u"})),
            "+1/1 | +1/1 | rows: 4")
      << "run alone, once: what preceded the ATTACH is not there twice";
  EXPECT_EQ(read("SELECT count(*) FROM t"), "1");
}

TEST_F(BatchTest, AttachNamesNothingOfTheMachine) {
  for (const char* sql : {"ATTACH '/etc/passwd' AS x", "ATTACH 'file:x?vfs=unix' AS x", "ATTACH '../x' AS x",
                          "ATTACH ('/var/' || 'x') AS x", "VACUUM INTO '/var/x'", "VACUUM INTO 'copy'"}) {
    const std::string text = run(execute({sql}));
    EXPECT_TRUE(text.find("not allowed") != std::string::npos || text.find("literal") != std::string::npos)
        << sql << " gives " << text;
  }
  EXPECT_EQ(run(execute({"VACUUM"})), "+0/0");
  EXPECT_EQ(run(with("ATTACH ? AS x", std::vector<Value>{std::string("/etc/passwd")})),
            "error: ATTACH needs the name of the database as a literal");
}

// --- Parameters and results ---

TEST_F(BatchTest, BindsByPositionAndByName) {
  EXPECT_EQ(run(with("INSERT INTO t VALUES(?, ?)", std::vector<Value>{std::int64_t{7}, std::string("seven")})), "+7/1");
  using Named = std::vector<std::pair<std::string, Value>>;
  EXPECT_EQ(run(with("INSERT INTO t VALUES(:a, $b)", Named{{"b", std::string("eight")}, {"a", std::int64_t{8}}})),
            "+8/1");
  EXPECT_EQ(run(with("INSERT INTO t(b) VALUES(?)", Named{{"b", std::string("unused")}})), "+9/1");
  EXPECT_EQ(run(with("INSERT INTO t(b) VALUES(?); INSERT INTO t(b) VALUES(?)",
                     std::vector<Value>{std::string("ten"), std::string("eleven")})),
            "+11/1");
  EXPECT_EQ(read("SELECT * FROM t"), "7,'seven';8,'eight';9,NULL;10,'ten';11,'eleven'");
}

TEST_F(BatchTest, WrongParameterCountsAreRefusedBeforeAnythingHappens) {
  EXPECT_EQ(run(with("INSERT INTO t(b) VALUES(?)", std::vector<Value>{})),
            "error: not enough args to execute query: want 1 got 0");
  EXPECT_EQ(run(with("INSERT INTO t(a, b) VALUES(:a, :b)", std::vector<std::pair<std::string, Value>>{{"a", Value{}}})),
            "error: not enough args to execute query: want 2 got 1");
  EXPECT_EQ(run(with("INSERT INTO t(b) VALUES(?)", std::vector<Value>{std::int64_t{1}, std::int64_t{2}})),
            "error: too many args to execute query: want 1 got 2");
  EXPECT_EQ(read("SELECT count(*) FROM t"), "0");
}

TEST_F(BatchTest, EmptyTextsAndComments) {
  EXPECT_EQ(run(execute({"", "-- nothing", "INSERT INTO t(b) VALUES(1);  ; -- done"})), "nothing | +1/1");
  EXPECT_EQ(run(execute({"SELECT FROM"})), "error: near \"FROM\": syntax error");
}

TEST_F(BatchTest, ReturningYieldsRowsAndRunsToItsEnd) {
  EXPECT_EQ(run(execute({"INSERT INTO t(b) VALUES('x'), ('y') RETURNING a, b", "SELECT 5"})),
            "rows: 1,'x' 2,'y' | +2/2");
  EXPECT_EQ(run(execute({"EXPLAIN QUERY PLAN DELETE FROM t"})).substr(0, 5), "rows:");
  EXPECT_EQ(read("SELECT count(*) FROM t"), "2");
}

TEST_F(BatchTest, QueriesDoNotChangeAnything) {
  Request request =
      execute({"INSERT INTO t(b) VALUES(1)", "SELECT 1", "ATTACH 'x' AS y", "CREATE TABLE y.t(a)", "BEGIN"});
  request.kind = RequestKind::kQuery;
  const std::string refused = "error: attempt to change database via query operation";
  EXPECT_EQ(run(request), refused + " | rows: 1 | +0/0 | " + refused + " | " + refused);
}

TEST_F(BatchTest, AResultThatIsTooLargeUndoesItsStatement) {
  Request request =
      mixed({"INSERT INTO t(b) WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n WHERE x<100) "
             "SELECT x FROM n RETURNING hex(zeroblob(1000))",
             "SELECT count(*) FROM t"});
  request.result_bytes_max = 10'000;
  EXPECT_EQ(run(request),
            "error: the result is larger than a response may be; ask for fewer rows (LIMIT) or columns | rows: 0");
  EXPECT_EQ(responses_[0].results[0].error.kind, SqlErrorKind::kTooLarge);
}

TEST_F(BatchTest, RequestsThatAreTooMuchTogetherRunOneByOne) {
  SqlStore store;
  ConnectionOptions tight = options(store);
  tight.vfs.transaction_bytes_max = 200 << 10;
  BatchRunner runner(*store, tight);
  const std::vector<Request> schema{execute({"CREATE TABLE t(a)"})};
  EXPECT_EQ(text_of(runner.run(schema).responses[0]), "+0/0");
  const std::vector<Request> requests{
      execute({"INSERT INTO t VALUES(zeroblob(120000))"}), execute({"INSERT INTO t VALUES(zeroblob(120000))"}),
      execute({"INSERT INTO t VALUES(zeroblob(300000))"}), execute({"INSERT INTO t VALUES(zeroblob(120000))"})};
  const BatchRunner::Outcome outcome = runner.run(requests);
  EXPECT_EQ(text_of(outcome.responses[0]), "+1/1");
  EXPECT_EQ(text_of(outcome.responses[1]), "+2/1");
  EXPECT_EQ(text_of(outcome.responses[2]), "error: the transaction changes more than one may; split it");
  EXPECT_EQ(text_of(outcome.responses[3]), "+3/1");
  EXPECT_EQ(outcome.versions.size(), 3U);
}

TEST_F(BatchTest, AfterLosingLeadershipItSaysSoAndRecovers) {
  run(execute({"INSERT INTO t(b) VALUES(1)"}));
  store_->drop_speculation();
  EXPECT_EQ(run(execute({"INSERT INTO t(b) VALUES(2)"})), "failed: attempt to write a readonly database");
  EXPECT_EQ(responses_[0].error->kind, SqlErrorKind::kNotLeader);
  store_->begin_epoch(Epoch{2});
  EXPECT_EQ(run(execute({"INSERT INTO t(b) VALUES(3)"})), "+2/1");
  EXPECT_EQ(read("SELECT b FROM t"), "1;3");
}

}  // namespace
}  // namespace quorate::sqlite
