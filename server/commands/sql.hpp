// `quorate sql`: a shell on a cluster.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "server/cli/exit_code.hpp"
#include "server/client/client_options.hpp"

namespace CLI {
class App;
}

namespace quorate {

struct SqlCommand {
  std::string host = "127.0.0.1";
  unsigned port = 4001;
  std::vector<std::string> alternatives;
  client::ClientFlags client;
  std::string mode = "column";
  std::string level = "weak";
  std::vector<std::string> statements;  ///< run these and leave
};

void describe_sql_options(CLI::App& app, SqlCommand& command);
/// Interactive if standard input is the terminal; otherwise it is run as a script.
[[nodiscard]] cli::ExitCode run_sql(SqlCommand command, std::ostream& out, std::ostream& err);

}  // namespace quorate
