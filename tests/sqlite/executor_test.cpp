// The leader's way of a request: batches, withheld answers, certain ends, exactly once, interactive transactions.
#include "statemachine/sqlite/executor.hpp"

#include <atomic>
#include <map>
#include <thread>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "tests/sqlite/log_harness.hpp"

namespace quorate::sqlite {
namespace {

using testing::Leader;
using testing::Replica;

class ExecutorTest : public ::testing::Test {
 protected:
  ExecutorTest() { EXPECT_EQ(leader_.run("CREATE TABLE t(a)"), "0 changed;"); }

  std::string count() { return leader_.replica.read("SELECT count(*) FROM t"); }
  std::string begin() {
    std::string token;
    leader_.executor->begin(Instant::max(), [&](const Execution& execution, std::string given) {
      EXPECT_EQ(execution.end, Execution::End::kDone) << execution.error;
      token = std::move(given);
    });
    return token;
  }
  Leader::TicketPtr in(const std::string& token, std::string sql, Instant deadline = Instant::max()) {
    auto ticket = std::make_shared<Leader::Ticket>();
    leader_.executor->execute_in(token, {.request = Leader::request_of(std::move(sql)), .deadline = deadline},
                                 Leader::note(ticket));
    return ticket;
  }
  Leader::TicketPtr end(const std::string& token, TransactionEnd how) {
    auto ticket = std::make_shared<Leader::Ticket>();
    leader_.executor->end(token, how, Instant::max(), Leader::note(ticket));
    return ticket;
  }
  void pass(Duration time) {
    leader_.now += time;
    leader_.executor->expire(leader_.now);
  }

