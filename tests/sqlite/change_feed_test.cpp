// Changes on their way through the executor: in the same entry as what they tell of, group by group, on all replicas.
#include "statemachine/sqlite/change_feed.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "statemachine/sqlite/staging.hpp"
#include "tests/sqlite/change_harness.hpp"
#include "tests/sqlite/log_harness.hpp"

namespace quorate::sqlite {
namespace {

using testing::Leader;
using testing::ReplayedTables;
using testing::Replica;

ExecutorOptions executor_that_captures() {
  ExecutorOptions options;
  options.connection.capture = CaptureOptions{};
  return options;
}

std::string queue_of(Replica& replica) { return testing::text_of(testing::queued(replica->store())); }

Submission request(std::vector<std::string> statements, Atomicity atomicity = Atomicity::kEach) {
  Submission submission{.request = {}, .idempotency_key = {}};
  for (std::string& sql : statements) submission.request.statements.push_back({std::move(sql), {}});
  submission.request.atomicity = atomicity;
  return submission;
}

class ChangeFeedTest : public ::testing::Test {
 protected:
  ChangeFeedTest() { leader_.run("CREATE TABLE t(a INTEGER PRIMARY KEY, b UNIQUE)"); }

  /// Runs them together, as one batch.
  void run_together(std::vector<Submission> submissions) {
    leader_.sql_jobs.is_automatic = false;
    leader_.send("SELECT 1");
    for (Submission& submission : submissions) leader_.send(std::move(submission));
    leader_.sql_jobs.is_automatic = true;
    leader_.sql_jobs.run_all();
  }

