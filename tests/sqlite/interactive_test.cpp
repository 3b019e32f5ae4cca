#include "statemachine/sqlite/interactive.hpp"

#include <gtest/gtest.h>

#include "statemachine/sqlite/batch.hpp"
#include "tests/sqlite/sql_harness.hpp"

namespace quorate::sqlite {
namespace {

using testing::query;
using testing::SqlStore;

Request mixed(std::vector<std::string> statements, Atomicity atomicity = Atomicity::kEach) {
  Request request;
  for (std::string& sql : statements) request.statements.push_back({std::move(sql), {}});
  request.kind = RequestKind::kMixed;
  request.atomicity = atomicity;
  return request;
}

/// The last result's first value, or the error.
std::string last_of(const Response& response) {
  if (response.error) return "failed: " + response.error->message;
  if (response.results.empty()) return "";
  const StatementResult& last = response.results.back();
  if (last.kind == StatementResult::Kind::kError) return "error: " + last.error.message;
  return last.rows.empty() ? "" : testing::text_of(last.rows[0][0]);
}

class InteractiveTest : public ::testing::Test {
 protected:
  InteractiveTest() { store_.execute(*store_.connect(ConnectionRole::kWriter), "CREATE TABLE t(a)"); }

  InteractiveOptions options() {
    InteractiveOptions options;
    options.connection = connection_options();
    options.random = [this] { return random_.next(); };
    options.idle_max = std::chrono::seconds(10);
    options.transaction_max = std::chrono::seconds(60);
    return options;
  }
  ConnectionOptions connection_options() {
    ConnectionOptions options;
    options.vfs.unix_time_ms = [] { return std::int64_t{0}; };
    options.now = [this] { return store_.now += tick_; };
    return options;
  }
  std::string run(InteractiveToken token, std::vector<std::string> statements, Atomicity atomicity = Atomicity::kEach) {
    InteractiveSessions::Outcome outcome = sessions_.run(token, mixed(std::move(statements), atomicity));
    for (const SealedVersion& version : outcome.versions) store_->commit(version.name, store_.store().next_entry());
    sealed_ += outcome.versions.size();
    return last_of(outcome.response);
  }
  std::string read(std::string_view sql) { return query(*store_.connect(ConnectionRole::kReader), sql); }

