// `quorate check`: is a recorded history what a correct object could have answered?
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

struct CheckCommand {
  std::string file;
  std::string model;
  std::string format = "auto";
  std::optional<std::string> initial;  ///< as in EDN; what is usual for the format, if absent
  std::optional<std::string> failed;   ///< the reader's options, if the format's usual meaning is not meant
  std::optional<std::string> nil_read;
  bool independent_keys = false;
  double timeout_seconds = 60;
  std::uint64_t memory_bytes = std::uint64_t{2} << 30;
};

void describe_check_options(CLI::App& app, CheckCommand& command);
/// kSuccess: linearizable. kFailure: not. kUndecided: the limits did not suffice. kUsage: there is nothing to judge.
[[nodiscard]] cli::ExitCode run_check(CheckCommand command, std::ostream& out, std::ostream& err);

}  // namespace quorate
