// A closed-loop HTTP load generator: every connection sends its next request when an answer to an earlier one has come.
// One thread. It speaks rqlite's API only as far as any server of it does, so that other servers can be measured too.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "consensus/result.hpp"
#include "server/bench/histogram.hpp"
#include "server/client/client_options.hpp"

namespace quorate::bench {

struct LoadOptions {
  client::ClientOptions client;  ///< connections are spread over its hosts in turn
  unsigned connections = 64;
  unsigned pipeline = 1;  ///< requests under way on each connection
  std::chrono::milliseconds warm_up{1000};
  std::chrono::milliseconds duration{10000};
  unsigned write_percent = 100;
  unsigned row_bytes = 128;
  unsigned rows = 10000;        ///< that are there for reads
  std::string level = "weak";   ///< of reads
  std::string path;             ///< send all requests here instead, whatever the server makes of them
  std::string method = "POST";  ///< with `path`
  std::uint64_t seed = 1;       ///< of the choice of rows
};

struct LoadResult {
  std::chrono::nanoseconds measured{};
  Histogram writes;
  Histogram reads;
  std::map<std::string, std::uint64_t> errors;  ///< by what the server answered

  [[nodiscard]] double per_second(const Histogram& histogram) const {
    return static_cast<double>(histogram.count()) / std::chrono::duration<double>(measured).count();
  }
};

/// Creates the table and the rows that the load needs.
[[nodiscard]] Result<void> prepare(const LoadOptions& options);

/// Blocks until the load has run. `progress` is called about once a second with the seconds that passed and the answers
/// that came within the last one.
[[nodiscard]] Result<LoadResult> run_load(
    const LoadOptions& options, const std::function<void(std::uint64_t seconds, std::uint64_t answers)>& progress);

}  // namespace quorate::bench
