// The bodies of requests: statements with their parameters, as JSON or as plain text. Takes any bytes whatever; what it
// allocates is bounded by the limits below. Pure functions.
//
//   ["SQL", ["SQL", parameter...], ["SQL", {"name": parameter...}], ...]
//
// A parameter is null, true, false, a number, a string, or, for a BLOB, a string x'48656C' or an array of numbers
// 0-255. Integers that fit 64 bits are exact; other numbers are the nearest double. What follows the closing bracket is
// ignored.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "consensus/result.hpp"
#include "statemachine/sqlite/request.hpp"

namespace quorate::http {

inline constexpr std::size_t kStatementsMax = 250'000;
/// Of all statements of a request.
inline constexpr std::size_t kParametersMax = 2'000'000;
inline constexpr std::size_t kJsonDepthMax = 32;

/// The error's message is the text that the client gets with 400.
[[nodiscard]] Result<std::vector<sqlite::SqlStatement>> parse_statements(std::string_view json);

}  // namespace quorate::http
