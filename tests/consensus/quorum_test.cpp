// Majorities against brute force, in simple and in joint configurations (pitfalls D22, F6, G5).
#include "consensus/quorum.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/consensus/arbitrary_configuration.hpp"

namespace quorate {
namespace {

using testing::arbitrary_ids;
using testing::arbitrary_members;
using testing::kSmallIdMax;

Member voter(std::uint64_t id) { return {NodeId{id}, Incarnation{1}, MemberKind::kVoter, 1, ""}; }
Member learner(std::uint64_t id) { return {NodeId{id}, Incarnation{1}, MemberKind::kLearner, 1, ""}; }
Member witness(std::uint64_t id) { return {NodeId{id}, Incarnation{1}, MemberKind::kWitness, 1, ""}; }

std::vector<Member> voters(std::initializer_list<std::uint64_t> ids) {
  std::vector<Member> members;
  for (const std::uint64_t id : ids) members.push_back(voter(id));
  return members;
}

Configuration simple(std::vector<Member> members) { return {Generation{1}, std::move(members), {}}; }
Configuration joint(std::vector<Member> members, std::vector<Member> outgoing) {
  return {Generation{1}, std::move(members), std::move(outgoing)};
}

bool is_quorum_of(const Configuration& configuration, const std::set<std::uint64_t>& accepting) {
  return is_quorum(configuration, [&](NodeId id) { return accepting.contains(id.value); });
}

Index committed(const Configuration& configuration, const std::map<std::uint64_t, std::uint64_t>& match) {
  return quorum_value<Index>(configuration, [&](NodeId id) { return Index{match.at(id.value)}; });
}

/// The definition, spelled out: of the largest values first, the one at which acceptors of at least it are a quorum.
Index brute_force_value(const Configuration& configuration, const std::map<std::uint64_t, std::uint64_t>& match) {
  std::uint64_t best = 0;
  for (const auto& [candidate_id, candidate] : match) {
    std::set<std::uint64_t> reached;
    for (const auto& [id, value] : match) {
      if (value >= candidate) reached.insert(id);
    }
    if (is_quorum_of(configuration, reached)) best = std::max(best, candidate);
  }
  return Index{best};
}

bool has_majority(const std::vector<Member>& half, const std::set<std::uint64_t>& accepting) {
  std::size_t yes = 0;
  std::size_t no = 0;
  for (const Member& member : half) {
    if (member.kind == MemberKind::kLearner) continue;
    accepting.contains(member.id.value) ? ++yes : ++no;
  }
  return yes > no;
}

TEST(Quorum, IsMoreThanHalfOfTheVoters) {
  EXPECT_TRUE(is_quorum_of(simple(voters({1})), {1}));
  EXPECT_FALSE(is_quorum_of(simple(voters({1, 2})), {1}));
  EXPECT_TRUE(is_quorum_of(simple(voters({1, 2, 3})), {1, 3}));
  EXPECT_FALSE(is_quorum_of(simple(voters({1, 2, 3, 4})), {1, 3}));
  EXPECT_FALSE(is_quorum_of(simple({}), {1, 2, 3}));
}

TEST(Quorum, IgnoresLearnersAndStrangersAndCountsWitnesses) {
  const Configuration configuration = simple({voter(1), voter(2), witness(3), learner(4), learner(5)});
  EXPECT_FALSE(is_quorum_of(configuration, {1, 4, 5, 9}));
  EXPECT_TRUE(is_quorum_of(configuration, {1, 3}));
}

TEST(Quorum, OfAJointConfigurationNeedsBothHalves) {  // pitfall F6
  const Configuration moving = joint(voters({3, 4}), voters({1, 2}));
  EXPECT_FALSE(is_quorum_of(moving, {1, 3, 4}));
  EXPECT_FALSE(is_quorum_of(moving, {1, 2, 3}));
  EXPECT_TRUE(is_quorum_of(moving, {1, 2, 3, 4}));
}

TEST(Quorum, CountsAVoterBeingDemotedInTheOldHalfOnly) {  // pitfall G5
  const Configuration demoting = joint({learner(1), voter(2), voter(4)}, voters({1, 2, 3}));
  EXPECT_FALSE(is_quorum_of(demoting, {1, 2}));
  EXPECT_TRUE(is_quorum_of(demoting, {1, 2, 4}));
}

TEST(QuorumValue, IsTheKthLargestForEveryPermutation) {  // pitfall D22
  for (std::uint64_t size = 1; size <= 7; ++size) {
    std::vector<Member> members;
    std::vector<std::uint64_t> matches;
    for (std::uint64_t id = 1; id <= size; ++id) {
      members.push_back(voter(id));
      matches.push_back(id * 10);
    }
    const Index expected{(size - size / 2) * 10};
    do {
      std::map<std::uint64_t, std::uint64_t> match;
      for (std::uint64_t id = 1; id <= size; ++id) match[id] = matches[id - 1];
      ASSERT_EQ(committed(simple(members), match), expected) << "of " << size;
    } while (std::ranges::next_permutation(matches).found);
  }
}

TEST(QuorumValue, OfNoVotersIsNothing) { EXPECT_EQ(committed(simple({learner(1)}), {{1, 5}}), Index{0}); }

TEST(QuorumValue, FitsTheLargestConfiguration) {
  std::vector<Member> members;
  std::map<std::uint64_t, std::uint64_t> match;
  for (std::uint64_t id = 1; id <= kMembersMax; ++id) {
    members.push_back(voter(id));
    match[id] = id;
  }
  EXPECT_EQ(committed(simple(members), match), Index{kMembersMax / 2});
}

RC_GTEST_PROP(QuorumProperty, CountsAsByHand, ()) {
  const std::set<std::uint64_t> accepting = *arbitrary_ids();
  const std::vector<Member> members = *arbitrary_members();
  const std::vector<Member> outgoing = *arbitrary_members();
  RC_CLASSIFY(!outgoing.empty(), "joint");
  const bool expected = has_majority(members, accepting) && (outgoing.empty() || has_majority(outgoing, accepting));
  RC_CLASSIFY(expected, "quorum");
  RC_ASSERT(is_quorum_of(joint(members, outgoing), accepting) == expected);
}

RC_GTEST_PROP(QuorumProperty, ValueIsTheLargestThatAQuorumReached, ()) {
  const Configuration configuration = joint(*arbitrary_members(), *arbitrary_members());
  std::map<std::uint64_t, std::uint64_t> match;
  for (std::uint64_t id = 1; id <= kSmallIdMax; ++id) match[id] = *rc::gen::inRange<std::uint64_t>(0, 5);
  RC_ASSERT(committed(configuration, match) == brute_force_value(configuration, match));
}

}  // namespace
}  // namespace quorate
