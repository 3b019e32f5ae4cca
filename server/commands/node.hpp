// `quorate node`: a server.
#pragma once

#include <iosfwd>

#include "server/cli/exit_code.hpp"
#include "server/config.hpp"

namespace CLI {
class App;
}

namespace quorate {

void describe_node_options(CLI::App& app, server::NodeConfig& config);
/// Serves until it is told to stop, or cannot go on.
[[nodiscard]] cli::ExitCode run_node(server::NodeConfig config, std::ostream& out, std::ostream& err);

}  // namespace quorate
