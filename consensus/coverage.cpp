#include "consensus/coverage.hpp"

namespace quorate {

const char* name_of(Mark mark) {
  static constexpr std::array<const char*, kMarkCount> kNames = {
      "pre-vote refused because the leader is heard",
      "refused pre-vote taught a newer term",
      "vote request ignored because the leader is heard",
      "vote refused to an incomplete log",
      "vote repeated to the same candidate",
      "leader elected after a transfer",
      "answer to an earlier process life ignored",
      "campaign postponed after a pause",
      "leader stepped down without a quorum",
      "leader stepped down because its disk hangs",
      "conflicting entries truncated",
      "entries that are in the log already skipped",
      "append request rejected",
      "probing again after a loss",
      "committed before the leader's own disk",
      "copies of an older term's entry not counted",
      "proposal overwritten by another leader's entry",
      "proposal ended as unknown",
      "proposal refused as overloaded",
      "epoch ended by a refusal",
      "joint configuration entered",
      "joint configuration left",
      "joint configuration aborted",
      "configuration rolled back by truncation",
      "leader removed itself",
      "voter refused that had not caught up",
      "read waited for an entry of the leader's own term",
      "read index asked from a follower",
      "read under the lease",
      "leadership transfer completed",
      "leadership transfer timed out",
      "snapshot transfer started",
      "snapshot transfer resumed",
      "snapshot installed",
      "snapshot ignored as old",
      "snapshot rejected as corrupt",
      "damaged entry fetched from a peer",
      "damaged entry repaired by the leader",
      "lost promises restored by catching up",
      "restart of a follower noticed",
  };
  return kNames[static_cast<std::size_t>(mark)];
}

}  // namespace quorate