  SqlStore store_;
  Random random_{1};
  InteractiveSessions sessions_{*store_, options()};
  std::size_t sealed_ = 0;
  Duration tick_{};  ///< that the clock advances whenever it is read
};

TEST_F(InteractiveTest, ATransactionSpansRequests) {
  const InteractiveToken token = *sessions_.open();
  EXPECT_EQ(run(token, {"BEGIN"}), "");
  EXPECT_FALSE(sessions_.is_writing());
  EXPECT_EQ(run(token, {"INSERT INTO t VALUES(1)"}), "");
  EXPECT_TRUE(sessions_.is_writing());
  EXPECT_EQ(run(token, {"INSERT INTO t VALUES(2)", "SELECT count(*) FROM t"}), "2");
  EXPECT_EQ(read("SELECT count(*) FROM t"), "0") << "not committed yet";
  EXPECT_EQ(sealed_, 0U);
  EXPECT_EQ(run(token, {"COMMIT"}), "");
  EXPECT_EQ(sealed_, 1U);
  EXPECT_FALSE(sessions_.is_writing());
  EXPECT_EQ(read("SELECT count(*) FROM t"), "2");
}

TEST_F(InteractiveTest, AnAtomicRequestIsAPartOfTheOpenTransaction) {
  const InteractiveToken token = *sessions_.open();
  run(token, {"BEGIN", "INSERT INTO t VALUES(1)"});
  EXPECT_EQ(run(token, {"INSERT INTO t VALUES(2)", "INSERT INTO nope VALUES(3)"}, Atomicity::kTransaction),
            "error: no such table: nope");
  EXPECT_EQ(run(token, {"SELECT count(*) FROM t"}), "1");
  EXPECT_EQ(run(token, {"COMMIT", "SELECT count(*) FROM t"}), "1");
}

TEST_F(InteractiveTest, SessionsAreIsolatedFromEachOther) {
  const InteractiveToken one = *sessions_.open();
  const InteractiveToken two = *sessions_.open();
  run(one, {"BEGIN", "INSERT INTO t VALUES(1)", "CREATE TEMP TABLE mine(a)"});
  EXPECT_EQ(run(two, {"SELECT count(*) FROM t"}), "0");
  EXPECT_EQ(run(two, {"INSERT INTO t VALUES(2)"}), "error: database is locked");
  EXPECT_EQ(run(two, {"SELECT * FROM mine"}), "error: no such table: mine");
  run(one, {"ROLLBACK"});
  EXPECT_EQ(run(two, {"INSERT INTO t VALUES(2)", "SELECT a FROM t"}), "2");
  EXPECT_EQ(run(one, {"SELECT count(*) FROM mine"}), "error: no such table: mine") << "rolled back as well";
}

TEST_F(InteractiveTest, EndsAfterSilenceAndRollsBack) {
  const InteractiveToken token = *sessions_.open();
  run(token, {"BEGIN", "INSERT INTO t VALUES(1)"});
  store_.now += std::chrono::seconds(9);
  EXPECT_EQ(run(token, {"SELECT count(*) FROM t"}), "1");
  EXPECT_EQ(sessions_.next_expiry(), store_.now + std::chrono::seconds(10));
  store_.now += std::chrono::seconds(10);
  EXPECT_EQ(run(token, {"COMMIT"}).substr(0, 24), "failed: no such session:");
  EXPECT_EQ(sessions_.size(), 0U);
  EXPECT_FALSE(sessions_.is_writing());
  EXPECT_EQ(read("SELECT count(*) FROM t"), "0");
  EXPECT_EQ(run(*sessions_.open(), {"INSERT INTO t VALUES(2)"}), "") << "the write slot is free again";
}

TEST_F(InteractiveTest, ATransactionDoesNotStayOpenForEver) {
  const InteractiveToken token = *sessions_.open();
  run(token, {"BEGIN IMMEDIATE"});
  for (int i = 0; i < 11; ++i) {
    store_.now += std::chrono::seconds(5);
    EXPECT_EQ(run(token, {"INSERT INTO t VALUES(1)"}), "");
  }
  EXPECT_LT(*sessions_.next_expiry(), store_.now + std::chrono::seconds(6));
  store_.now += std::chrono::seconds(5);
  sessions_.expire(store_.now);
  EXPECT_EQ(sessions_.size(), 0U);
  EXPECT_EQ(read("SELECT count(*) FROM t"), "0");
}

TEST_F(InteractiveTest, AStatementDoesNotKeepATransactionOpenBeyondItsTime) {
  const InteractiveToken token = *sessions_.open();
  run(token, {"BEGIN", "INSERT INTO t VALUES(1)"});
  tick_ = std::chrono::seconds(1);
  EXPECT_EQ(run(token, {"INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
                        "SELECT i FROM n"}),
            "error: the statement ran into its time limit");
  EXPECT_EQ(sessions_.size(), 0U);
  EXPECT_FALSE(sessions_.is_writing());
  EXPECT_EQ(read("SELECT count(*) FROM t"), "0");
}

TEST_F(InteractiveTest, WhatWasMeantForATransactionThatFailedHasNoEffect) {
  store_.execute(*store_.connect(ConnectionRole::kWriter), "CREATE UNIQUE INDEX i ON t(a)");
  const InteractiveToken token = *sessions_.open();
  EXPECT_EQ(run(token, {"BEGIN", "INSERT INTO t VALUES(1)", "INSERT INTO t VALUES(1)"}),
            "error: UNIQUE constraint failed: t.a");
  EXPECT_EQ(run(token, {"INSERT INTO t VALUES(2)"}), "") << "the statement failed, the transaction goes on";
  EXPECT_EQ(run(token, {"INSERT OR ROLLBACK INTO t VALUES(1)"}), "error: UNIQUE constraint failed: t.a");
  EXPECT_EQ(run(token, {"INSERT INTO t VALUES(3)"}).substr(0, 24), "failed: no such session:");
  EXPECT_EQ(read("SELECT count(*) FROM t"), "0");
}

TEST_F(InteractiveTest, LosingLeadershipEndsTheSession) {
  const InteractiveToken token = *sessions_.open();
  run(token, {"BEGIN", "INSERT INTO t VALUES(1)"});
  store_->drop_speculation();
  EXPECT_EQ(run(token, {"COMMIT"}).substr(0, 6), "error:");
  EXPECT_EQ(run(token, {"SELECT 1"}).substr(0, 24), "failed: no such session:");
}

TEST_F(InteractiveTest, ClosingFreesTheWriteSlotForBatches) {
  const InteractiveToken token = *sessions_.open();
  run(token, {"BEGIN", "INSERT INTO t VALUES(1)"});
  BatchRunner batches(*store_, connection_options());
  const std::vector<Request> requests{mixed({"INSERT INTO t VALUES(5)"})};
  EXPECT_EQ(batches.run(requests).responses[0].error->kind, SqlErrorKind::kBusy);
  sessions_.close(token);
  sessions_.close(token);
  EXPECT_EQ(batches.run(requests).versions.size(), 1U);
}

TEST_F(InteractiveTest, SessionsAreLimitedInNumber) {
  std::vector<InteractiveToken> tokens;
  for (std::size_t i = 0; i < kInteractiveSessionsMax; ++i) tokens.push_back(*sessions_.open());
  EXPECT_EQ(sessions_.open().error().kind, SqlErrorKind::kTooLarge);
  sessions_.close(tokens.back());
  EXPECT_TRUE(sessions_.open().has_value());
}

}  // namespace
}  // namespace quorate::sqlite
