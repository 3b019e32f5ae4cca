// A program with a replicated database inside: it keeps notes. There is no server beside it; each running copy of the
// program is a member of the cluster, and a note written in one is there in all.
//
//   notes data-a localhost:7001 localhost:7002                     the first copy begins a cluster
//   notes data-b localhost:7003 localhost:7004 localhost:7002      further copies join it
//
// Every line of the input is a note; an empty line shows all of them.
#include <chrono>
#include <cstdint>
#include <iostream>
#include <string>
#include <variant>

#include "server/embedded_node.hpp"

using quorate::server::EmbeddedNode;
using quorate::server::SqlOutcome;

namespace {

int complain(const std::string& what) {
  std::cerr << "notes: " << what << '\n';
  return 1;
}

/// Linearizable: what any copy was told before is there, whichever copy is asked.
SqlOutcome all_notes(EmbeddedNode& node) {
  return node.query("SELECT id, text FROM notes ORDER BY id", {}, {.level = quorate::server::ReadLevel::kLinearizable});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return complain("usage: notes DIRECTORY HTTP_ADDRESS NODE_ADDRESS [NODE_ADDRESS_OF_ANOTHER]");
  quorate::server::NodeConfig config;
  config.data_directory = argv[1];
  config.http_address = argv[2];
  config.raft_address = argv[3];
  if (argc > 4) config.join = {argv[4]};

  auto node = EmbeddedNode::start(config);
  if (!node) return complain(node.error().message);
  if (auto ready = (*node)->wait_until_ready(std::chrono::seconds(30)); !ready) return complain(ready.error().message);
  const SqlOutcome made = (*node)->execute("CREATE TABLE IF NOT EXISTS notes(id INTEGER PRIMARY KEY, text TEXT)");
  if (!made.error().empty()) return complain(made.error());

  for (std::string line; std::getline(std::cin, line);) {
    if (!line.empty()) {
      const SqlOutcome written = (*node)->execute("INSERT INTO notes(text) VALUES(?)", {line});
      if (!written.error().empty()) return complain(written.error());
      continue;
    }
    const SqlOutcome read = all_notes(**node);
    if (!read.error().empty()) return complain(read.error());
    for (const auto& row : read.results.front().rows)
      std::cout << std::get<std::int64_t>(row[0]) << ": " << std::get<std::string>(row[1]) << '\n';
    std::cout << std::flush;
  }
  if (auto stopped = (*node)->stop(); !stopped) return complain(stopped.error().message);
  return 0;
}
