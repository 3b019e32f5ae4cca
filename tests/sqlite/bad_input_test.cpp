// What clients send by mistake or in malice: an error that says what is wrong, and nothing has changed.
#include <gtest/gtest.h>
#include <sqlite3.h>

#include "statemachine/sqlite/batch.hpp"
#include "statemachine/sqlite/request_runner.hpp"
#include "tests/sqlite/sql_harness.hpp"

namespace quorate::sqlite {
namespace {

using testing::query;
using testing::SqlStore;

class BadInputTest : public ::testing::Test {
 protected:
  BadInputTest() {
    const std::vector<Request> schema{request("CREATE TABLE t(a INTEGER PRIMARY KEY, b UNIQUE)"),
                                      request("INSERT INTO t VALUES(1, 'kept')")};
    for (const SealedVersion& version : runner_.run(schema).versions) {
      store_->commit(version.name, store_.store().next_entry());
    }
  }

  ConnectionOptions options() {
    ConnectionOptions options;
    options.vfs.unix_time_ms = [] { return std::int64_t{0}; };
    options.vfs.transaction_bytes_max = 4 << 20;
    options.vfs.scratch_bytes_max = 16 << 20;
    options.now = [this] { return store_.now += std::chrono::microseconds(1); };
    return options;
  }
  static Request request(std::string sql, Parameters parameters = {}) {
    Request request;
    request.statements.push_back({std::move(sql), std::move(parameters)});
    request.kind = RequestKind::kMixed;
    request.atomicity = Atomicity::kTransaction;
    return request;
  }

  /// The error of a request that fails, of which nothing may be left; its neighbours must not notice.
  SqlError error_of(const Request& bad) {
    const std::vector<Request> requests{request("SELECT b FROM t"), bad, request("SELECT count(*) FROM t")};
    const BatchRunner::Outcome outcome = runner_.run(requests);
    for (const SealedVersion& version : outcome.versions) store_->commit(version.name, store_.store().next_entry());
    EXPECT_EQ(outcome.responses[0].results.at(0).rows.at(0).at(0), Value{"kept"});
    EXPECT_EQ(outcome.responses[2].results.at(0).rows.at(0).at(0), Value{std::int64_t{1}});
    EXPECT_EQ(query(*store_.connect(ConnectionRole::kReader),
                    "PRAGMA integrity_check; SELECT * FROM t; SELECT name FROM sqlite_schema WHERE sql IS NOT NULL"),
              "'ok';1,'kept';'t'");
    const Response& response = outcome.responses[1];
    if (response.error) return *response.error;
    EXPECT_TRUE(!response.results.empty() && is_error(response.results.back())) << "it did not fail";
    return response.results.empty() ? SqlError{} : response.results.back().error;
  }
  void expect(const Request& bad, SqlErrorKind kind, std::string_view words) {
    const SqlError error = error_of(bad);
    const std::string begin = bad.statements.front().sql.substr(0, 60);
    EXPECT_EQ(error.kind, kind) << begin << ": " << error.message;
    EXPECT_NE(error.message.find(words), std::string::npos) << begin << ": " << error.message;
  }

