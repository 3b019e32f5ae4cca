#include "consensus/configuration.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "consensus/assert.hpp"
#include "consensus/limits.hpp"

namespace quorate {
namespace {

[[nodiscard]] tl::unexpected<Error> invalid(std::string message) {
  return fail(ErrorKind::kInvalidArgument, std::move(message));
}

/// Only such a member can ever lead; a half without one could vote but would never elect anybody.
bool may_campaign(const Member& member) { return member.kind == MemberKind::kVoter && member.priority > 0; }

Result<void> validate_member(const Member& member) {
  if (member.id == kNoNode) return invalid("a member has id 0, which means 'no node'; number members from 1");
  if (member.address.size() > kAddressBytesMax) {
    return invalid(fmt::format("the address of member {} has {} bytes; the limit is {}", member.id.value,
                               member.address.size(), kAddressBytesMax));
  }
  switch (member.kind) {
    case MemberKind::kVoter:
    case MemberKind::kLearner:
    case MemberKind::kWitness: return {};
  }
  return invalid(fmt::format("member {} has the unknown kind {}", member.id.value, static_cast<int>(member.kind)));
}

Result<void> validate_half(const std::vector<Member>& half) {
  if (half.size() > kMembersMax) {
    return invalid(fmt::format("{} members; a configuration has at most {}", half.size(), kMembersMax));
  }
  for (const Member& member : half) {
    if (Result<void> valid = validate_member(member); !valid) return valid;
  }
  const auto disorder = std::ranges::adjacent_find(half, std::ranges::greater_equal{}, &Member::id);
  if (disorder != half.end()) {
    return invalid(fmt::format("members must be sorted by id and unique, but {} is followed by {}", disorder->id.value,
                               std::next(disorder)->id.value));
  }
  // pitfall F21: a cluster that nobody can lead would never accept the change that repairs it.
  if (std::ranges::none_of(half, may_campaign)) {
    return invalid("no voter that may lead is left; keep at least one voter of priority 1 or more that is no witness");
  }
  return {};
}

/// Quorums count acknowledgements by id. A wiped server that comes back under its old id has forgotten its votes and
/// its log, so it must never stand in for its former self in the half that is being left: the old half's quorums would
/// no longer intersect those that committed before.
Result<void> validate_incarnations(const Configuration& joint) {
  for (const Member& old : joint.outgoing) {
    const Member* now = Configuration::find_in(joint.members, old.id);
    if (old.votes() && now != nullptr && now->incarnation != old.incarnation) {
      return invalid(
          fmt::format("voter {} was wiped and cannot take the place of its former self in one step; remove "
                      "it, then add it again",
                      old.id.value));
    }
  }
  return {};
}

/// A witness has acknowledged ids without bodies, every other member bodies too: one cannot become the other while its
/// acknowledgements stay valid.
Result<void> validate_kind_change(const Member& from, const Member& to) {
  const bool is_witness_changed = (from.kind == MemberKind::kWitness) != (to.kind == MemberKind::kWitness);
  if (is_witness_changed && from.incarnation == to.incarnation) {
    return invalid(
        fmt::format("member {} cannot change between witness and full member while it keeps its data; "
                    "remove it, wipe it, then add it again",
                    from.id.value));
  }
  return {};
}

Result<void> validate_change(const Configuration& current, const ConfigurationChange& change) {
  std::vector<NodeId> named = change.remove;
  std::ranges::transform(change.set, std::back_inserter(named), &Member::id);
  std::ranges::sort(named);
  if (const auto twice = std::ranges::adjacent_find(named); twice != named.end()) {
    return invalid(fmt::format("the change names member {} twice", twice->value));
  }
  for (const NodeId id : change.remove) {
    if (Configuration::find_in(current.members, id) == nullptr) {
      return invalid(fmt::format("{} is not a member and cannot be removed", id.value));
    }
  }
  for (const Member& member : change.set) {
    const Member* from = Configuration::find_in(current.members, member.id);
    if (from == nullptr) continue;
    if (Result<void> valid = validate_kind_change(*from, member); !valid) return valid;
  }
  return {};
}

std::vector<Member> members_after(const std::vector<Member>& members, const ConfigurationChange& change) {
  const auto is_named = [&change](const Member& member) {
    return std::ranges::find(change.remove, member.id) != change.remove.end() ||
           std::ranges::find(change.set, member.id, &Member::id) != change.set.end();
  };
  std::vector<Member> after = change.set;
  std::ranges::remove_copy_if(members, std::back_inserter(after), is_named);
  std::ranges::sort(after, {}, &Member::id);
  return after;
}

}  // namespace

Result<void> validate(const Configuration& configuration) {
  if (Result<void> valid = validate_half(configuration.members); !valid) return valid;
  if (!configuration.is_joint()) return {};
  if (Result<void> valid = validate_half(configuration.outgoing); !valid) return valid;
  return validate_incarnations(configuration);
}

Result<Configuration> configuration_after(const Configuration& current, const ConfigurationChange& change) {
  if (current.is_joint()) return invalid("the previous membership change is not finished; wait for it or abort it");
  if (Result<void> valid = validate_change(current, change); !valid) return tl::unexpected(valid.error());

  Configuration after{current.generation, members_after(current.members, change), {}};
  // One voter more or less keeps any two majorities intersecting; everything beyond needs both (thesis 4.1, 4.3;
  // pitfall F25: replacing one voter by another differs by two).
  if (voter_difference(current.members, after.members) > 1) after.outgoing = current.members;
  if (Result<void> valid = validate(after); !valid) return tl::unexpected(valid.error());
  return after;
}

Configuration leave_joint(const Configuration& joint) {
  QUORATE_ASSERT(joint.is_joint());
  return {joint.generation, joint.members, {}};
}

Configuration abort_joint(const Configuration& joint) {
  QUORATE_ASSERT(joint.is_joint());
  return {joint.generation, joint.outgoing, {}};
}

std::size_t voter_difference(const std::vector<Member>& left, const std::vector<Member>& right) {
  const auto voters_missing_in = [](const std::vector<Member>& from, const std::vector<Member>& in) {
    return std::ranges::count_if(from, [&in](const Member& member) {
      const Member* other = Configuration::find_in(in, member.id);
      const bool is_there = other != nullptr && other->votes() && other->incarnation == member.incarnation;
      return member.votes() && !is_there;
    });
  };
  return static_cast<std::size_t>(voters_missing_in(left, right) + voters_missing_in(right, left));
}

}  // namespace quorate
