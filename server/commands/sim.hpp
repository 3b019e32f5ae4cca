// `quorate sim`: simulated clusters under faults drawn from seeds, checked after every event.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>

#include "server/cli/exit_code.hpp"

namespace CLI {
class App;
}

namespace quorate {

struct SimCommand {
  std::string app = "kv";
  std::optional<std::uint64_t> nodes;  ///< voters of each cluster; drawn from the seed if absent
  std::string seeds = "1..100";
  std::string faults = "all";
  double duration_seconds = 10;
  std::uint64_t jobs = 1;
  bool beyond_budget = false;
  bool require_coverage = false;
  bool shrink = false;

  std::string schedule;       ///< a plan to carry out instead of drawing one
  std::string save_schedule;  ///< where to write the plan of the run that is shown
  std::string timeline;
  std::string history;
  std::string trace;
};

void describe_sim_options(CLI::App& app, SimCommand& command);
/// kSuccess: every run passed. kFailure: one did not. kUndecided: none failed, and the checker gave one up.
[[nodiscard]] cli::ExitCode run_sim(SimCommand command, std::ostream& out, std::ostream& err);

}  // namespace quorate
