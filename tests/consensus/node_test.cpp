// The driver alone: what it does with effects, completions, callbacks and failures. The protocol behind it is tested
// elsewhere, and so is the driver under faults, by the simulator.
#include "consensus/node.hpp"

#include <deque>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include "consensus/bootstrap.hpp"

namespace quorate {
namespace {

using namespace std::chrono_literals;

/// A log whose writes complete when the test says so.
struct ManualStorage {
  struct Write {
    PersistBatch batch;
    Completion<LogId> done;
  };
  std::deque<Write> writes;
  std::vector<LogId> compacted;
  Index last;

  void submit(PersistBatch batch, Completion<LogId> done) { writes.push_back({std::move(batch), std::move(done)}); }
  void compact(LogId through) { compacted.push_back(through); }

  void complete() {
    Write write = std::move(writes.front());
    writes.pop_front();
    if (!write.batch.entries.empty()) last = write.batch.entries.back().index;
    write.done(LogId{Term{}, last});
  }
  void complete_all() {
    while (!writes.empty()) complete();
  }
  void fail_next() {
    Write write = std::move(writes.front());
    writes.pop_front();
    write.done(fail(ErrorKind::kIo, "log/1: write at offset 4096: Input/output error"));
  }
};

struct RecordingTransport {
  std::vector<Message> sent;
  Configuration connected;

  void send(Message message) { sent.push_back(std::move(message)); }
  void reconfigure(const Configuration& configuration) { connected = configuration; }
  template <class Body>
  [[nodiscard]] std::size_t count() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(sent, [](const Message& message) { return std::holds_alternative<Body>(message.body); }));
  }
};

struct ManualClock {
  Instant time{1s};
  Instant alarm;

  [[nodiscard]] Instant now() const { return time; }
  void arm(Instant deadline) { alarm = deadline; }
};

/// Remembers what was applied; checkpoints complete when the test says so.
struct RecordingMachine {
  std::vector<std::string> applied;
  std::vector<Epoch> epochs;
  std::vector<std::pair<CheckpointContext, Completion<CheckpointContext>>> checkpoints;
  bool fails = false;

  [[nodiscard]] CheckpointContext recovered() const { return {}; }
  Result<Payload> apply(const Entry& entry) {
    if (fails) return quorate::fail(ErrorKind::kIo, "disk gone");
    if (entry.kind != EntryKind::kCommand) return Payload();
    applied.emplace_back(entry.payload.text());
    return Payload::copy_of("did " + applied.back());
  }
  [[nodiscard]] std::optional<std::uint64_t> digest() const { return std::nullopt; }
  void checkpoint(CheckpointContext context, Completion<CheckpointContext> done) {
    checkpoints.emplace_back(std::move(context), std::move(done));
  }
  Result<SnapshotId> open_snapshot(NodeId, Index) { return quorate::fail(ErrorKind::kNotFound, "none"); }
  void read_snapshot(NodeId, std::uint64_t, Completion<SnapshotPiece>) {}
  void close_snapshot(NodeId) {}
  [[nodiscard]] std::optional<StagedSnapshot> staged_snapshot() const { return std::nullopt; }
  void stage_snapshot(const SnapshotId&, std::uint64_t, Payload, Completion<std::uint64_t>) {}
  void install_snapshot(const SnapshotId&, Completion<CheckpointContext>) {}
  void epoch_changed(Epoch epoch) { epochs.push_back(epoch); }
  void appended(Epoch, std::uint64_t, LogId) {}
};

using TestNode = Node<ManualStorage, RecordingTransport, RecordingMachine, ManualClock>;

class NodeTest : public ::testing::Test {
 protected:
  static NodeOptions options() {
    NodeOptions options;
    options.core.id = NodeId{1};
    options.checkpoint_entries = 3;
    return options;
  }

  /// A log that begins with a configuration of so many voters.
  static Recovered founded(std::uint64_t voters) {
    Configuration configuration;
    for (std::uint64_t id = 1; id <= voters; ++id) {
      configuration.members.push_back({NodeId{id}, Incarnation{id}, MemberKind::kVoter, 1, {}});
    }
    const PersistBatch batch = bootstrap_batch(configuration);
    return {*batch.hard_state, {}, batch.entries, {}, false, Incarnation{1}, Boot{1}};
  }

  void start(std::uint64_t voters) {
    node = std::make_unique<TestNode>(options(), founded(voters), storage, transport, machine, clock);
    storage.last = Index{1};
    node->start();
  }
  void ring_alarm() {
    clock.time = std::max(clock.time, clock.alarm);
    node->tick();
  }
  void lead_alone() {
    start(1);
    ring_alarm();
    storage.complete_all();
    ASSERT_EQ(node->core().role(), Role::kLeader);
  }
  void propose(std::string_view text) {
    node->propose(Payload::copy_of(text), [this](ProposalResult result) { results.push_back(std::move(result)); });
  }

  ManualStorage storage;
  RecordingTransport transport;
  RecordingMachine machine;
  ManualClock clock;
  std::vector<ProposalResult> results;
  std::unique_ptr<TestNode> node;
};

TEST_F(NodeTest, ConnectsToItsConfigurationAndArmsTheClock) {
  start(3);
  EXPECT_EQ(transport.connected.members.size(), 3U);
  EXPECT_GE(clock.alarm, clock.time + 300ms);
}

