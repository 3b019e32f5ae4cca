// Whether everything in a stopped node's directory is as it was written, and what is to be done if not.
//
// Read are: both copies of the identity, every record of the log with its spare copies, every page that the last
// checkpoint holds, and the superblocks. Then the node's next start is rehearsed on a shadow of the directory: the
// committed entries are applied, each of which states the hashes of the pages that it changes and the digest of the
// whole state after it, and SQLite checks the databases that result.
//
// Blocking calls; one thread. Nothing in the directory changes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "server/offline/stopped_node.hpp"

namespace quorate::server {

struct Finding {
  enum class Kind : std::uint8_t {
    kDamage,
    kNote,  ///< bytes are damaged that nothing needs any more, or there is something to know
  } kind = Kind::kDamage;
  std::string where;  ///< a file and an offset, or what it is about
  std::string what;
  std::string remedy;  ///< empty if there is nothing to do
};

struct Verification {
  std::vector<Finding> findings;
  std::uint64_t log_bytes = 0;
  std::uint64_t entries = 0;
  std::uint64_t pages = 0;
  std::uint64_t page_bytes = 0;
  LogId checkpoint;             ///< up to where pages were read from the disk
  LogId rehearsed;              ///< up to where entries could be applied on top of them
  std::uint64_t databases = 0;  ///< that SQLite looked at

  [[nodiscard]] bool is_whole() const;
};

/// Damage is a finding. An error means that nothing can be said, as for StoppedNode::open.
[[nodiscard]] Result<Verification> verify(const StoppedNode& node);

}  // namespace quorate::server
