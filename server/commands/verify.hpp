// `quorate verify`: whether all that a stopped node has stored is as it was written.
#pragma once

#include <iosfwd>
#include <string>

#include "server/cli/exit_code.hpp"

namespace CLI {
class App;
}

namespace quorate {

struct VerifyCommand {
  std::string directory;
};

void describe_verify_options(CLI::App& app, VerifyCommand& command);
/// kSuccess: whole. kFailure: damaged. kUsage: there is nothing to verify, or it is in use.
[[nodiscard]] cli::ExitCode run_verify(VerifyCommand command, std::ostream& out, std::ostream& err);

}  // namespace quorate
