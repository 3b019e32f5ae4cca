// A SQLite file as a client of the simulated database sends it in: a table `loaded` whose rows all bear one mark, so
// that whoever reads it can tell whose file it is, and whether it is one file.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace quorate::sim {

inline constexpr int kFileRows = 40;

/// The same mark gives the same bytes.
[[nodiscard]] std::vector<std::byte> sql_file(const std::string& mark);

}  // namespace quorate::sim
