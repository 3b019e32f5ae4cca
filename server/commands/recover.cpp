#include "server/commands/recover.hpp"

#include <ostream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "server/member_address.hpp"
#include "server/offline/majority_recovery.hpp"

namespace quorate {
namespace {

using cli::ExitCode;
using server::RecoveryPlan;
using server::StoppedNode;

ExitCode complain(std::ostream& err, const Error& error, ExitCode code) {
  err << "quorate recover: " << error.message << '\n';
  return code;
}

void print_what_to_do_next(const StoppedNode& node, const RecoveryPlan& plan, std::ostream& out) {
  const std::string address = server::endpoint_in(plan.survivor.address);
  out << fmt::format(
      "Recovered; the account is in {}/{}.\n\n"
      "Start it with its other options as before, and without -join:\n"
      "  quorate node -node-id {} -raft-addr {} {}\n"
      "Every other node comes back, or a new one comes, with an empty directory:\n"
      "  quorate node -node-id NAME -raft-addr HOST:PORT -join {} EMPTY_DIRECTORY\n",
      node.path(), server::kRecoveriesFile, node.record().name, address, node.path(), address);
}

}  // namespace

void describe_recover_options(CLI::App& app, RecoverCommand& command) {
  app.footer(
      "For a cluster that has lost the disks of a majority for good, and only then: while a majority can come back,\n"
      "wait for it. Stop all survivors, compare their `quorate inspect`, and recover the one whose \"last\" is the\n"
      "greatest; the others must be emptied and join again. docs/recovery.md has the whole of it.\n\n"
      "  quorate recover data                        shows what would happen, changes nothing\n"
      "  quorate recover data --accept-data-loss     does it\n\n"
      "Exit code: 0 recovered, 1 only shown, or the disk failed, 2 this node cannot be recovered.");
  app.add_option("directory", command.directory, "The survivor's data directory")->required()->type_name("DIR");
  app.add_flag("--accept-data-loss", command.accepts_data_loss,
               "Do it: writes that only the lost nodes had are lost for good");
  app.add_option("--new-address", command.new_address, "Where nodes reach the survivor from now on (-raft-adv-addr)")
      ->type_name("HOST:PORT");
}

ExitCode run_recover(RecoverCommand command, std::ostream& out, std::ostream& err) {
  const auto node = StoppedNode::open(command.directory);
  if (!node) return complain(err, node.error(), ExitCode::kUsage);
  const auto plan = server::plan_majority_recovery(*node, command.new_address);
  if (!plan) return complain(err, plan.error(), ExitCode::kUsage);
  out << fmt::format("{}:\n{}\n", node->record().name, plan->report.describe());
  if (!command.accepts_data_loss) {
    out << "Nothing has been changed. To do it, say so: quorate recover --accept-data-loss " << command.directory
        << '\n';
    return ExitCode::kFailure;
  }
  if (auto done = server::recover_majority(*node, *plan, server::time_of_day()); !done) {
    return complain(err, done.error(), ExitCode::kFailure);
  }
  print_what_to_do_next(*node, *plan, out);
  return ExitCode::kSuccess;
}

}  // namespace quorate
