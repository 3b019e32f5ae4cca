// What the leader does for the database from time to time: VACUUM (-auto-vacuum-int) and PRAGMA optimize
// (-auto-optimize-int). Intervals are counted from the start of the process, on every node, and whoever leads when one
// is over does the work; a VACUUM holds other writes back while it runs, as one that a client sends.
//
// Loop thread only. What it refers to outlives it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "server/config.hpp"
#include "server/database.hpp"
#include "server/sql_outcome.hpp"

namespace quorate::server {

struct UpkeepCounts {
  std::uint64_t done = 0;
  std::uint64_t failed = 0;
};

class Upkeep {
 public:
  struct Surroundings {
    std::function<bool()> is_leader;
    std::function<void(SqlRequest, std::function<void(SqlOutcome)>)> execute;
    std::function<void(Duration, std::function<void()>)> after;
  };

  Upkeep(Surroundings surroundings, const NodeConfig& config);
  Upkeep(const Upkeep&) = delete;
  Upkeep& operator=(const Upkeep&) = delete;

  /// Once. An interval of 0 is none.
  void start();
  [[nodiscard]] const UpkeepCounts& vacuums() const { return vacuum_.counts; }
  [[nodiscard]] const UpkeepCounts& optimizations() const { return optimize_.counts; }

 private:
  struct Task {
    std::string sql;
    Duration interval;
    UpkeepCounts counts;
  };

  void do_later(Task& task);
  void execute(Task& task);

  Surroundings surroundings_;
  Task vacuum_;
  Task optimize_;
  std::shared_ptr<const char> life_ = std::make_shared<const char>();
};

}  // namespace quorate::server
