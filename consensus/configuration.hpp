// Who belongs to the cluster, and in which role. A Configuration is in force on a node from the moment the entry that
// holds it is appended to that node's log, committed or not (Raft 6), and is rolled back when that entry is truncated.
//
// While `outgoing` is not empty the configuration is joint (Raft 6, thesis 4.3): every decision needs a majority of the
// voters of `members` and, separately, a majority of the voters of `outgoing`.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "consensus/result.hpp"
#include "consensus/types.hpp"

namespace quorate {

enum class MemberKind : std::uint8_t {
  kVoter = 0,
  kLearner = 1,  ///< receives the log, never votes, is counted nowhere
  kWitness = 2,  ///< votes and is counted, but keeps log ids only and never campaigns
};

struct Member {
  NodeId id;
  Incarnation incarnation;
  MemberKind kind = MemberKind::kVoter;
  /// Members of lower priority give those of the highest a head start of one election timeout; 0 never campaigns.
  std::uint32_t priority = 1;
  /// Opaque to the engine: whatever the transport needs to reach the member.
  std::string address;

  [[nodiscard]] bool votes() const { return kind != MemberKind::kLearner; }
  friend bool operator==(const Member&, const Member&) = default;
};

struct Configuration {
  Generation generation;
  std::vector<Member> members;   ///< sorted by id, unique
  std::vector<Member> outgoing;  ///< sorted by id, unique; what is being left while joint, otherwise empty

  [[nodiscard]] bool is_joint() const { return !outgoing.empty(); }

  /// The member as `members` has it, else as `outgoing` has it, else null.
  [[nodiscard]] const Member* find(NodeId id) const {
    const Member* found = find_in(members, id);
    return found != nullptr ? found : find_in(outgoing, id);
  }
  [[nodiscard]] bool contains(NodeId id) const { return find(id) != nullptr; }
  /// Whether the node's vote counts in either half.
  [[nodiscard]] bool is_voter(NodeId id) const {
    const auto votes_in = [id](const std::vector<Member>& half) {
      const Member* member = find_in(half, id);
      return member != nullptr && member->votes();
    };
    return votes_in(members) || votes_in(outgoing);
  }
  [[nodiscard]] static const Member* find_in(const std::vector<Member>& half, NodeId id) {
    const auto at = std::ranges::lower_bound(half, id, {}, &Member::id);
    return at != half.end() && at->id == id ? &*at : nullptr;
  }

  friend bool operator==(const Configuration&, const Configuration&) = default;
};

/// A wish: members to add or to replace (matched by id), and ids to remove. Arbitrary sets; what differs by more than
/// one voter goes through a joint configuration.
struct ConfigurationChange {
  std::vector<Member> set;
  std::vector<NodeId> remove;

  friend bool operator==(const ConfigurationChange&, const ConfigurationChange&) = default;
};

/// Refuses what can never be in force: a half without a voter that may lead, unsorted or repeated ids, id 0, too many
/// members, a wiped voter that stands in for its former self in the half being left.
[[nodiscard]] Result<void> validate(const Configuration& configuration);

/// The configuration to append for `change`: joint if more than one voter differs, else the target itself.
/// Fails with kInvalidArgument when the outcome would be invalid, or `current` is joint already.
[[nodiscard]] Result<Configuration> configuration_after(const Configuration& current,
                                                        const ConfigurationChange& change);

/// What to append once a joint configuration is committed.
[[nodiscard]] Configuration leave_joint(const Configuration& joint);
/// What to append to give up a joint configuration: back to where it came from.
[[nodiscard]] Configuration abort_joint(const Configuration& joint);

/// How many voters are in exactly one of the two sets; a changed incarnation counts as another voter.
[[nodiscard]] std::size_t voter_difference(const std::vector<Member>& left, const std::vector<Member>& right);

}  // namespace quorate
