#include "server/commands/verify.hpp"

#include <ostream>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "server/offline/verification.hpp"

namespace quorate {
namespace {

using cli::ExitCode;
using server::Finding;
using server::Verification;

ExitCode complain(std::ostream& err, const Error& error) {
  err << "quorate verify: " << error.message << '\n';
  return ExitCode::kUsage;
}

void print(const Finding& finding, std::ostream& out) {
  const bool is_damage = finding.kind == Finding::Kind::kDamage;
  out << fmt::format("{} {}\n  {}\n", is_damage ? "DAMAGED" : "note   ", finding.where, finding.what);
  if (!finding.remedy.empty()) out << "  to do: " << finding.remedy << '\n';
}

}  // namespace

void describe_verify_options(CLI::App& app, VerifyCommand& command) {
  app.footer(
      "Reads every record of the log and every page, compares them with their checksums, hashes and digests, "
      "rehearses\n"
      "the node's next start in memory, and lets SQLite check the databases. Changes nothing; the node must not be\n"
      "running. Each damage is named with its place and with what to do about it.\n\n"
      "  quorate verify data\n\n"
      "Exit code: 0 whole, 1 damaged, 2 this is not the directory of a stopped node.");
  app.add_option("directory", command.directory, "The node's data directory")->required()->type_name("DIR");
}

ExitCode run_verify(VerifyCommand command, std::ostream& out, std::ostream& err) {
  const auto node = server::StoppedNode::open(command.directory);
  if (!node) return complain(err, node.error());
  const auto verified = server::verify(*node);
  if (!verified) return complain(err, verified.error());
  for (const Finding& finding : verified->findings) print(finding, out);
  out << fmt::format(
      "{}: {} (log: {} bytes, {} entries; checkpoint: {} pages, {} bytes, as of entry {}; applied up to entry {}; "
      "databases checked by SQLite: {})\n",
      command.directory, verified->is_whole() ? "whole" : "DAMAGED", verified->log_bytes, verified->entries,
      verified->pages, verified->page_bytes, verified->checkpoint.index.value, verified->rehearsed.index.value,
      verified->databases);
  return verified->is_whole() ? ExitCode::kSuccess : ExitCode::kFailure;
}

}  // namespace quorate
