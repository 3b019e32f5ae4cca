// `quorate inspect`: what a stopped node's directory holds.
#pragma once

#include <iosfwd>
#include <string>

#include "server/cli/exit_code.hpp"

namespace CLI {
class App;
}

namespace quorate {

struct InspectCommand {
  std::string directory;
  std::string entries;  ///< "A..B" or "A": list these instead
  bool json = false;
};

void describe_inspect_options(CLI::App& app, InspectCommand& command);
/// kSuccess: shown. kUsage: it is no stopped node's directory, or what it holds cannot be understood at all.
[[nodiscard]] cli::ExitCode run_inspect(InspectCommand command, std::ostream& out, std::ostream& err);

}  // namespace quorate
