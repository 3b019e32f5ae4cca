// Guesses what a person meant who mistyped a word on the command line. Pure functions; any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace quorate::cli {

/// The candidate that `word` was most likely meant to be: the one with the fewest letters changed, left out, added or
/// swapped with a neighbour. Nothing if all of them are too far away for a mistyping.
[[nodiscard]] std::optional<std::string> closest(std::string_view word, std::span<const std::string> candidates);

}  // namespace quorate::cli