  SqlStore store_;
  BatchRunner runner_{*store_, options()};
};

TEST_F(BadInputTest, SqlThatIsNone) {
  using namespace std::string_literals;
  expect(request("SELEKT 1"), SqlErrorKind::kSql, "syntax error");
  expect(request("INSERT INTO t VALUES(2, 'open"), SqlErrorKind::kSql, "unrecognized token");
  expect(request("INSERT INTO t VALUES(2, 2); INSERT INTO"), SqlErrorKind::kSql, "incomplete input");
  expect(request("INSERT INTO t VALUES(2, 2), (3)"), SqlErrorKind::kSql, "all VALUES must have the same number");
  expect(request("SELECT 1\0; DROP TABLE t"s), SqlErrorKind::kSql, "NUL");
  expect(request("\0"s), SqlErrorKind::kSql, "NUL");
  expect(request("SELECT "s + std::string(100'000, '(')), SqlErrorKind::kSql, "");
  expect(request("SELECT " + std::string(5'000, '-') + "1\n+"), SqlErrorKind::kSql, "incomplete input");
  std::string deep = "1";
  for (int i = 0; i < 1'100; ++i) deep += "+1";
  expect(request("SELECT " + deep), SqlErrorKind::kSql, "maximum depth");
  std::string wide = "SELECT 1";
  for (int i = 0; i < 2'100; ++i) wide += ",1";
  expect(request(wide), SqlErrorKind::kSql, "too many columns");
}

TEST_F(BadInputTest, NamesAndFunctionsThatAreNotThere) {
  expect(request("INSERT INTO nope VALUES(1)"), SqlErrorKind::kSql, "no such table: nope");
  expect(request("UPDATE t SET c = 1"), SqlErrorKind::kSql, "no such column: c");
  expect(request("SELECT load_extension('evil')"), SqlErrorKind::kSql, "not authorized");
  expect(request("SELECT readfile('x')"), SqlErrorKind::kSql, "no such function");
  expect(request("SELECT writefile('x', 'y')"), SqlErrorKind::kSql, "no such function");
  expect(request("CREATE VIRTUAL TABLE v USING nope"), SqlErrorKind::kSql, "no such module");
}

TEST_F(BadInputTest, ParametersThatDoNotFit) {
  const std::string insert = "INSERT INTO t VALUES(?, ?)";
  expect(request(insert), SqlErrorKind::kRefused, "not enough args to execute query: want 2 got 0");
  expect(request(insert, std::vector<Value>(3)), SqlErrorKind::kRefused,
         "too many args to execute query: want 2 got 3");
  expect(request(insert + ";" + insert, std::vector<Value>(3)), SqlErrorKind::kRefused, "want 2 got 1");
  expect(request("SELECT ?999999999", std::vector<Value>(1)), SqlErrorKind::kSql, "variable number must be between");
  expect(request("SELECT ?32766", std::vector<Value>(1)), SqlErrorKind::kRefused, "want 32766 got 1");
  expect(request("INSERT INTO t VALUES('not a number', 1)"), SqlErrorKind::kSql, "datatype mismatch");
}

TEST_F(BadInputTest, RowsAndTransactionsThatAreTooLarge) {
  expect(request("INSERT INTO t VALUES(2, zeroblob(2000000000))"), SqlErrorKind::kTooLarge, "too big");
  expect(request("INSERT INTO t VALUES(2, randomblob(5000000))"), SqlErrorKind::kTooLarge, "split it");
  expect(request("WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i+1 FROM n WHERE i < 100) "
                 "INSERT INTO t SELECT i, randomblob(100000) FROM n"),
         SqlErrorKind::kTooLarge, "split it");
  expect(request("WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i+1 FROM n WHERE i < 1000000) "
                 "SELECT max(v) FROM (SELECT DISTINCT i, randomblob(1000) AS v FROM n)"),
         SqlErrorKind::kTooLarge, "");
  expect(request("CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO t VALUES(new.a + 1, new.a + 1); END; "
                 "PRAGMA recursive_triggers=ON; INSERT INTO t VALUES(2, 2)"),
         SqlErrorKind::kSql, "too many levels of trigger recursion");
}

TEST_F(BadInputTest, ResultsThatAreTooLarge) {
  Request large = request("SELECT zeroblob(100000) FROM t");
  large.result_bytes_max = 50'000;
  expect(large, SqlErrorKind::kTooLarge, "larger than a response may be");
  large.statements.front().sql = "INSERT INTO t VALUES(2, 2) RETURNING zeroblob(100000)";
  expect(large, SqlErrorKind::kTooLarge, "larger than a response may be");
}

TEST_F(BadInputTest, SettingsThatReplicationWouldNotSurvive) {
  for (const char* sql :
       {"PRAGMA journal_mode=WAL", "PRAGMA locking_mode=EXCLUSIVE", "PRAGMA page_size=8192; VACUUM",
        "PRAGMA main.synchronous=OFF", "EXPLAIN PRAGMA journal_mode=OFF", "PRAGMA temp_store_directory='x'",
        "ATTACH 'file:x?mode=memory' AS x", "ATTACH '../x' AS x"}) {
    expect(request(sql), SqlErrorKind::kRefused, "not allowed");
  }
}

}  // namespace
}  // namespace quorate::sqlite
