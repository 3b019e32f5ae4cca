// The directory of a node that does not run, for commands that look at it or repair it: found to be one, and locked, so
// that no node starts on it meanwhile. Nothing in it changes by being opened.
//
// Blocking calls; one thread.
#pragma once

#include <string>

#include "server/data_directory.hpp"
#include "server/offline/shadow_files.hpp"

namespace quorate::server {

class StoppedNode {
 public:
  /// kLocked: a node is running on it; kNotFound, kInvalidArgument: it is no node's; kCorrupt: not even its name is
  /// readable.
  static Result<StoppedNode> open(const std::string& path);

  [[nodiscard]] const std::string& path() const { return directory_.path(); }
  [[nodiscard]] const NodeRecord& record() const { return record_; }
  [[nodiscard]] NodeId id() const { return id_of(record_.name); }

  /// To read, and to try things on.
  [[nodiscard]] Result<ShadowFiles> shadow() const { return ShadowFiles::below(path()); }
  /// To change it.
  [[nodiscard]] Result<storage::PosixFiles> files() const { return directory_.files(); }

 private:
  StoppedNode(DataDirectory directory, NodeRecord record)
      : directory_(std::move(directory)), record_(std::move(record)) {}

  DataDirectory directory_;
  NodeRecord record_;
};

}  // namespace quorate::server
