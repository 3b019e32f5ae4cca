// All that a stopped node's directory says about the node, read without changing it.
//
// Blocking calls; one thread.
#pragma once

#include <optional>
#include <string>

#include "consensus/configuration.hpp"
#include "server/offline/log_reading.hpp"
#include "server/offline/page_reading.hpp"
#include "server/offline/stopped_node.hpp"

namespace quorate::server {

struct NodeReading {
  LogReading log;
  PageReading pages;
  /// Of the last checkpoint. If it cannot be used, the node would not start: `problem` says why.
  CheckpointContext checkpoint;
  std::optional<Error> problem;

  Configuration configuration;  ///< the newest that the node knows, committed or not
  Index configuration_index;    ///< of its entry; 0 if no entry has brought one yet

  /// The greater of the log's last entry and the checkpoint's: by what survivors are compared.
  [[nodiscard]] LogId last() const { return std::max(log.last(), checkpoint.last); }
  [[nodiscard]] Index known_committed() const {
    return std::max(log.recovered().hard_state.commit, checkpoint.last.index);
  }
};

/// Fails if the log or the superblocks cannot be understood at all. `files` is the node's shadow.
[[nodiscard]] Result<NodeReading> read_node(const StoppedNode& node, ShadowFiles& files, storage::ScanDepth depth);

/// As operators call it: "voter", "read replica", "witness".
[[nodiscard]] const char* name_of(MemberKind kind);
/// "n2" or, if it is not among the members, "node 17".
[[nodiscard]] std::string name_of(NodeId node, const Configuration& configuration);

}  // namespace quorate::server
