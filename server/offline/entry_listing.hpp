// What single entries of the log carry, for people and as JSON. Pure functions; hostile bytes are described, not
// trusted.
#pragma once

#include <string>

#include "consensus/entry.hpp"

namespace quorate::server {

[[nodiscard]] const char* name_of(EntryKind kind);

/// One line: "main: 3 of 12 pages; 1 outcome", "n1 voter, n2 voter". Empty if there is nothing to say.
[[nodiscard]] std::string describe_payload(const Entry& entry);

}  // namespace quorate::server
