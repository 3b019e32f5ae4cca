// How what the SQL application says of a request becomes what its client is told: one place for all that runs SQL here,
// so that the same failure is the same answer whichever way it was met. Pure functions; any thread.
#pragma once

#include <string>

#include "consensus/result.hpp"
#include "server/database.hpp"
#include "statemachine/sqlite/executor.hpp"

namespace quorate::server {

[[nodiscard]] SqlEnd refused(std::string why);
[[nodiscard]] SqlEnd not_leader();

/// Of a request that failed as a whole: it had no effect.
[[nodiscard]] SqlEnd end_of(const sqlite::SqlError& error, Ran how);
/// Of a file or of this node's own work on it. kInvalidArgument: it is the file's fault.
[[nodiscard]] SqlEnd end_of(const Error& error);
[[nodiscard]] SqlEnd end_of(const sqlite::Execution& execution);

}  // namespace quorate::server
