// Whole nodes in one process with nothing around them: messages and writes are carried out in the order in which they
// were begun, at once, and nothing is lost. What is left to measure is the engine itself: driver, core and log. For
// benchmarks and for counting allocations; faults belong to the simulator.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "consensus/concepts.hpp"
#include "consensus/node.hpp"

namespace quorate::testing {

/// Time that moves when told to.
class ManualClock {
 public:
  [[nodiscard]] Instant now() const { return now_; }
  void arm(Instant deadline) { alarm_ = deadline; }
  [[nodiscard]] Instant alarm() const { return alarm_; }
  void advance(Duration duration) { now_ += duration; }

 private:
  Instant now_{std::chrono::seconds(1)};
  Instant alarm_ = Instant::max();
};

/// Delivers by putting into the cluster's queue.
class QueueTransport {
 public:
  explicit QueueTransport(std::vector<Message>& queue) : queue_(queue) {}
  void send(Message message) { queue_.push_back(std::move(message)); }
  void reconfigure(const Configuration&) {}

 private:
  std::vector<Message>& queue_;
};

/// Jobs run, and are reported, in the next turn.
class QueueExecutor {
 public:
  void run(std::function<void()> job, std::function<void()> done) {
    waiting_.emplace_back(std::move(job), std::move(done));
  }

  /// False if there was nothing to do.
  bool complete_all() {
    if (waiting_.empty()) return false;
    running_.swap(waiting_);
    for (auto& [job, done] : running_) {
      job();
      done();
    }
    running_.clear();
    return true;
  }

 private:
  std::vector<std::pair<std::function<void()>, std::function<void()>>> waiting_;
  std::vector<std::pair<std::function<void()>, std::function<void()>>> running_;
};

/// A storage that keeps nothing: the entries are in the core's log already.
class ForgetfulStorage {
 public:
  explicit ForgetfulStorage(QueueExecutor& executor) : executor_(executor) {}
  void submit(PersistBatch batch, Completion<LogId> done) {
    if (batch.reset_to) last_ = *batch.reset_to;
    if (!batch.entries.empty()) last_ = batch.entries.back().id();
    executor_.run([] {}, [last = last_, done = std::move(done)] { done(last); });
  }
  void compact(LogId) {}

 private:
  QueueExecutor& executor_;
  LogId last_;
};

/// Counts what it is given; its checkpoints are durable at once, so that the log is compacted.
class CountingMachine {
 public:
  CountingMachine(QueueExecutor& executor, Configuration configuration)
      : executor_(executor), start_{{}, {}, std::move(configuration)} {}

  [[nodiscard]] const CheckpointContext& recovered() const { return start_; }
  Result<Payload> apply(const Entry& entry) {
    if (entry.kind == EntryKind::kCommand) ++commands_;
    return Payload{};
  }
  [[nodiscard]] std::optional<std::uint64_t> digest() const { return commands_; }
  void checkpoint(CheckpointContext context, Completion<CheckpointContext> done) {
    executor_.run([] {}, [context = std::move(context), done = std::move(done)] { done(context); });
  }
  Result<SnapshotId> open_snapshot(NodeId, Index) { return fail(ErrorKind::kUnavailable, "nobody lags here"); }
  void read_snapshot(NodeId, std::uint64_t, Completion<SnapshotPiece>) { QUORATE_ASSERT(false); }
  void close_snapshot(NodeId) {}
  [[nodiscard]] std::optional<StagedSnapshot> staged_snapshot() const { return std::nullopt; }
  void stage_snapshot(const SnapshotId&, std::uint64_t, Payload, Completion<std::uint64_t>) { QUORATE_ASSERT(false); }
  void install_snapshot(const SnapshotId&, Completion<CheckpointContext>) { QUORATE_ASSERT(false); }
  void epoch_changed(Epoch) {}
  void appended(Epoch, std::uint64_t, LogId) {}

 private:
  QueueExecutor& executor_;
  CheckpointContext start_;
  std::uint64_t commands_ = 0;
};

template <Storage S>
class InProcessCluster {
 public:
  using EngineNode = Node<S, QueueTransport, CountingMachine, ManualClock>;

  explicit InProcessCluster(std::uint64_t voters, const NodeOptions& options = {}) {
    Configuration configuration;
    for (std::uint64_t id = 1; id <= voters; ++id) {
      configuration.members.push_back({NodeId{id}, Incarnation{id}, MemberKind::kVoter, 1, {}});
    }
    for (std::uint64_t id = 1; id <= voters; ++id)
      members_.push_back(std::make_unique<Host>(*this, id, configuration, options));
    for (auto& host : members_) host->node.start();
    elect_first();
  }

  EngineNode& leader() { return members_.front()->node; }
  [[nodiscard]] std::uint64_t messages_delivered() const { return messages_delivered_; }

  /// Delivers and completes everything until nothing moves.
  void settle() {
    for (bool moved = true; moved;) {
      moved = !queue_.empty();
      delivering_.swap(queue_);
      messages_delivered_ += delivering_.size();
      for (Message& message : delivering_) {
        const std::size_t to = message.to.value - 1;
        members_[to]->node.receive(std::move(message));
      }
      delivering_.clear();
      for (auto& host : members_) {
        if (host->executor.complete_all()) moved = true;
      }
    }
  }

  void advance(Duration duration) {
    for (auto& host : members_) {
      host->clock.advance(duration);
      if (host->clock.alarm() <= host->clock.now()) host->node.tick();
    }
    settle();
  }

 private:
  struct Host {
    Host(InProcessCluster& cluster, std::uint64_t id, const Configuration& configuration, NodeOptions options)
        : storage(executor),
          transport(cluster.queue_),
          machine(executor, configuration),
          node(with_id(options, id), {.incarnation = Incarnation{id}, .boot = Boot{1}}, storage, transport, machine,
               clock) {}

    static NodeOptions with_id(NodeOptions options, std::uint64_t id) {
      options.core.id = NodeId{id};
      options.core.seed = id;
      return options;
    }

    ManualClock clock;
    QueueExecutor executor;
    S storage;
    QueueTransport transport;
    CountingMachine machine;
    EngineNode node;
  };

  /// Only the first node's time moves until it leads.
  void elect_first() {
    Host& first = *members_.front();
    while (first.node.core().role() != Role::kLeader) {
      first.clock.advance(first.clock.alarm() - first.clock.now());
      first.node.tick();
      settle();
    }
  }

  std::vector<std::unique_ptr<Host>> members_;
  std::vector<Message> queue_;
  std::vector<Message> delivering_;
  std::uint64_t messages_delivered_ = 0;
};

}  // namespace quorate::testing
