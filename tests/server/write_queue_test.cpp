// Queued writes: batches, acknowledgements, failures of one and of all, and what is repeated.
#include "server/write_queue.hpp"

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace quorate::server {
namespace {

using namespace std::chrono_literals;
using sqlite::Atomicity;
using sqlite::StatementResult;

class WriteQueueTest : public testing::Test {
 protected:
  struct Sent {
    SqlRequest request;
    std::function<void(SqlOutcome)> done;
  };

  WriteQueue& queue() {
    if (queue_ == nullptr)
      queue_ = std::make_unique<WriteQueue>(
          options, 7,
          [this](SqlRequest request, std::function<void(SqlOutcome)> done) {
            sent.push_back({std::move(request), std::move(done)});
          },
          [this](Duration delay, std::function<void()> task) { alarms.emplace_back(delay, std::move(task)); },
          [this](const std::string& what) { complaints.push_back(what); });
    return *queue_;
  }
  /// `log` hears "+name" when it is acknowledged and "name" or "name: error" when it was executed.
  void add(const std::string& name, std::vector<std::string> texts = {}, Atomicity atomicity = Atomicity::kEach) {
    if (texts.empty()) texts = {name};
    QueuedWrite write{.statements = {}, .atomicity = atomicity};
    for (const std::string& text : texts) write.statements.push_back({text, {}});
    write.acknowledge = [this, name] { log.push_back("+" + name); };
    write.executed = [this, name](const std::string& error) {
      log.push_back(error.empty() ? name : name + ": " + error);
    };
    EXPECT_EQ(queue().add(std::move(write)), WriteQueue::Taken::kYes);
  }
  std::vector<std::string> texts(std::size_t batch) const {
    std::vector<std::string> texts;
    for (const auto& statement : sent.at(batch).request.sql.statements) texts.push_back(statement.sql);
    return texts;
  }
  /// Ends a batch: every statement succeeds, but those that begin with "bad".
  void execute(std::size_t batch) {
    SqlOutcome outcome;
    for (const std::string& text : texts(batch)) {
      StatementResult result{.kind = StatementResult::Kind::kChanges};
      if (text.starts_with("bad")) {
        result.kind = StatementResult::Kind::kError;
        result.error.message = "wrong";
      }
      outcome.results.push_back(std::move(result));
      const bool ends = sent[batch].request.sql.atomicity == Atomicity::kTransaction;
      if (ends && text.starts_with("bad")) break;
    }
    sent[batch].done(std::move(outcome));
  }
  void end(std::size_t batch, SqlEnd::Kind kind, const std::string& error = "no") {
    sent.at(batch).done({.end = {.kind = kind, .error = error}});
  }
  void ring() {
    for (auto& [delay, task] : std::exchange(alarms, {})) task();
  }
  std::vector<std::string> heard() { return std::exchange(log, {}); }
  using Texts = std::vector<std::string>;

  WriteQueueOptions options{.capacity = 4, .batch_size = 3, .timeout = 50ms};
  std::vector<Sent> sent;
  std::vector<std::pair<Duration, std::function<void()>>> alarms;
  std::vector<std::string> log;
  std::vector<std::string> complaints;

 private:
  std::unique_ptr<WriteQueue> queue_;
};

TEST_F(WriteQueueTest, ABatchIsSentWhenItIsFull) {
  add("a");
  add("b");
  EXPECT_TRUE(sent.empty());
  add("c");
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(texts(0), (Texts{"a", "b", "c"}));
  EXPECT_EQ(heard(), (Texts{"+a", "+b", "+c"})) << "acknowledged, and not executed yet";
  execute(0);
  EXPECT_EQ(heard(), (Texts{"a", "b", "c"}));
}

TEST_F(WriteQueueTest, OrAfterAWhile) {
  add("a");
  ASSERT_EQ(alarms.size(), 1U);
  EXPECT_EQ(alarms[0].first, 50ms);
  ring();
  EXPECT_EQ(texts(0), Texts{"a"});
}

TEST_F(WriteQueueTest, WhatComesMeanwhileMakesTheNextBatch) {
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g"}) add(name);
  EXPECT_EQ(sent.size(), 1U) << "one at a time keeps the order";
  execute(0);
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(texts(1), (Texts{"d", "e", "f", "g"})) << "all that is there, up to the capacity";
  EXPECT_NE(sent[0].request.options.idempotency_key, sent[1].request.options.idempotency_key);
}

TEST_F(WriteQueueTest, BeyondTheCapacityTheAcknowledgementWaits) {
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g"}) add(name);
  heard();
  add("h");
  EXPECT_EQ(heard(), Texts{}) << "d to g fill the queue";
  execute(0);
  EXPECT_EQ(heard(), (Texts{"a", "b", "c", "+h"}));
}

TEST_F(WriteQueueTest, WhatFailsIsToldToItsOwnClientOnly) {
  add("a", {"one", "bad two", "three"});
  add("b");
  add("c", {"", "bad", ""});
  heard();
  execute(0);
  EXPECT_EQ(heard(), (Texts{"a: wrong", "b", "c: wrong"}));
  EXPECT_EQ(queue().stats().failed, 2U);
}

TEST_F(WriteQueueTest, WhatWasNotReachedInTimeIsSentAgain) {
  for (const char* name : {"a", "slow", "b"}) add(name);
  heard();
  SqlOutcome outcome;  // the second statement has used up the time: there is nothing about those behind it
  outcome.results.resize(2);
  outcome.results[0].kind = StatementResult::Kind::kChanges;
  outcome.results[1].kind = StatementResult::Kind::kError;
  outcome.results[1].error.message = "execute timeout";
  sent[0].done(std::move(outcome));
  EXPECT_EQ(heard(), (Texts{"a", "slow: execute timeout"})) << "nobody is told what did not happen";
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(texts(1), Texts{"b"});
  EXPECT_NE(sent[1].request.options.idempotency_key, sent[0].request.options.idempotency_key);
  execute(1);
  EXPECT_EQ(heard(), Texts{"b"});
}

TEST_F(WriteQueueTest, WhatFailsAndNobodyWaitsForIsComplainedAbout) {
  EXPECT_EQ(queue().add({.statements = {{"bad", {}}}}), WriteQueue::Taken::kYes);
  ring();
  execute(0);
  ASSERT_EQ(complaints.size(), 1U);
  EXPECT_NE(complaints[0].find("wrong"), std::string::npos);
}

TEST_F(WriteQueueTest, WhatHadNoEffectOrMayHaveHadOneIsRepeatedWithTheSameKey) {
  add("a");
  ring();
  heard();
  for (const auto kind : {SqlEnd::Kind::kNotLeader, SqlEnd::Kind::kRefused, SqlEnd::Kind::kUnknown}) {
    end(sent.size() - 1, kind);
    EXPECT_TRUE(heard().empty());
    ring();
    EXPECT_EQ(sent.back().request.options.idempotency_key, sent.front().request.options.idempotency_key);
    EXPECT_EQ(texts(sent.size() - 1), Texts{"a"});
  }
  execute(sent.size() - 1);
  EXPECT_EQ(heard(), Texts{"a"});
  EXPECT_EQ(queue().stats().repeats, 3U);
}

TEST_F(WriteQueueTest, ABatchThatIsRefusedAsAWholeIsSentOneByOne) {
  for (const char* name : {"a", "b", "c", "d"}) add(name);
  heard();
  end(0, SqlEnd::Kind::kTooLarge, "too large");
  EXPECT_EQ(texts(1), Texts{"a"});
  execute(1);
  EXPECT_EQ(texts(2), Texts{"b"});
  end(2, SqlEnd::Kind::kTooLarge, "too large");
  execute(3);
  EXPECT_EQ(heard(), (Texts{"a", "b: too large", "c"}));
  EXPECT_EQ(texts(4), Texts{"d"});
}

TEST_F(WriteQueueTest, InTransactionsOneFailureUndoesNobodyElse) {
  options.in_transactions = true;
  for (const char* name : {"a", "bad", "c"}) add(name);
  heard();
  EXPECT_EQ(sent[0].request.sql.atomicity, Atomicity::kTransaction);
  execute(0);
  EXPECT_TRUE(heard().empty()) << "the transaction was undone";
  execute(1);
  execute(2);
  execute(3);
  EXPECT_EQ(heard(), (Texts{"a", "bad: wrong", "c"}));
  EXPECT_EQ(sent.size(), 4U);
}

TEST_F(WriteQueueTest, ATransactionIsABatchOfItsOwn) {
  add("a");
  add("t", {"one", "two"}, Atomicity::kTransaction);
  add("b");
  EXPECT_EQ(texts(0), Texts{"a"});
  execute(0);
  EXPECT_EQ(texts(1), (Texts{"one", "two"}));
  EXPECT_EQ(sent[1].request.sql.atomicity, Atomicity::kTransaction);
  execute(1);
  EXPECT_EQ(texts(2), Texts{"b"});
  EXPECT_EQ(sent[2].request.sql.atomicity, Atomicity::kEach);
}

TEST_F(WriteQueueTest, ARepeatedBatchWhoseAnswerIsForgottenIsNotExecutedAgain) {
  options.in_transactions = true;
  for (const char* name : {"a", "b", "c"}) add(name);
  heard();
  StatementResult forgotten{.kind = StatementResult::Kind::kError};
  forgotten.error.message = kResultNotKept;
  sent[0].done({.results = {forgotten}});
  EXPECT_EQ(sent.size(), 1U);
  EXPECT_EQ(heard().size(), 3U);
}

TEST_F(WriteQueueTest, TooMuchIsRefused) {
  QueuedWrite large{.statements = {{std::string(kQueuedBytesMax / 2, 'x'), {}}}};
  EXPECT_EQ(queue().add(large), WriteQueue::Taken::kYes);
  EXPECT_EQ(queue().add(large), WriteQueue::Taken::kTooMuch);
  ring();
  EXPECT_EQ(queue().add(large), WriteQueue::Taken::kYes) << "the first one is on its way";
}

TEST_F(WriteQueueTest, DrainingWaitsForNobodyAndForEverything) {
  bool is_drained = false;
  add("a");
  queue().drain([&] { is_drained = true; });
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_FALSE(is_drained);
  end(0, SqlEnd::Kind::kNotLeader);
  ring();
  EXPECT_FALSE(is_drained);
  execute(1);
  EXPECT_TRUE(is_drained);
}

TEST_F(WriteQueueTest, AnEmptyQueueIsDrainedAtOnce) {
  bool is_drained = false;
  queue().drain([&] { is_drained = true; });
  EXPECT_TRUE(is_drained);
}

}  // namespace
}  // namespace quorate::server
