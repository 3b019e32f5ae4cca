// What the operating system says of this process, for those who watch it. Reads /proc (Linux); what cannot be read is
// 0. Any thread; some microseconds, more with thousands of open files.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace quorate::server {

struct ProcessFigures {
  std::uint64_t resident_bytes = 0;
  std::uint64_t virtual_bytes = 0;
  std::uint64_t open_files = 0;
  std::uint64_t threads = 0;
  std::chrono::duration<double> processor_time{};  ///< of all threads
};

[[nodiscard]] ProcessFigures process_figures();

/// Where the program is; empty if that is not known.
[[nodiscard]] std::string executable_path();

/// The room that files below a directory take; what vanishes meanwhile is not counted.
[[nodiscard]] std::uint64_t bytes_below(const std::string& directory);

}  // namespace quorate::server
