// rqlite's way to recover from the loss of a majority: a file raft/peers.json in the data directory, which says who is
// to belong to the cluster when the node is started the next time. Here it asks for what `quorate recover` does
// (majority_recovery.hpp), on one condition: that it names one voter, the survivor that goes on. Several survivors
// cannot go on together, because each may have what the others have not; which has the most is for a person to see.
//
//   there is no file                                     nothing happens
//   this node is the only voter in it                    recovery, and the file is renamed raft/peers.info
//   this node is the only member of its cluster already  nothing is to be done; it is renamed all the same
//   anything else                                        refused, with what to do; nothing has changed
//
// An interrupted recovery is taken up again, or found done, at the next start. Blocking calls, before the node runs.
#pragma once

#include "consensus/result.hpp"
#include "server/config.hpp"

namespace quorate::server {

/// Below the node's directory.
inline constexpr const char* kRecoveryFile = "raft/peers.json";
inline constexpr const char* kUsedRecoveryFile = "raft/peers.info";

/// The configuration is complete. What is done is logged, and written down like every recovery.
[[nodiscard]] Result<void> recover_as_the_file_says(const NodeConfig& config);

}  // namespace quorate::server
