// What the driver (Node) needs from the world. The simulator and the server supply different models of the same four
// concepts and run the same driver.
//
// Threads: a node lives on one strand. Everything here is called on it, and every completion is invoked on it, never
// from within the call that was handed the completion. A completion that is still owed when its owner is destroyed is
// dropped, not invoked.
#pragma once

#include <concepts>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "consensus/configuration.hpp"
#include "consensus/effect.hpp"
#include "consensus/entry.hpp"
#include "consensus/message.hpp"
#include "consensus/result.hpp"
#include "consensus/types.hpp"

namespace quorate {

template <class T>
using Completion = std::function<void(Result<T>)>;

/// A queue on which blocking work runs, one job after the other, in order: a thread in production, a queue of the
/// simulated scheduler in the simulator. `done` runs on the node's strand after the job.
template <class E>
concept SerialExecutor = requires(E executor, std::function<void()> job, std::function<void()> done) {
  executor.run(std::move(job), std::move(done));
};

/// What a log holds when it is opened.
struct Recovered {
  HardState hard_state;
  LogId base;                  ///< the entries follow this id; all up to it is covered by a snapshot
  std::vector<Entry> entries;  ///< contiguous; a damaged body is Payload::absent()
  std::vector<LogId> damaged;  ///< entries whose bodies were lost to corruption, in order
  /// Corruption has reached hard state or ids, so that what this node once promised is not known any more: it must not
  /// vote before it has caught up with a leader.
  bool promises_lost = false;
  Incarnation incarnation;
  Boot boot;

  friend bool operator==(const Recovered&, const Recovered&) = default;
};

/// The durable log.
template <class S>
concept Storage = requires(S storage, PersistBatch batch, Completion<LogId> done, LogId through) {
  /// Writes the batch and makes it durable; `done` gets the id of the last entry that the log then has. Batches
  /// complete in the order of submission. An error means that the node must stop: nothing later was written.
  storage.submit(std::move(batch), std::move(done));
  /// Deletes what a durable snapshot covers, some time after everything submitted before.
  storage.compact(through);
};

/// Best effort, never blocks, never reports success: a message may be lost, delayed, repeated and reordered. What the
/// transport receives is handed to Node::receive by its owner.
template <class T>
concept Transport = requires(T transport, Message message, const Configuration& configuration) {
  transport.send(std::move(message));
  /// Whom to be connected to from now on.
  transport.reconfigure(configuration);
};

/// Monotonic; arms one alarm, upon which the owner calls Node::tick.
template <class C>
concept Clock = requires(C clock, Instant deadline) {
  { clock.now() } -> std::same_as<Instant>;
  /// Replaces the alarm set before.
  clock.arm(deadline);
};

/// Where a state machine stands, and what else must be known to go on from there: stored with every checkpoint and
/// snapshot so that all of it changes together (pitfalls E4, E25).
struct CheckpointContext {
  LogId last;
  LogTime time;
  Configuration configuration;

  friend bool operator==(const CheckpointContext&, const CheckpointContext&) = default;
};

struct SnapshotPiece {
  Payload bytes;
  bool is_last = false;
};

struct StagedSnapshot {
  SnapshotId id;
  std::uint64_t next_offset = 0;
};

/// What is replicated. Its state is a function of the entries applied; every entry is given to it, in order, once per
/// process life, starting behind recovered(). An error of apply (but for kUnavailable), checkpoint or install stops the
/// node.
template <class M>
concept StateMachine = requires(M machine, const M constant, const Entry& entry, Epoch epoch, std::uint64_t number,
                                LogId id, NodeId to, Index base, const SnapshotId& snapshot, Payload bytes,
                                CheckpointContext context, Completion<CheckpointContext> checkpointed,
                                Completion<SnapshotPiece> read, Completion<std::uint64_t> staged) {
  /// The durable state found when the machine was opened; index 0 if there was none.
  { constant.recovered() } -> std::convertible_to<CheckpointContext>;
  /// Applies one committed entry of any kind; the result is the reply to whoever proposed it. kUnavailable: not now,
  /// and nothing has changed; the same entry is given again upon Node::resume_apply().
  { machine.apply(entry) } -> std::same_as<Result<Payload>>;
  /// Equal on all replicas that applied the same prefix; nullopt if the machine cannot tell cheaply.
  { constant.digest() } -> std::same_as<std::optional<std::uint64_t>>;

  /// Makes the state as of now durable, while later entries go on being applied. `context` describes this state.
  machine.checkpoint(std::move(context), std::move(checkpointed));

  /// Pins the newest durable state for `to`, as a difference to the state at `base` if that is possible.
  { machine.open_snapshot(to, base) } -> std::same_as<Result<SnapshotId>>;
  machine.read_snapshot(to, number, std::move(read));
  machine.close_snapshot(to);

  /// The partly received snapshot that survived a restart, if any.
  { constant.staged_snapshot() } -> std::same_as<std::optional<StagedSnapshot>>;
  /// Appends a chunk (offset 0 starts over) and makes it durable; reports how many bytes there are then.
  machine.stage_snapshot(snapshot, number, std::move(bytes), std::move(staged));
  /// Verifies the staged bytes and makes them the state, atomically and durably. kCorrupt: discarded, state as before.
  machine.install_snapshot(snapshot, std::move(checkpointed));

  /// Leader-executed machines may speculate in this epoch from now on; epoch 0: drop all speculation.
  machine.epoch_changed(epoch);
  /// A speculative proposal got its place in the log.
  machine.appended(epoch, number, id);
};

}  // namespace quorate
