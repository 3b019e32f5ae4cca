// `quorate bench`: how fast a cluster is, as a client sees it.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "server/bench/load.hpp"
#include "server/cli/exit_code.hpp"

namespace CLI {
class App;
}

namespace quorate {

struct BenchCommand {
  bench::LoadOptions load;
  std::vector<std::string> hosts = {"127.0.0.1:4001"};
  client::ClientFlags client;
  double seconds = 10;
  double warm_up_seconds = 2;
  bool json = false;
  bool skip_prepare = false;
};

void describe_bench_options(CLI::App& app, BenchCommand& command);
[[nodiscard]] cli::ExitCode run_bench(BenchCommand command, std::ostream& out, std::ostream& err);

}  // namespace quorate