TEST_F(NodeTest, WhatMustWaitForAWriteIsSentWhenThatIsDurableAndNotBefore) {
  start(2);
  ring_alarm();
  ASSERT_EQ(transport.count<PreVoteRequest>(), 1U);
  Message grant{NodeId{2},      NodeId{1}, Incarnation{2},
                Incarnation{1}, {},        Term{1},
                Boot{1},        Boot{1},   PreVoteResponse{Vote::kGranted}};
  node->receive(grant);
  EXPECT_EQ(node->core().role(), Role::kCandidate);
  EXPECT_EQ(transport.count<VoteRequest>(), 0U);
  storage.complete();
  EXPECT_EQ(transport.count<VoteRequest>(), 1U);
}

TEST_F(NodeTest, OneTurnsProposalsAreOneWriteAndEachGetsItsOwnAnswer) {
  lead_alone();
  propose("a");
  propose("b");
  EXPECT_TRUE(storage.writes.empty());
  node->flush();
  ASSERT_EQ(storage.writes.size(), 1U);
  EXPECT_EQ(storage.writes.front().batch.entries.size(), 2U);
  EXPECT_TRUE(results.empty()) << "nothing is acknowledged before it is durable";
  storage.complete();
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[0].outcome, Outcome::kCommitted);
  EXPECT_EQ(results[0].result.text(), "did a");
  EXPECT_EQ(results[1].result.text(), "did b");
}

TEST_F(NodeTest, CallbacksMayCallTheNodeAgain) {  // pitfall J9
  lead_alone();
  std::string order;
  node->propose(Payload::copy_of("outer"), [&](ProposalResult) {
    order += 'o';
    node->propose(Payload::copy_of("inner"), [&](ProposalResult) { order += 'i'; });
    node->read([&](ReadResult) { order += 'r'; });
    order += '.';
  });
  node->flush();
  storage.complete_all();
  EXPECT_EQ(order, "o.ir") << "what a callback asks for is done behind what is being done, and all of it";
}

TEST_F(NodeTest, AReadIsAnsweredWhenItsIndexIsApplied) {
  lead_alone();
  std::optional<ReadResult> read;
  node->read([&](ReadResult result) { read = result; });
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->refusal, Refusal::kNone);
  bool waited = false;
  node->wait_applied(node->core().applied() + 1, [&](ReadResult) { waited = true; });
  EXPECT_FALSE(waited);
  propose("a");
  node->flush();
  storage.complete_all();
  EXPECT_TRUE(waited);
}

TEST_F(NodeTest, AFailedWriteStopsItForGoodAndAnswersEverybody) {  // pitfalls C8, C24
  lead_alone();
  propose("a");
  node->flush();
  const std::size_t sent = transport.sent.size();
  storage.fail_next();
  EXPECT_TRUE(node->has_stopped());
  EXPECT_NE(node->stop_reason().find("offset 4096"), std::string::npos);
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].outcome, Outcome::kUnknown);
  propose("b");
  ASSERT_EQ(results.size(), 2U);
  EXPECT_EQ(results[1].outcome, Outcome::kRefused);
  ring_alarm();
  EXPECT_EQ(transport.sent.size(), sent);
  EXPECT_TRUE(storage.writes.empty());
}

TEST_F(NodeTest, AFailureToApplyStopsItBeforeAnythingIsAcknowledged) {  // pitfall I6
  lead_alone();
  machine.fails = true;
  propose("a");
  node->flush();
  storage.complete_all();
  EXPECT_TRUE(node->has_stopped());
  ASSERT_EQ(results.size(), 1U);
  EXPECT_EQ(results[0].outcome, Outcome::kUnknown);
}

TEST_F(NodeTest, StoppingAnswersEveryCallOnceAndNothingFiresAfterIt) {  // pitfalls I5, J10
  lead_alone();
  propose("a");
  node->flush();
  int waits = 0;
  node->wait_applied(Index{99}, [&](ReadResult result) {
    ++waits;
    EXPECT_EQ(result.refusal, Refusal::kStopped);
  });
  node->stop("asked to");
  EXPECT_EQ(results.size(), 1U);
  EXPECT_EQ(waits, 1);
  storage.complete_all();
  EXPECT_EQ(results.size(), 1U);
  node.reset();
}

TEST_F(NodeTest, ACompletionAfterTheNodeIsGoneIsDropped) {
  lead_alone();
  propose("a");
  node->flush();
  node.reset();
  storage.complete_all();
  EXPECT_TRUE(results.empty());
}

TEST_F(NodeTest, ACheckpointBeginsByItselfAndCompactsOnceItIsDurable) {
  lead_alone();
  for (const char* text : {"a", "b", "c", "d"}) {
    propose(text);
    node->flush();
    storage.complete_all();
  }
  ASSERT_EQ(machine.checkpoints.size(), 1U) << "one at a time";
  EXPECT_TRUE(storage.compacted.empty());
  const CheckpointContext context = machine.checkpoints[0].first;
  EXPECT_EQ(context.configuration.members.size(), 1U);
  machine.checkpoints[0].second(context);
  EXPECT_EQ(node->core().checkpoint(), context.last);
}

TEST_F(NodeTest, AFailedCheckpointStopsTheNode) {
  lead_alone();
  propose("a");
  node->flush();
  storage.complete_all();
  node->checkpoint();
  ASSERT_EQ(machine.checkpoints.size(), 1U);
  machine.checkpoints[0].second(fail(ErrorKind::kIo, "snapshots/draft: No space left"));
  EXPECT_TRUE(node->has_stopped());
}

}  // namespace
}  // namespace quorate