  Leader leader_;
};

TEST_F(ExecutorTest, AnswersAreWithheldUntilTheyAreCommitted) {
  leader_.log.is_automatic = false;
  const auto first = leader_.send("INSERT INTO t VALUES(1)");
  const auto second = leader_.send("INSERT INTO t VALUES(2) RETURNING (SELECT count(*) FROM t)");
  EXPECT_EQ(leader_.log.uncommitted(), 2U) << "the second ran on top of what the first did";
  EXPECT_FALSE(first->has_ended);
  EXPECT_EQ(count(), "0");
  leader_.log.commit(1);
  EXPECT_EQ(first->text, "1 changed;");
  EXPECT_FALSE(second->has_ended);
  EXPECT_EQ(count(), "1");
  leader_.log.commit();
  EXPECT_EQ(second->text, "2,;");
  EXPECT_EQ(second->execution.log_index, leader_.replica->store().applied().index);
}

TEST_F(ExecutorTest, WhatWaitsRunsTogether) {
  leader_.sql_jobs.is_automatic = false;
  std::vector<Leader::TicketPtr> tickets;
  for (int i = 0; i < 10; ++i) tickets.push_back(leader_.send("INSERT INTO t VALUES(1) RETURNING rowid"));
  tickets.push_back(leader_.send("INSERT INTO missing VALUES(1)"));
  leader_.sql_jobs.run_all();
  EXPECT_EQ(leader_.executor->stats().bundles, 3U);
  for (std::size_t i = 1; i < 10; ++i) {
    EXPECT_EQ(tickets[i]->text, fmt::format("{},;", i + 1));
    EXPECT_EQ(tickets[i]->execution.log_index, tickets[1]->execution.log_index);
    EXPECT_EQ(tickets[i]->execution.position, i - 1);
  }
  EXPECT_EQ(tickets.back()->text, "error: no such table: missing;");
  EXPECT_EQ(count(), "10");
}

TEST_F(ExecutorTest, AnAnswerWithoutEntryWaitsForWhatItHasSeen) {
  leader_.log.is_automatic = false;
  const auto write = leader_.send("INSERT INTO t VALUES(1)");
  const auto read = leader_.send({.request = Leader::request_of("SELECT count(*) FROM t"), .proof = Proof::kHead});
  EXPECT_EQ(leader_.log.uncommitted(), 1U);
  EXPECT_FALSE(read->has_ended) << "it has seen what is not committed";
  leader_.log.commit();
  EXPECT_EQ(read->text, "1,;");
  EXPECT_EQ(read->execution.log_index, Index{0});
  EXPECT_EQ(read->execution.state_index, write->execution.log_index);
  EXPECT_EQ(leader_.send({.request = Leader::request_of("SELECT 5"), .proof = Proof::kHead})->text, "5,;");

  const auto proven = leader_.send("SELECT count(*) FROM t");
  EXPECT_FALSE(proven->has_ended);
  leader_.log.commit();
  EXPECT_EQ(proven->text, "1,;");
}

TEST_F(ExecutorTest, LossOfLeadershipEndsEverythingWithACertainty) {
  leader_.log.is_automatic = false;
  const auto kept = leader_.send("INSERT INTO t VALUES(1)");
  const auto lost = leader_.send("INSERT INTO t VALUES(2)");
  const auto rider = leader_.send({.request = Leader::request_of("SELECT count(*) FROM t"), .proof = Proof::kHead});
  leader_.sql_jobs.is_automatic = false;
  const auto running = leader_.send("INSERT INTO t VALUES(3)");
  const auto waiting = leader_.send("INSERT INTO t VALUES(4)");
  leader_.sql_jobs.work();
  leader_.log.lose_leadership(1);
  EXPECT_EQ(lost->text, "not leader");
  EXPECT_EQ(rider->text, "not leader");
  EXPECT_EQ(waiting->text, "not leader");
  EXPECT_FALSE(leader_.executor->can_write());
  EXPECT_EQ(leader_.send("INSERT INTO t VALUES(5)")->text, "not leader");
  leader_.sql_jobs.run_all();
  EXPECT_EQ(running->text, "not leader");
  leader_.sql_jobs.is_automatic = true;
  leader_.log.commit();
  EXPECT_EQ(kept->text, "1 changed;");
  leader_.log.is_automatic = true;
  leader_.log.begin_epoch();
  EXPECT_EQ(leader_.run("INSERT INTO t VALUES(6)"), "1 changed;");
  EXPECT_EQ(count(), "2");
}

TEST_F(ExecutorTest, WhoseFateNobodyKnowsIsToldSo) {
  leader_.log.is_automatic = false;
  const auto write = leader_.send("INSERT INTO t VALUES(1)");
  leader_.log.lose_leadership(0, Outcome::kUnknown);
  EXPECT_EQ(write->text, "unknown");
}

TEST_F(ExecutorTest, ARefusalByTheEngineHasNoEffect) {
  leader_.log.set_refusing(true);
  EXPECT_EQ(leader_.run("INSERT INTO t VALUES(1)"), "refused: the log does not take more now; try again later");
  leader_.log.set_refusing(false);
  EXPECT_FALSE(leader_.executor->can_write());
  leader_.log.begin_epoch();
  EXPECT_EQ(leader_.run("INSERT INTO t VALUES(2)"), "1 changed;");
  EXPECT_EQ(count(), "1");
}

TEST_F(ExecutorTest, ARequestWithAKeyTakesEffectOnce) {
  leader_.log.is_automatic = false;
  const char* const sql = "INSERT INTO t VALUES(1) RETURNING rowid";
  const auto first = leader_.send(sql, "k");
  const auto joined = leader_.send(sql, "k");
  EXPECT_EQ(leader_.send("INSERT INTO t VALUES(2)", "k")->text,
            "invalid: another request was sent with this idempotency key");
  leader_.log.commit();
  EXPECT_EQ(first->text, "1,;");
  EXPECT_EQ(joined->text, "again: 1,;");
  const auto later = leader_.send(sql, "k");
  EXPECT_EQ(later->text, "again: 1,;");
  EXPECT_EQ(later->execution.log_index, first->execution.log_index);
  EXPECT_EQ(leader_.send("INSERT INTO t VALUES(2)", "k")->text,
            "invalid: another request was sent with this idempotency key");
  EXPECT_EQ(count(), "1");
}

TEST_F(ExecutorTest, FailuresAndAnswersWithoutEffectAreRememberedToo) {
  EXPECT_EQ(leader_.run("INSERT INTO missing VALUES(1)", "fails"), "error: no such table: missing;");
  EXPECT_EQ(leader_
                .send({.request = Leader::request_of("SELECT count(*) FROM t"),
                       .idempotency_key = "reads",
                       .proof = Proof::kHead})
                ->text,
            "0,;");
  leader_.run("CREATE TABLE missing(a)");
  leader_.run("INSERT INTO t VALUES(1)");
  EXPECT_EQ(leader_.run("INSERT INTO missing VALUES(1)", "fails"), "again: error: no such table: missing;");
  EXPECT_EQ(leader_.run("SELECT count(*) FROM t", "reads"), "again: 0,;");
}

TEST_F(ExecutorTest, ALargeAnswerIsNotKept) {
  EXPECT_EQ(leader_.run("INSERT INTO t VALUES(zeroblob(5000)) RETURNING length(hex(a))", "small"), "10000,;");
  EXPECT_NE(leader_.run("INSERT INTO t VALUES(zeroblob(5000)) RETURNING a", "large").size(), 0U);
  EXPECT_EQ(leader_.run("INSERT INTO t VALUES(zeroblob(5000)) RETURNING a", "large"), "not kept");
  EXPECT_EQ(count(), "2");
}

TEST_F(ExecutorTest, ARetryAfterFailoverGetsTheFirstAnswer) {
  leader_.log.is_automatic = false;
  const auto first = leader_.send("INSERT INTO t VALUES(1)", "k");
  leader_.log.lose_leadership(1, Outcome::kUnknown);
  leader_.log.begin_epoch();
  EXPECT_EQ(first->text, "1 changed;");
  EXPECT_EQ(leader_.run("INSERT INTO t VALUES(1)", "k"), "again: 1 changed;");
  EXPECT_EQ(count(), "1");
}

TEST_F(ExecutorTest, ARequestOfSeveralTransactionsIsOneBundle) {
  Replica follower(NodeId{2});
  Submission submission;
  submission.request = Leader::request_of("INSERT INTO t VALUES(1)");
  submission.request.statements.push_back({"VACUUM", {}});
  submission.request.statements.push_back({"INSERT INTO t VALUES(2)", {}});
  submission.idempotency_key = "k";
  leader_.log.is_automatic = false;
  const auto ticket = leader_.send(submission);
  EXPECT_EQ(leader_.log.uncommitted(), 1U) << "so that its outcome is known if any of it has taken effect";
  leader_.log.commit();
  EXPECT_TRUE(ticket->has_ended);
  EXPECT_EQ(count(), "2");
  leader_.log.replay(follower);
  EXPECT_EQ(follower->digest(), leader_.replica->digest());
}

TEST_F(ExecutorTest, DeadlinesInTheQueueAndInFlight) {
  leader_.log.is_automatic = false;
  const Instant soon = leader_.now + std::chrono::seconds(1);
  const auto in_flight = leader_.send({.request = Leader::request_of("INSERT INTO t VALUES(1)"), .deadline = soon});
  leader_.sql_jobs.is_automatic = false;
  const auto running = leader_.send("INSERT INTO t VALUES(2)");
  const auto queued = leader_.send({.request = Leader::request_of("INSERT INTO t VALUES(3)"), .deadline = soon});
  EXPECT_EQ(leader_.executor->next_deadline(), soon);
  pass(std::chrono::seconds(2));
  EXPECT_EQ(in_flight->text, "unknown");
  EXPECT_EQ(queued->text, "refused: timed out before the request took effect");
  leader_.sql_jobs.run_all();
  leader_.log.commit();
  EXPECT_EQ(running->text, "1 changed;");
  EXPECT_EQ(count(), "2");
  EXPECT_EQ(leader_.executor->stats().queued, 0U);
}

TEST_F(ExecutorTest, AFullQueueRefuses) {
  Leader leader({}, {.queue_max = 1});
  leader.sql_jobs.is_automatic = false;
  const auto running = leader.send("CREATE TABLE t(a)");
  const auto queued = leader.send("INSERT INTO t VALUES(1)", "k");
  EXPECT_EQ(leader.send("INSERT INTO t VALUES(2)", "l")->text,
            "refused: too many requests are waiting; try again later");
  const auto joined = leader.send("INSERT INTO t VALUES(1)", "k");
  EXPECT_FALSE(joined->has_ended);
  leader.sql_jobs.run_all();
  EXPECT_EQ(joined->text, "again: 1 changed;");
  leader.sql_jobs.is_automatic = true;
  EXPECT_EQ(leader.run("INSERT INTO t VALUES(2)", "l"), "1 changed;") << "a refusal is no outcome";
}

TEST_F(ExecutorTest, AStatementThatRunsTooLongIsUndone) {
  leader_.tick = std::chrono::milliseconds(1);
  const auto ticket =
      leader_.send({.request = Leader::request_of("INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION "
                                                  "ALL SELECT i + 1 FROM n) SELECT i FROM n"),
                    .idempotency_key = "k",
                    .deadline = leader_.now + std::chrono::seconds(1)});
  EXPECT_TRUE(ticket->has_ended);
  EXPECT_NE(ticket->text.find("error"), std::string::npos) << ticket->text;
  EXPECT_EQ(count(), "0");
  EXPECT_EQ(leader_.replica->outcomes().find("k"), nullptr) << "it may be tried again";
}

/// Runs until it is told not to; looks at the clock all the while.
const char* const kEndless =
    "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n";

/// A job at work on a thread of its own, as in a server, with a statement that does not end by itself.
class RunawayTest : public ExecutorTest {
 protected:
  RunawayTest() { leader_.sql_jobs.is_automatic = false; }
  ~RunawayTest() override { EXPECT_FALSE(worker_.joinable()) << "it was never told to stop"; }

