// The state machine of scenarios: a list of commands, wrapped in the engine's own client sessions, with everything that
// takes time or can fail under the scenario's control. Its durable part (newest checkpoint, staged chunks) survives a
// crash; its disk never lies.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "consensus/application.hpp"
#include "consensus/concepts.hpp"
#include "consensus/exactly_once.hpp"

namespace quorate::scenario {

/// Appends each command's text; the reply says at which place. A text that begins with '!' breaks a rule of the
/// application: it is refused, and changes nothing.
class CommandList {
 public:
  Payload apply(std::span<const std::byte> bytes, LogTime now);
  void save(std::vector<std::byte>& out) const;
  [[nodiscard]] Result<void> load(std::span<const std::byte> bytes);
  [[nodiscard]] std::uint64_t digest() const;
  [[nodiscard]] const std::vector<std::string>& commands() const { return commands_; }

  friend bool operator==(const CommandList&, const CommandList&) = default;

 private:
  std::vector<std::string> commands_;
};

class Machine {
 public:
  using State = ExactlyOnce<CommandList>;

  // The StateMachine concept.
  [[nodiscard]] CheckpointContext recovered() const { return durable_.context; }
  Result<Payload> apply(const Entry& entry);
  /// Nothing on a witness, which is given entries without bodies, and has no state.
  [[nodiscard]] std::optional<std::uint64_t> digest() const;
  void checkpoint(CheckpointContext context, Completion<CheckpointContext> done);
  Result<SnapshotId> open_snapshot(NodeId to, Index base);
  void read_snapshot(NodeId to, std::uint64_t offset, Completion<SnapshotPiece> done);
  void close_snapshot(NodeId to) { open_.erase(to); }
  [[nodiscard]] std::optional<StagedSnapshot> staged_snapshot() const;
  void stage_snapshot(const SnapshotId& id, std::uint64_t offset, Payload bytes, Completion<std::uint64_t> done);
  void install_snapshot(const SnapshotId& id, Completion<CheckpointContext> done);
  void epoch_changed(Epoch epoch) { epoch_ = epoch; }
  void appended(Epoch, std::uint64_t, LogId) {}

  /// Does the oldest job that waits. False if there is none.
  bool complete_one();
  [[nodiscard]] std::size_t pending() const { return jobs_.size(); }
  /// The next job of this name fails: apply, checkpoint, open, read, stage, install, or verify (an install that finds
  /// the staged bytes damaged).
  void fail_next(const std::string& job);
  /// The process is gone, and with it everything that was not durable.
  void crash();

  /// What is durable before the scenario begins.
  void fill(NodeId self, CheckpointContext context, State state, std::size_t chunk_bytes);

  [[nodiscard]] const State& state() const { return state_; }
  [[nodiscard]] Index applied() const { return applied_; }
  [[nodiscard]] Epoch epoch() const { return epoch_; }
  [[nodiscard]] std::uint64_t staged_bytes() const { return staged_ ? staged_->bytes.size() : 0; }
  [[nodiscard]] const CheckpointContext& durable() const { return durable_.context; }
  [[nodiscard]] std::size_t open_snapshots() const { return open_.size(); }
  [[nodiscard]] std::size_t chunk_bytes() const { return chunk_bytes_; }

 private:
  struct Saved {
    CheckpointContext context;
    State state;
  };
  struct Snapshot {
    SnapshotId id;
    std::vector<std::byte> bytes;
  };

  [[nodiscard]] bool takes_failure(const std::string& job) { return failures_.erase(job) > 0; }

  NodeId self_;
  std::size_t chunk_bytes_ = 0;
  State state_;
  Index applied_;
  bool has_bodies_ = true;
  Epoch epoch_;
  Saved durable_;
  std::map<NodeId, Snapshot> open_;
  std::optional<Snapshot> staged_;
  std::deque<std::function<void()>> jobs_;
  std::set<std::string> failures_;
};

}  // namespace quorate::scenario
