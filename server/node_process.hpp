// A node as a process: one NodeServer, and the signals that tell it to stop.
//
// A recovery that a file in its directory asks for (offline/recovery_file.hpp) comes first.
//
// SIGHUP makes it read users and certificates again, if it has any.
//
// Stopping in good order: no new requests; what has arrived is answered; the node leaves the cluster if it was told to;
// leadership is handed over; the engine stops. A second signal ends the process at once, which loses nothing that was
// acknowledged.
#pragma once

#include "consensus/result.hpp"
#include "server/config.hpp"

namespace quorate::server {

/// Serves until it is told to stop (success), or cannot start or go on: the error says why, and what to do.
[[nodiscard]] Result<void> run_node_process(const NodeConfig& config);

}  // namespace quorate::server
