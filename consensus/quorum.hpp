// Majorities, simple and joint (Raft 6, thesis 4.3).
#pragma once

#include <algorithm>
#include <array>
#include <vector>

#include "consensus/configuration.hpp"
#include "consensus/limits.hpp"

namespace quorate {

/// Whether a majority of the voters of one half satisfies `accepts(NodeId)`.
template <class Accepts>
[[nodiscard]] bool is_majority(const std::vector<Member>& half, Accepts&& accepts) {
  std::size_t voters = 0;
  std::size_t accepted = 0;
  for (const Member& member : half) {
    if (!member.votes()) continue;
    ++voters;
    if (accepts(member.id)) ++accepted;
  }
  return accepted > voters / 2;
}

/// Whether a majority of each half that is in force satisfies `accepts(NodeId)`.
template <class Accepts>
[[nodiscard]] bool is_quorum(const Configuration& configuration, Accepts&& accepts) {
  if (!is_majority(configuration.members, accepts)) return false;
  return !configuration.is_joint() || is_majority(configuration.outgoing, accepts);
}

/// The largest value that a majority of one half's voters has reached.
template <class Value, class ValueOf>
[[nodiscard]] Value majority_value(const std::vector<Member>& half, ValueOf&& value_of) {
  std::array<Value, kMembersMax> values;
  std::size_t voters = 0;
  for (const Member& member : half) {
    if (member.votes()) values[voters++] = value_of(member.id);
  }
  if (voters == 0) return Value{};
  const auto first = values.begin();
  const auto end = first + static_cast<std::ptrdiff_t>(voters);
  const auto majority = first + static_cast<std::ptrdiff_t>(voters / 2);
  std::nth_element(first, majority, end, [](const Value& left, const Value& right) { return right < left; });
  return *majority;
}

/// The largest value that a quorum has reached: `value_of(NodeId)` per voter, for example its match index.
template <class Value, class ValueOf>
[[nodiscard]] Value quorum_value(const Configuration& configuration, ValueOf&& value_of) {
  const Value incoming = majority_value<Value>(configuration.members, value_of);
  if (!configuration.is_joint()) return incoming;
  return std::min(incoming, majority_value<Value>(configuration.outgoing, value_of));
}

}  // namespace quorate
