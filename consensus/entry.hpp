// One entry of the replicated log.
#pragma once

#include <cstdint>

#include "consensus/payload.hpp"
#include "consensus/types.hpp"

namespace quorate {

enum class EntryKind : std::uint8_t {
  kNoop = 0,           ///< appended by a new leader so that it may commit what it inherited (Raft 8)
  kCommand = 1,        ///< the application's bytes
  kConfiguration = 2,  ///< an encoded Configuration; in force from the moment it is appended (Raft 6)
};

/// The log's own clock, in milliseconds since the cluster was created: the previous entry's time plus what the leader's
/// monotonic clock measured since. It never goes back and no wall clock reaches it; sessions expire by it.
using LogTime = StrongNumber<struct LogTimeTag>;

struct Entry {
  Term term;
  Index index;
  EntryKind kind = EntryKind::kNoop;
  LogTime time;
  Payload payload;

  [[nodiscard]] LogId id() const { return {term, index}; }
  friend bool operator==(const Entry&, const Entry&) = default;
};

/// What an entry counts against byte limits: its body plus the room its fields take on the wire and on disk.
inline constexpr std::size_t kEntryOverheadBytes = 40;
[[nodiscard]] inline std::size_t entry_cost_bytes(const Entry& entry) {
  return entry.payload.size() + kEntryOverheadBytes;
}

}  // namespace quorate
