#include "server/offline/recovery_file.hpp"

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "server/log.hpp"
#include "server/offline/majority_recovery.hpp"
#include "server/settings/peers_file.hpp"
#include "server/settings/settings_text.hpp"

namespace quorate::server {

namespace {

using settings::Peer;

tl::unexpected<Error> refuse(const NodeConfig& config, const std::string& why) {
  return fail(ErrorKind::kInvalidArgument, fmt::format("{}/{} asks for a recovery, which is refused: {}. Nothing has "
                                                       "been changed (docs/recovery.md)",
                                                       config.data_directory, kRecoveryFile, why));
}

Result<std::vector<Peer>> peers_in(const std::string& path) {
  const auto text = settings::read_settings(path);
  if (!text) return tl::unexpected(text.error());
  return settings::parse_peers(*text, path);
}

/// Whether the file is meant for this node, as it is started. Empty if it is.
std::string misfit(const NodeConfig& config, const NodeRecord& record, const std::vector<Peer>& peers) {
  if (!config.node_id.empty() && config.node_id != record.name)
    return fmt::format("the directory is that of node {}, and -node-id says {}", record.name, config.node_id);
  const auto self = std::ranges::find(peers, record.name, &Peer::id);
  if (self == peers.end()) {
    return fmt::format(
        "it does not name this node, {}. If another node is the survivor, remove the file, empty this "
        "directory and start the node with -join",
        record.name);
  }
  if (self->is_read_replica) {
    return "it has this node as a non-voter. Such a node comes back from the survivor: empty its directory and start "
           "it with -join and -raft-non-voter";
  }
  if (self->address != config.raft_advertised) {
    return fmt::format("it has this node at {}, and -raft-adv-addr (or -raft-addr) says {}; make them the same",
                       self->address, config.raft_advertised);
  }
  if (config.is_read_replica) return "-raft-non-voter makes no survivor; leave it out";
  return {};
}

/// Others that are to vote: as far as this node can tell, any of them may have more of the log.
std::string names_of_rivals(const std::vector<Peer>& peers, const std::string& self) {
  std::string names;
  for (const Peer& peer : peers)
    if (!peer.is_read_replica && peer.id != self) names += (names.empty() ? "" : ", ") + peer.id;
  return names;
}

void log_account(const std::string& account) {
  std::istringstream lines(account);
  for (std::string line; std::getline(lines, line);) log_warn("recovery: " + line);
}

Result<void> recover(const NodeConfig& config, const StoppedNode& node, const std::vector<Peer>& peers) {
  const auto plan = plan_majority_recovery(node, config.raft_advertised);
  if (!plan) return refuse(config, plan.error().message);
  if (plan->report.left_behind.empty()) {
    log_warn(
        fmt::format("{} asks for a recovery, but node {} is the only member of its cluster already: there is "
                    "nothing to recover",
                    kRecoveryFile, node.record().name));
    return {};
  }
  if (const std::string rivals = names_of_rivals(peers, node.record().name); !rivals.empty()) {
    return refuse(config, fmt::format("it names several voters, and only one survivor can go on: the one whose log "
                                      "ends last. The log of this node, {}, ends with entry {} of term {}; compare it "
                                      "with what {} says (a later term counts more than a later entry). Leave only "
                                      "that node in its file and start it first; empty the directories of the others "
                                      "and start them with -join {}",
                                      node.record().name, plan->report.last.index.value, plan->report.last.term.value,
                                      rivals, config.raft_advertised));
  }
  if (!config.join.empty() && config.bootstrap_expect == 0)
    return refuse(config, "the survivor goes on alone, and others join it; start it without -join");
  log_warn(fmt::format("{} asks for a recovery of node {}: writes that only the other members had are lost",
                       kRecoveryFile, node.record().name));
  log_account(plan->report.describe());
  return recover_majority(node, *plan, time_of_day());
}

}  // namespace

Result<void> recover_as_the_file_says(const NodeConfig& config) {
  const std::string path = config.data_directory + "/" + kRecoveryFile;
  std::error_code error;
  const bool is_there = std::filesystem::exists(path, error);
  if (error) return fail(ErrorKind::kIo, "cannot look for " + path + ": " + error.message());
  if (!is_there) return {};
  const auto peers = peers_in(path);
  if (!peers) return refuse(config, peers.error().message);
  const auto node = StoppedNode::open(config.data_directory);
  if (!node) return refuse(config, node.error().message);
  if (const std::string why = misfit(config, node->record(), *peers); !why.empty()) return refuse(config, why);
  if (auto recovered = recover(config, *node, *peers); !recovered) return recovered;
  auto files = node->files();
  if (!files) return tl::unexpected(files.error());
  if (auto renamed = files->rename(kRecoveryFile, kUsedRecoveryFile); !renamed) return renamed;
  log_warn(fmt::format("{} has been used and is called {} now", kRecoveryFile, kUsedRecoveryFile));
  return files->sync_directory("raft");
}

}  // namespace quorate::server
