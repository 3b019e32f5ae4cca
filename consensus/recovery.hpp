// Recovery of a cluster that has lost its majority for good: one survivor goes on alone, in a new generation, with
// everything its log holds. An explicit, offline operation on a stopped node's directory; it can lose acknowledged
// writes, which is why nothing ever does it by itself and why it accounts for what it did.
//
// Use the survivor whose log is the most complete (compare RecoveryReport::last of all of them, as elections do). The
// other survivors must not be recovered beside it: they come back with empty directories and join. Until then they are
// refused, because their messages carry the old generation, and so is their old leader, should it ever wake up.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "consensus/concepts.hpp"
#include "consensus/configuration.hpp"
#include "consensus/effect.hpp"

namespace quorate {

struct RecoveryReport {
  NodeId survivor;
  Generation generation_before;
  Generation generation;
  std::vector<Member> left_behind;  ///< members that are not part of the new generation
  LogId last;                       ///< the newest entry that is kept
  Index known_committed;            ///< everything up to here had been committed for sure
  /// Entries behind known_committed that are kept. The old cluster may have refused or forgotten them; they count now.
  std::uint64_t adopted = 0;
  /// Entries that had to be given up, because their bodies are damaged here or because they follow such a one.
  std::uint64_t given_up = 0;

  /// A few lines for the operator and for the log.
  [[nodiscard]] std::string describe() const;
};

struct Recovery {
  PersistBatch batch;  ///< to be made durable in the survivor's log, before it is started again
  RecoveryReport report;
};

/// Plans the recovery; changes nothing. `recovered` and `applied` are what the directory holds. kInvalidArgument if
/// this node was not a voter with a copy of the data, so that it cannot go on alone. With a `new_address`, the survivor
/// is a member of the new generation under that one.
[[nodiscard]] Result<Recovery> plan_recovery(NodeId survivor, const Recovered& recovered,
                                             const CheckpointContext& applied,
                                             const std::optional<std::string>& new_address = std::nullopt);

}  // namespace quorate
