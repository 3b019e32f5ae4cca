// Verdicts in words: what a person needs to see to believe that a history is impossible, and where to look.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "sim/checker/history.hpp"
#include "sim/checker/linearizability.hpp"

namespace quorate::checker {

/// "line 7, client 3: put "x" = 4 (outcome unknown)"
[[nodiscard]] std::string describe(const History& history, std::size_t operation);

/// What the times of a history are.
enum class TimeUnit : std::uint8_t { kNanoseconds, kEvents };

/// Several lines, each with its end.
[[nodiscard]] std::string explain(const History& history, const Violation& violation, TimeUnit unit);

}  // namespace quorate::checker
