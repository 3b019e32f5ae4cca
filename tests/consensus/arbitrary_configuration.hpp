// RapidCheck generators for members, configurations and changes. Few ids and few incarnations on purpose, so that
// random changes meet what is already there.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "consensus/configuration.hpp"

namespace quorate::testing {

inline constexpr std::uint64_t kSmallIdMax = 6;

inline rc::Gen<Member> arbitrary_member(std::uint64_t id) {
  return rc::gen::build<Member>(
      rc::gen::set(&Member::id, rc::gen::just(NodeId{id})),
      rc::gen::set(&Member::incarnation, rc::gen::map(rc::gen::weightedElement<std::uint64_t>({{9, 1}, {1, 2}}),
                                                      [](std::uint64_t value) { return Incarnation{value}; })),
      rc::gen::set(&Member::kind, rc::gen::weightedElement<MemberKind>(
                                      {{6, MemberKind::kVoter}, {2, MemberKind::kLearner}, {1, MemberKind::kWitness}})),
      rc::gen::set(&Member::priority, rc::gen::weightedElement<std::uint32_t>({{1, 0}, {6, 1}, {1, 7}})),
      rc::gen::set(&Member::address, rc::gen::element<std::string>("", "localhost:4001", "[::1]:4001")));
}

/// A set of ids out of 1..kSmallIdMax.
inline rc::Gen<std::set<std::uint64_t>> arbitrary_ids() {
  return rc::gen::map(rc::gen::inRange<std::uint32_t>(0, 1U << kSmallIdMax), [](std::uint32_t chosen) {
    std::set<std::uint64_t> ids;
    for (std::uint64_t id = 1; id <= kSmallIdMax; ++id) {
      if ((chosen >> (id - 1) & 1U) != 0) ids.insert(id);
    }
    return ids;
  });
}

/// Members of different ids, sorted.
inline rc::Gen<std::vector<Member>> arbitrary_members() {
  return rc::gen::exec([] {
    std::vector<Member> members;
    for (const std::uint64_t id : *arbitrary_ids()) members.push_back(*arbitrary_member(id));
    return members;
  });
}

inline Configuration arbitrary_stable_configuration() {
  const auto make = [](std::vector<Member> members) { return Configuration{Generation{1}, std::move(members), {}}; };
  return *rc::gen::suchThat(rc::gen::map(arbitrary_members(), make),
                            [](const Configuration& made) { return validate(made).has_value(); });
}

/// Names ids at most once; one change in ten removes members that may not be there.
inline ConfigurationChange arbitrary_change(const Configuration& current) {
  const bool removes_strangers = *rc::gen::inRange(0, 10) == 0;
  ConfigurationChange change;
  for (const Member& member : *arbitrary_members()) {
    const bool may_be_removed = removes_strangers || current.contains(member.id);
    if (may_be_removed && *rc::gen::inRange(0, 3) == 0) {
      change.remove.push_back(member.id);
    } else {
      change.set.push_back(member);
    }
  }
  return change;
}

}  // namespace quorate::testing
