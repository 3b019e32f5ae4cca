// `quorate recover`: lets one survivor of a lost majority go on alone.
#pragma once

#include <iosfwd>
#include <optional>
#include <string>

#include "server/cli/exit_code.hpp"

namespace CLI {
class App;
}

namespace quorate {

struct RecoverCommand {
  std::string directory;
  bool accepts_data_loss = false;
  std::optional<std::string> new_address;
};

void describe_recover_options(CLI::App& app, RecoverCommand& command);
/// kSuccess: recovered. kFailure: only shown, or the disk failed. kUsage: this node cannot be recovered.
[[nodiscard]] cli::ExitCode run_recover(RecoverCommand command, std::ostream& out, std::ostream& err);

}  // namespace quorate
