// Whether this node can read its database: what a client's read would need - a reader, its thread, and the first page -
// is used once. Loop thread only; reader and alarms outlive the probe.
#pragma once

#include <functional>
#include <string>

#include "server/alarms.hpp"
#include "server/sql_reader.hpp"

namespace quorate::server {

/// `done` gets why it could not, or nothing. It is called once, from the loop, by the deadline.
void probe_reader(SqlReader& reader, Alarms& alarms, Instant deadline, std::function<void(std::string error)> done);

}  // namespace quorate::server