  Leader leader_{{}, executor_that_captures()};
};

TEST_F(ChangeFeedTest, EveryRequestOfABatchIsAGroupOfItsOwn) {
  std::vector<Submission> together;
  together.push_back(request({"INSERT INTO t VALUES(1,1)"}));
  together.push_back(request({"INSERT INTO t VALUES(2,2)", "INSERT INTO t VALUES(3,2)", "INSERT INTO t VALUES(4,4)"}));
  together.push_back(request({"INSERT INTO t VALUES(5,5)", "UPDATE t SET b = 6 WHERE a = 5"}, Atomicity::kTransaction));
  together.push_back(request({"INSERT INTO t VALUES(7,7)", "INSERT INTO t VALUES(8,1)"}, Atomicity::kTransaction));
  together.push_back(request({"DELETE FROM t WHERE a = 1"}));
  const auto entries = leader_.executor->stats().bundles;
  run_together(std::move(together));
  EXPECT_EQ(leader_.executor->stats().bundles, entries + 2) << "one for all of them, and one before";
  EXPECT_EQ(queue_of(leader_.replica),
            "1: +t[1](1,1); 2: +t[2](2,2); 3: +t[4](4,4); 4: +t[5](5,5) t[5](5,5>5,6); 5: -t[1](1,1)");
}

TEST_F(ChangeFeedTest, ARequestThatEndsTheTransactionOfItsNeighbours) {
  std::vector<Submission> together;
  together.push_back(request({"INSERT INTO t VALUES(1,1)"}));
  together.push_back(request({"INSERT OR ROLLBACK INTO t VALUES(2,1)"}));
  together.push_back(request({"VACUUM"}));
  together.push_back(request({"INSERT INTO t VALUES(3,3)"}));
  run_together(std::move(together));
  EXPECT_EQ(queue_of(leader_.replica), "1: +t[1](1,1); 2: +t[3](3,3)");
}

TEST_F(ChangeFeedTest, AnInteractiveTransactionIsOneGroup) {
  std::string token;
  leader_.executor->begin(Instant::max(), [&](const Execution&, std::string given) { token = std::move(given); });
  const auto in_session = [&](std::string sql) {
    leader_.executor->execute_in(token, {.request = Leader::request_of(std::move(sql)), .idempotency_key = {}},
                                 [](const Execution&) {});
  };
  in_session("INSERT INTO t VALUES(1,1)");
  in_session("INSERT INTO t VALUES(2,1)");
  in_session("SAVEPOINT s; INSERT INTO t VALUES(3,3); ROLLBACK TO s");
  in_session("INSERT INTO t VALUES(4,4)");
  EXPECT_EQ(queue_of(leader_.replica), "");
  leader_.executor->end(token, TransactionEnd::kCommit, Instant::max(), [](const Execution&) {});
  EXPECT_EQ(queue_of(leader_.replica), "1: +t[1](1,1) +t[4](4,4)");
}

TEST_F(ChangeFeedTest, ReplicasHaveTheSameQueueAndAFileKeepsIt) {
  leader_.run("INSERT INTO t VALUES(1,1)");
  leader_.run("INSERT INTO t VALUES(2,2)");
  Replica follower(NodeId{2});
  leader_.log.replay(follower);
  EXPECT_EQ(queue_of(follower), queue_of(leader_.replica));
  EXPECT_EQ(follower.checkpoint(), "");
  follower.open();
  EXPECT_EQ(queue_of(follower), "1: +t[1](1,1); 2: +t[2](2,2)");
}

TEST_F(ChangeFeedTest, WhatWasNeverCommittedWasNeverTold) {
  leader_.log.is_automatic = false;
  leader_.send("INSERT INTO t VALUES(1,1)");
  leader_.send("INSERT INTO t VALUES(2,2)");
  EXPECT_EQ(queue_of(leader_.replica), "");
  leader_.log.lose_leadership(1);
  leader_.log.is_automatic = true;
  leader_.log.begin_epoch();
  leader_.run("INSERT INTO t VALUES(3,3)");
  EXPECT_EQ(queue_of(leader_.replica), "1: +t[1](1,1); 2: +t[3](3,3)");
}

TEST_F(ChangeFeedTest, ALoadIsToldOf) {
  leader_.run("INSERT INTO t VALUES(1,1)");
  Submission load{.request = {}, .idempotency_key = {}};
  load.request.action = [](Connection& writer) {
    PageStore& store = writer.vfs().store();
    const Pin head = store.pin(PinKind::kHead);
    const DatabaseRecord main = *store.find_database(head, "main");
    StagedPages pages{.page_size = main.page_size, .first = PageNumber{1}, .pages = {}};
    for (std::uint64_t page = 1; page <= main.page_count.value; ++page) {
      pages.pages.push_back(store.page(head, main.id, PageNumber{page})->image);
    }
    if (SqlResult<void> staged = stage(writer, "main", std::move(pages)); !staged) return staged;
    return adopt(writer, "main", main.page_count);
  };
  EXPECT_EQ(leader_.send(std::move(load))->text, "");
  leader_.run("INSERT INTO t VALUES(2,2)");
  EXPECT_EQ(queue_of(leader_.replica), "1: +t[1](1,1); 2: replaced main; 3: +t[2](2,2)");
}

TEST_F(ChangeFeedTest, TheOwnerHearsOfCommits) {
  int heard = 0;
  ExecutorOptions options = executor_that_captures();
  options.committed = [&heard] { ++heard; };
  Leader leader({}, std::move(options));
  leader.run("CREATE TABLE t(a)");
  EXPECT_EQ(heard, 1);
  leader.log.is_automatic = false;
  leader.send("INSERT INTO t VALUES(1)");
  EXPECT_EQ(heard, 1);
  leader.log.commit();
  EXPECT_EQ(heard, 2);
}

/// Whatever requests and losses of leadership there are: what replicas have is what was told, once and in order.
TEST(ChangeFeedProperty, WhatWasToldIsWhatReplicasHave) {
  rc::check([] {
    ExecutorOptions options = executor_that_captures();
    options.in_flight_bytes_max = 6000;
    options.part_bytes = 1500;
    options.connection.capture->group_bytes = 2000;
    Leader leader({.delta_part_bytes = 1500}, std::move(options));
    Replica follower(NodeId{2});
    leader.run("CREATE TABLE a(k INTEGER PRIMARY KEY, n UNIQUE, b)");
    leader.run("CREATE TABLE w(k PRIMARY KEY, n) WITHOUT ROWID");
    leader.run("CREATE TRIGGER r AFTER INSERT ON a BEGIN INSERT OR REPLACE INTO w VALUES(new.n, new.k); END");
    leader.log.is_automatic = false;
    leader.sql_jobs.is_automatic = false;
    ReplayedTables told;
    ChangePosition position;
    std::uint64_t next = 1;
    const auto take_news = [&] {
      PageStore& store = follower->store();
      const Pin pin = store.pin(PinKind::kApplied);
      const ChangeBatch batch = *read_changes(store, pin, position, {.groups = SIZE_MAX, .bytes = SIZE_MAX});
      for (const ChangeGroup& group : batch.groups) {
        RC_ASSERT(group.index.value == next++);
        told.replay(group);
      }
      position = batch.after;
    };
    const auto number = [] { return *rc::gen::inRange(0, 12); };
    for (const int step : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 13))) {
      switch (step) {
        case 0:
        case 1:
        case 2:
          leader.send(request(
              {fmt::format("INSERT OR {} INTO a VALUES({},{},randomblob(600))",
                           *rc::gen::element("FAIL", "REPLACE", "ABORT", "ROLLBACK", "IGNORE"), number(), number()),
               fmt::format("UPDATE a SET k = k + {} WHERE n > {}", number(), number())},
              *rc::gen::element(Atomicity::kEach, Atomicity::kTransaction)));
          break;
        case 3: leader.send(fmt::format("UPDATE OR FAIL a SET n = n + 1, k = k + 20 WHERE k < {}", number())); break;
        case 4: leader.send(fmt::format("DELETE FROM {}", *rc::gen::element("a", "w"))); break;
        case 5:
          leader.send(
              "SAVEPOINT s; INSERT INTO a(n) VALUES(99); ROLLBACK TO s; INSERT INTO a(n) VALUES(98); "
              "RELEASE s");
          break;
        case 6:
        case 7:
          if (leader.sql_jobs.waiting() > 0) leader.sql_jobs.finish();
          break;
        case 8:
          if (leader.sql_jobs.waiting() > 0) leader.sql_jobs.work();
          break;
        case 9: leader.log.commit(*rc::gen::inRange<std::size_t>(0, 4)); break;
        case 10:
          leader.log.lose_leadership(*rc::gen::inRange<std::size_t>(0, leader.log.uncommitted() + 1),
                                     *rc::gen::element(Outcome::kRefused, Outcome::kUnknown));
          break;
        case 11: leader.log.begin_epoch(); break;
        case 12: {
          Submission submission = request({});
          submission.request.action = [position](Connection& writer) { return forget_changes(writer, position); };
          leader.send(std::move(submission));
          break;
        }
      }
      leader.log.replay(follower);
      take_news();
    }
    leader.sql_jobs.is_automatic = true;
    leader.log.is_automatic = true;
    leader.log.commit();
    leader.sql_jobs.run_all();
    leader.log.commit();
    leader.log.replay(follower);
    take_news();
    ConnectionOptions reading;
    reading.vfs.unix_time_ms = [] { return std::int64_t{0}; };
    reading.now = [] { return Instant{}; };
    const auto reader = Connection::open(follower->store(), reading);
    RC_ASSERT(told.difference(ReplayedTables::actual(**reader)) == "");
    RC_ASSERT(!::testing::Test::HasFailure());
  });
}

}  // namespace
}  // namespace quorate::sqlite
