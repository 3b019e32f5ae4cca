// The recovery of a cluster that lost its majority for good, on the directory of the survivor: what it would come to,
// and the act. The rules are consensus/recovery.hpp's; here they meet a real directory.
//
// Blocking calls; one thread.
#pragma once

#include <optional>
#include <string>

#include "consensus/recovery.hpp"
#include "server/offline/stopped_node.hpp"

namespace quorate::server {

/// Below the node's directory: an account of every recovery, begun and carried out. Text; only ever appended to.
inline constexpr const char* kRecoveriesFile = "recoveries.log";

struct RecoveryPlan {
  RecoveryReport report;
  CheckpointContext checkpoint;
  Member survivor;  ///< as it will be
};

/// Changes nothing. `new_address` is host:port. kInvalidArgument: it was no voter with a copy of the data, or is alone
/// already; kCorrupt: too much is damaged to go on from.
[[nodiscard]] Result<RecoveryPlan> plan_majority_recovery(const StoppedNode& node,
                                                          const std::optional<std::string>& new_address);

/// The hour as people write it: UTC.
[[nodiscard]] std::string time_of_day();

/// Does it, durably, and writes it down before and after.
[[nodiscard]] Result<void> recover_majority(const StoppedNode& node, const RecoveryPlan& plan, const std::string& time);

}  // namespace quorate::server
