// How an operator (or a test) tunes one node's core.
#pragma once

#include <chrono>
#include <cstdint>

#include "consensus/limits.hpp"
#include "consensus/progress.hpp"
#include "consensus/result.hpp"
#include "consensus/types.hpp"

namespace quorate {

struct Coverage;

enum class Switch : std::uint8_t { kOff, kOn };

struct CoreOptions {
  NodeId id;
  std::uint64_t seed = 0;  ///< of the election jitter; give every node another one

  Duration heartbeat_interval = std::chrono::milliseconds(75);
  /// A follower campaigns after hearing nothing for a time drawn from [election_timeout, 2 x election_timeout).
  Duration election_timeout = std::chrono::milliseconds(300);

  Switch pre_vote = Switch::kOn;      ///< thesis 9.6
  Switch check_quorum = Switch::kOn;  ///< thesis 6.2: a leader that hears no quorum steps down
  /// Answer linearizable reads without a round while the lease lasts (thesis 6.4.1). Safe only as long as the clocks of
  /// no two nodes drift apart by more than `clock_drift_ppm`; needs pre_vote and check_quorum.
  Switch lease_reads = Switch::kOff;
  std::uint32_t clock_drift_ppm = 1000;

  WindowLimits window;
  std::size_t append_bytes_max = kAppendBytesMax;
  std::size_t append_entries_max = kAppendEntriesMax;
  std::size_t snapshot_chunk_bytes = kSnapshotChunkBytesMax;
  /// Bytes that a receiver of a snapshot may be behind the reading of it.
  std::size_t snapshot_window_bytes = std::size_t{4} << 20;
  /// Proposals are refused while more than this is appended and not committed.
  std::size_t uncommitted_bytes_max = std::size_t{64} << 20;
  /// Proposals are refused while the log in memory is larger, because checkpoints do not keep up.
  std::size_t log_bytes_max = std::size_t{1} << 30;
  /// Entries kept behind a checkpoint, so that a follower that lags a little needs no snapshot.
  std::size_t trailing_bytes_max = std::size_t{16} << 20;
  /// A learner becomes a voter only when it lacks at most this many committed entries (pitfall F28).
  std::uint64_t catch_up_entries_max = 1000;

  /// Where rare branches are counted; may be null. Not part of the core's state.
  Coverage* coverage = nullptr;
};

/// Refuses combinations that would be unsafe or could not work (pitfall G10).
[[nodiscard]] Result<void> validate(const CoreOptions& options);

}  // namespace quorate
