// Numbers and durations as Go's standard library reads and writes them: the clients of this interface were written
// against a server that used it. Pure functions.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "consensus/types.hpp"

namespace quorate::http {

/// "1.5s", "250ms", "1h30m", "-2us", "0". Nothing if it is malformed or does not fit 64 bits of nanoseconds.
[[nodiscard]] std::optional<Duration> parse_duration(std::string_view text);
/// "0s", "56.743µs", "1m30s".
[[nodiscard]] std::string format_duration(Duration duration);

/// The shortest text that reads back as the same number, without exponent from 1e-6 up to 1e21. Finite numbers only.
void append_float(std::string& out, double number);

}  // namespace quorate::http
