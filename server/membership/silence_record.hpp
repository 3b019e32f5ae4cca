// For how long the leader has heard nothing of which member. It counts only what it has seen itself, look by look: from
// the first look at which a member was silent, while this node leads, and while the looks come as regularly as they
// should. A leader that is new, or a process that was stopped for an hour and finds everybody silent when it goes on,
// begins to count anew. A value; loop thread only.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "consensus/types.hpp"

namespace quorate::server {

class SilenceRecord {
 public:
  /// Zero: for ever.
  struct Limits {
    Duration voter{};
    Duration read_replica{};
  };
  struct Seen {
    NodeId id;
    bool is_read_replica = false;
    bool is_in_contact = true;
  };

  /// Looks further apart than `interval_max` are not regular.
  SilenceRecord(Limits limits, Duration interval_max) : limits_(limits), interval_max_(interval_max) {}

  /// Those that have been silent for too long, the longest first.
  std::vector<NodeId> look(Instant now, std::span<const Seen> members);
  /// This node does not lead.
  void forget();

 private:
  Limits limits_;
  Duration interval_max_;
  std::optional<Instant> last_look_;
  std::map<NodeId, Instant> silent_since_;
};

}  // namespace quorate::server
