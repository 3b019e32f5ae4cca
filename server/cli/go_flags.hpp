// Flags as programs written in Go take them: long names behind one dash or two. Pure functions; any thread.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace quorate::cli {

/// The arguments with "-long-name" written as "--long-name". "-h" and everything else stays as it is, and nothing is
/// changed behind "--".
[[nodiscard]] std::vector<std::string> with_two_dashes(std::span<const std::string> arguments);

}  // namespace quorate::cli
