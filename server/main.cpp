// The one binary. Everything here is wiring: which commands there are. What they do is in commands/.
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "server/cli/go_flags.hpp"
#include "server/cli/parse.hpp"
#include "server/commands/bench.hpp"
#include "server/commands/check.hpp"
#include "server/commands/inspect.hpp"
#include "server/commands/node.hpp"
#include "server/commands/recover.hpp"
#include "server/commands/sim.hpp"
#include "server/commands/sql.hpp"
#include "server/commands/verify.hpp"
#include "server/version.hpp"

namespace quorate {
namespace {

using cli::ExitCode;

/// The subcommands of an app, of which the command line chooses one.
class Commands {
 public:
  explicit Commands(CLI::App& app) : app_(app) { app_.require_subcommand(1); }

  /// `describe` declares the options, which fill in a Command; `run` is what the process does if it is chosen.
  template <class Command>
  void add(const char* name, const char* summary, void (*describe)(CLI::App&, Command&),
           ExitCode (*run)(Command, std::ostream&, std::ostream&)) {
    const auto command = std::make_shared<Command>();
    CLI::App* subcommand = app_.add_subcommand(name, summary);
    describe(*subcommand, *command);
    subcommand->callback([this, command, run] { chosen_ = [=] { return run(*command, std::cout, std::cerr); }; });
  }

  ExitCode run_chosen() const { return chosen_(); }

 private:
  CLI::App& app_;
  std::function<ExitCode()> chosen_;
};

ExitCode run(int argc, char** argv) {
  CLI::App app{"Quorate: a replicated SQLite database, and the tools that test the Raft engine under it.", "quorate"};
  app.set_version_flag("--version", describe_build());
  cli::make_help_readable(app);

  Commands commands(app);
  commands.add("bench", "Measure how fast a cluster answers over HTTP", describe_bench_options, run_bench);
  commands.add("check", "Judge whether a recorded history is linearizable", describe_check_options, run_check);
  commands.add("inspect", "Show what a stopped node has stored", describe_inspect_options, run_inspect);
  commands.add("node", "Serve SQL as a member of a cluster", describe_node_options, run_node);
  commands.add("recover", "Let one survivor of a lost majority go on alone", describe_recover_options, run_recover);
  commands.add("sim", "Run clusters in simulated time, under faults drawn from seeds", describe_sim_options, run_sim);
  commands.add("sql", "Open a shell on a cluster, or run statements on it", describe_sql_options, run_sql);
  commands.add("verify", "Say whether what a stopped node has stored is whole", describe_verify_options, run_verify);

  // The flags of a node are those of a program written in Go.
  std::vector<std::string> arguments(argv, argv + argc);
  if (argc > 1 && arguments[1] == "node") arguments = cli::with_two_dashes(arguments);
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  if (const auto code = cli::parse(app, argc, pointers.data())) return *code;
  return commands.run_chosen();
}

}  // namespace
}  // namespace quorate

int main(int argc, char** argv) { return static_cast<int>(quorate::run(argc, argv)); }