  /// Returns once the statement is running.
  void run_away() {
    leader_.on_look = [this] { ++looks_; };
    worker_ = std::thread([this] { leader_.sql_jobs.work(); });
    while (looks_ < 20) std::this_thread::yield();
  }
  /// Returns once it has ended.
  void join() {
    worker_.join();
    leader_.on_look = nullptr;
    leader_.sql_jobs.is_automatic = true;
    leader_.sql_jobs.run_all();
  }
  [[nodiscard]] Instant later() const { return leader_.now + std::chrono::hours(1); }

  std::atomic<int> looks_ = 0;
  std::thread worker_;
};

TEST_F(RunawayTest, EndsWithTheLeadership) {
  const auto running = leader_.send({.request = Leader::request_of(kEndless), .deadline = later()});
  run_away();
  const auto waiting = leader_.send("INSERT INTO t VALUES(1)");
  leader_.log.lose_leadership(0);
  EXPECT_EQ(waiting->text, "not leader");
  join();
  EXPECT_EQ(running->text, "not leader");
  leader_.log.begin_epoch();
  EXPECT_EQ(leader_.run("INSERT INTO t VALUES(2)"), "1 changed;") << "the flag is down again";
  EXPECT_EQ(count(), "1");
}

TEST_F(RunawayTest, OfASessionEndsWithTheLeadership) {
  leader_.sql_jobs.is_automatic = true;
  const std::string token = begin();
  EXPECT_EQ(in(token, "INSERT INTO t VALUES(1)")->text, "1 changed;");
  leader_.sql_jobs.is_automatic = false;
  const auto running = in(token, kEndless, later());
  run_away();
  leader_.log.lose_leadership(0);
  join();
  EXPECT_EQ(running->text, "not leader");
  leader_.log.begin_epoch();
  EXPECT_EQ(in(token, "COMMIT")->execution.end, Execution::End::kInvalid);
  EXPECT_EQ(leader_.run("INSERT INTO t VALUES(2)"), "1 changed;");
  EXPECT_EQ(count(), "1");
}

TEST_F(RunawayTest, EndsWhenItsClientIsGoneAndHarmsNobody) {
  const auto gone = std::make_shared<std::atomic<bool>>(false);
  Request endless = Leader::request_of(kEndless);
  endless.stop = gone;
  const auto running = leader_.send({.request = endless, .idempotency_key = "k", .deadline = later()});
  run_away();
  Request queued = Leader::request_of("INSERT INTO t VALUES(1)");
  queued.stop = gone;
  const auto never_run = leader_.send({.request = queued});
  const auto neighbour = leader_.send("INSERT INTO t VALUES(2)");
  *gone = true;
  join();
  EXPECT_EQ(running->text, "error: interrupted;");
  EXPECT_EQ(never_run->text, "error: the request was cancelled;");
  EXPECT_EQ(neighbour->text, "1 changed;");
  EXPECT_EQ(count(), "1");
  EXPECT_EQ(leader_.replica->outcomes().find("k"), nullptr) << "it may be sent again";
}

TEST_F(ExecutorTest, BundlesKeepTheirDistanceOnlyWhileOthersAreUnderWay) {
  using std::chrono::milliseconds;
  Leader leader({}, {.bundle_interval = milliseconds(5)});
  leader.run("CREATE TABLE t(a)");
  leader.log.is_automatic = false;
  const auto pass = [&](Duration duration) {
    leader.now += duration;
    leader.executor->expire(leader.now);
  };
  const auto first = leader.send("INSERT INTO t VALUES(1)");
  EXPECT_EQ(leader.log.uncommitted(), 1U) << "nothing is under way: at once";
  const auto second = leader.send("INSERT INTO t VALUES(2)");
  const auto third = leader.send("INSERT INTO t VALUES(3)");
  EXPECT_EQ(leader.log.uncommitted(), 1U);
  ASSERT_TRUE(leader.executor->next_deadline());
  EXPECT_LE(*leader.executor->next_deadline() - leader.now, milliseconds(5));
  pass(milliseconds(4));
  EXPECT_EQ(leader.log.uncommitted(), 1U);
  pass(milliseconds(2));
  EXPECT_EQ(leader.log.uncommitted(), 2U) << "both in the next one";
  const auto fourth = leader.send("INSERT INTO t VALUES(4)");
  leader.log.commit(2);
  EXPECT_EQ(leader.log.uncommitted(), 1U) << "nothing is under way any more: at once";
  leader.log.commit();
  for (const auto& ticket : {first, second, third, fourth}) EXPECT_EQ(ticket->text, "1 changed;");
}

TEST_F(ExecutorTest, BackPressureHoldsPartsAndBatchesBack) {
  Leader leader({.delta_part_bytes = 1000},
                {.in_flight_bytes_max = 3000, .bundles_in_flight_max = 64, .part_bytes = 1000});
  leader.run("CREATE TABLE t(a)");
  leader.log.is_automatic = false;
  const auto large = leader.send("INSERT INTO t VALUES(randomblob(20000))");
  const auto next = leader.send("INSERT INTO t VALUES(1)");
  const std::size_t first = leader.log.uncommitted();
  EXPECT_LE(first, 3U);
  EXPECT_EQ(leader.executor->stats().queued, 1U) << "the next does not run while parts of the last one wait";
  for (int i = 0; i < 100 && !next->has_ended; ++i) {
    EXPECT_LE(leader.executor->stats().bytes_in_flight, 3000 + 2 * 1000U + 4096);
    leader.log.commit(1);
  }
  EXPECT_EQ(large->text, "1 changed;");
  EXPECT_EQ(next->text, "1 changed;");
}

TEST_F(ExecutorTest, AnInteractiveTransactionHoldsOthersBack) {
  const std::string token = begin();
  ASSERT_FALSE(token.empty());
  EXPECT_EQ(in(token, "INSERT INTO t VALUES(1) RETURNING rowid")->text, "1,;");
  const auto other = leader_.send("INSERT INTO t VALUES(2) RETURNING rowid");
  const auto late = leader_.send(
      {.request = Leader::request_of("INSERT INTO t VALUES(3)"), .deadline = leader_.now + std::chrono::seconds(1)});
  EXPECT_FALSE(other->has_ended);
  pass(std::chrono::seconds(2));
  EXPECT_EQ(late->text, "refused: timed out before the request took effect");
  EXPECT_EQ(count(), "0");
  leader_.log.is_automatic = false;
  const auto commit = end(token, TransactionEnd::kCommit);
  EXPECT_FALSE(commit->has_ended);
  leader_.log.is_automatic = true;
  leader_.log.commit();
  EXPECT_EQ(commit->execution.end, Execution::End::kDone);
  EXPECT_EQ(other->text, "2,;");
  EXPECT_EQ(in(token, "SELECT 1")->execution.end, Execution::End::kInvalid) << "the session is closed";
  EXPECT_EQ(leader_.executor->stats().sessions, 0U);
}

TEST_F(ExecutorTest, AnInteractiveTransactionThatOnlyReadIsProven) {
  const std::string token = begin();
  EXPECT_EQ(in(token, "SELECT count(*) FROM t")->text, "0,;");
  leader_.log.is_automatic = false;
  const auto commit = end(token, TransactionEnd::kCommit);
  EXPECT_EQ(leader_.log.uncommitted(), 1U);
  leader_.log.lose_leadership(0);
  EXPECT_EQ(commit->text, "not leader");
}

TEST_F(ExecutorTest, AnIdleSessionIsRolledBack) {
  const std::string token = begin();
  EXPECT_EQ(in(token, "INSERT INTO t VALUES(1)")->text, "1 changed;");
  const auto other = leader_.send("INSERT INTO t VALUES(2)");
  ASSERT_TRUE(leader_.executor->next_deadline().has_value());
  pass(std::chrono::seconds(31));
  EXPECT_EQ(other->text, "1 changed;");
  EXPECT_EQ(in(token, "SELECT 1")->execution.end, Execution::End::kInvalid);
  EXPECT_EQ(count(), "1");
}

TEST_F(ExecutorTest, SessionsWaitForEachOther) {
  const std::string first = begin();
  std::string second;
  leader_.executor->begin(Instant::max(), [&](const Execution&, std::string token) { second = std::move(token); });
  EXPECT_TRUE(second.empty());
  EXPECT_EQ(end(first, TransactionEnd::kRollBack)->execution.end, Execution::End::kDone);
  ASSERT_FALSE(second.empty());
  EXPECT_EQ(in(second, "COMMIT")->execution.end, Execution::End::kDone);
  const std::string third = begin();
  const auto waits = in(second, "INSERT INTO t VALUES(2)");
  EXPECT_FALSE(waits->has_ended) << "the write slot is taken";
  EXPECT_EQ(in(third, "INSERT INTO t VALUES(3)")->text, "1 changed;");
  EXPECT_EQ(end(third, TransactionEnd::kCommit)->execution.end, Execution::End::kDone);
  EXPECT_EQ(waits->text, "1 changed;");
  EXPECT_EQ(count(), "2");
}

TEST_F(ExecutorTest, SessionsEndWithTheLeadership) {
  const std::string token = begin();
  in(token, "INSERT INTO t VALUES(1)");
  leader_.log.lose_leadership(0);
  leader_.log.begin_epoch();
  EXPECT_EQ(in(token, "SELECT 1")->execution.end, Execution::End::kInvalid);
  EXPECT_EQ(leader_.run("INSERT INTO t VALUES(2)"), "1 changed;");
  EXPECT_EQ(count(), "1");
}

TEST_F(ExecutorTest, ASessionThatNobodyHeardOfIsClosed) {
  leader_.log.is_automatic = false;
  const auto write = leader_.send("INSERT INTO t VALUES(1)");
  bool is_refused = false;
  leader_.executor->begin(leader_.now + std::chrono::seconds(1), [&](const Execution& execution, const std::string&) {
    is_refused = execution.end == Execution::End::kRefused;
  });
  pass(std::chrono::seconds(2));
  EXPECT_TRUE(is_refused);
  leader_.log.is_automatic = true;
  leader_.log.commit();
  EXPECT_EQ(leader_.executor->stats().sessions, 0U);
  EXPECT_EQ(leader_.run("INSERT INTO t VALUES(2)"), "1 changed;");
}

TEST_F(ExecutorTest, AJobOfAnEarlierEpochSealsNothingInTheNext) {
  leader_.sql_jobs.is_automatic = false;
  const auto stale = leader_.send("INSERT INTO t VALUES(1)");
  leader_.log.begin_epoch();
  leader_.sql_jobs.is_automatic = true;
  leader_.sql_jobs.run_all();
  EXPECT_EQ(stale->text, "not leader");
  EXPECT_EQ(leader_.run("INSERT INTO t VALUES(2)"), "1 changed;");
  Replica follower(NodeId{2});
  leader_.log.replay(follower);
  EXPECT_EQ(follower->digest(), leader_.replica->digest());
}

/// Whatever comes, replicas are equal, and a request with a key is answered alike and takes effect once.
TEST(ExecutorProperty, ReplicasStayEqualAndKeysCountOnce) {
  rc::check([] {
    Leader leader({.delta_part_bytes = 1500}, {.in_flight_bytes_max = 6000, .part_bytes = 1500});
    Replica follower(NodeId{2});
    leader.run("CREATE TABLE once(k PRIMARY KEY, n)");
    leader.run("CREATE TABLE noise(r, b, t DEFAULT CURRENT_TIMESTAMP)");
    leader.log.is_automatic = false;
    leader.sql_jobs.is_automatic = false;
    struct Sent {
      std::string key;
      Leader::TicketPtr ticket;
    };
    std::vector<Sent> sent;
    const auto insert = [](const std::string& key) {
      return "INSERT INTO once VALUES('" + key + "', random()) RETURNING n";
    };
    for (const int step : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 12))) {
      switch (step) {
        case 0:
        case 1:
        case 2: {
          const std::string key = fmt::format("k{}", *rc::gen::inRange(0, 8));
          sent.push_back({key, leader.send(insert(key), key)});
          break;
        }
        case 3: leader.send("INSERT INTO noise(r, b) VALUES(random(), randomblob(3000))"); break;
        case 4: leader.send("UPDATE noise SET b = randomblob(100)"); break;
        case 5: leader.send("VACUUM"); break;
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
      }
      leader.log.replay(follower);
      RC_ASSERT(leader.replica->digest() == follower->digest());
    }
    leader.sql_jobs.is_automatic = true;
    leader.log.is_automatic = true;
    leader.log.commit();
    leader.sql_jobs.run_all();
    if (!leader.executor->can_write()) leader.log.begin_epoch();
    leader.log.commit();
    leader.log.replay(follower);
    RC_ASSERT(leader.replica->digest() == follower->digest());
    RC_ASSERT(leader.replica.read("PRAGMA integrity_check") == "'ok'");
    std::map<std::string, std::string> answers;
    for (const Sent& request : sent) {
      RC_ASSERT(request.ticket->has_ended);
      if (request.ticket->execution.end != Execution::End::kDone) continue;
      const std::string again = leader.run(insert(request.key), request.key);
      const std::string& text = request.ticket->text;
      const bool is_repeat = request.ticket->execution.answer == Execution::Answer::kRepeated;
      RC_ASSERT(again == (is_repeat ? text : "again: " + text));
      RC_ASSERT(text.find("error") == std::string::npos);
    }
  });
}

}  // namespace
}  // namespace quorate::sqlite
