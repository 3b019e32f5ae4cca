// What the log on one node's disk must hold, as far as the completions that the node was given say. The node's own
// storage is believed here when it says "durable"; whether it told the truth is seen at the next start, when what was
// recovered is compared with the mirror.
#pragma once

#include <deque>
#include <vector>

#include "consensus/concepts.hpp"
#include "consensus/effect.hpp"
#include "consensus/types.hpp"

namespace quorate::sim {

class DiskMirror {
 public:
  /// The node asked for this write; it counts once its ticket completes.
  void submitted(const PersistBatch& batch);
  /// Everything up to the ticket is durable.
  void completed(Ticket ticket);
  /// The log up to here may be gone from the disk, a snapshot covers it.
  void compacted(LogId through);
  /// A process has started and found this. What was under way at the crash is settled by it.
  void recovered(const Recovered& found);

  /// Whether the entry is durable, or covered by a durable snapshot.
  [[nodiscard]] bool holds(LogId id) const;
  [[nodiscard]] LogId last() const;
  [[nodiscard]] const HardState& hard_state() const { return hard_state_; }
  /// Whether `found` holds everything that was reported as durable.
  [[nodiscard]] bool is_kept_by(const Recovered& found) const;

 private:
  struct Pending {
    Ticket ticket;
    std::optional<LogId> reset_to;
    std::optional<Index> truncate_after;
    std::optional<HardState> hard_state;
    std::size_t entries = 0;
  };

  void cut_after(Index index);

  HardState hard_state_;
  LogId base_;
  std::deque<Term> terms_;  ///< of the entries behind base_
  std::deque<Pending> pending_;
  std::deque<Term> pending_terms_;  ///< of all pending entries, in order
};

}  // namespace quorate::sim
