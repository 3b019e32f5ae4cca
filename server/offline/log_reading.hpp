// The write-ahead log of a stopped node, read as a start of the node would read it, and more: with the places of all
// damage, and without leaving a trace.
//
// Blocking calls; one thread. Holds all entries that the log has.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "consensus/storage/log_scanner.hpp"
#include "consensus/storage/wal_format.hpp"
#include "server/offline/shadow_files.hpp"

namespace quorate::server {

inline constexpr const char* kLogDirectory = "log";

struct LogReading {
  struct Segment {
    storage::SegmentNumber number;
    std::uint64_t bytes = 0;
  };

  storage::StoreIdentity identity;
  std::array<bool, 2> identity_slot_is_whole{};
  std::vector<Segment> segments;
  std::uint64_t bytes = 0;  ///< of all segments, and of what is set aside for more
  storage::ScannedLog scanned;

  [[nodiscard]] const Recovered& recovered() const { return scanned.recovered; }
  /// The last entry, or the base.
  [[nodiscard]] LogId last() const {
    return recovered().entries.empty() ? recovered().base : recovered().entries.back().id();
  }
  /// The path of a segment below the node's directory.
  [[nodiscard]] static std::string path_of(storage::SegmentNumber segment) {
    return std::string(kLogDirectory) + "/" + storage::segment_name(segment);
  }
};

/// kNotFound: the node never had a log; kCorrupt: not even its identity can be read, or nothing of a log that was in
/// use; kInvalidArgument: it is another node's; kUnsupported: another version wrote it.
[[nodiscard]] Result<LogReading> read_log(ShadowFiles& files, ClusterId cluster, NodeId node, storage::ScanDepth depth);

}  // namespace quorate::server
