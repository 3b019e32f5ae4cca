// Which configurations may be in force, and that any two which may follow each other cannot decide differently
// (thesis 4.1, 4.3; pitfalls F21, F25, F29).
#include "consensus/configuration.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "consensus/limits.hpp"
#include "consensus/quorum.hpp"
#include "tests/consensus/arbitrary_configuration.hpp"

namespace quorate {
namespace {

using testing::arbitrary_change;
using testing::arbitrary_stable_configuration;

Member member(std::uint64_t id, MemberKind kind = MemberKind::kVoter, std::uint64_t incarnation = 1) {
  return {NodeId{id}, Incarnation{incarnation}, kind, 1, "n" + std::to_string(id)};
}
Member learner(std::uint64_t id) { return member(id, MemberKind::kLearner); }
Member witness(std::uint64_t id) { return member(id, MemberKind::kWitness); }

Configuration voters(std::initializer_list<std::uint64_t> ids) {
  Configuration made;
  for (const std::uint64_t id : ids) made.members.push_back(member(id));
  return made;
}

ConfigurationChange set(std::vector<Member> members) { return {std::move(members), {}}; }
ConfigurationChange remove(std::vector<NodeId> ids) { return {{}, std::move(ids)}; }

ErrorKind refusal_of(const Configuration& current, const ConfigurationChange& change) {
  const Result<Configuration> after = configuration_after(current, change);
  EXPECT_FALSE(after.has_value());
  return after ? ErrorKind{} : after.error().kind;
}

#define EXPECT_INVALID(configuration, words)                         \
  do {                                                               \
    const Result<void> valid = validate(configuration);              \
    ASSERT_FALSE(valid.has_value());                                 \
    EXPECT_EQ(valid.error().kind, ErrorKind::kInvalidArgument);      \
    EXPECT_THAT(valid.error().message, ::testing::HasSubstr(words)); \
  } while (false)

TEST(ValidateConfiguration, AcceptsWhatAClusterMayBe) {
  EXPECT_TRUE(validate(voters({1})));
  EXPECT_TRUE(validate({Generation{3}, {member(1), learner(2), witness(3)}, {}}));
  EXPECT_TRUE(validate({Generation{1}, {member(3), member(4)}, {member(1), member(2)}}));
}

TEST(ValidateConfiguration, RefusesAHalfThatNobodyCouldLead) {  // pitfall F21
  EXPECT_INVALID(Configuration{}, "no voter");
  EXPECT_INVALID((Configuration{{}, {learner(1)}, {}}), "no voter");
  EXPECT_INVALID((Configuration{{}, {witness(1), witness(2)}, {}}), "no voter");
  EXPECT_INVALID((Configuration{{}, {member(1)}, {learner(1)}}), "no voter");
  Member never = member(1);
  never.priority = 0;
  EXPECT_INVALID((Configuration{{}, {never, witness(2)}, {}}), "no voter");
}

TEST(ValidateConfiguration, RefusesDisorderAndRepetition) {
  EXPECT_INVALID(voters({2, 1}), "sorted");
  EXPECT_INVALID(voters({1, 1}), "unique");
  EXPECT_INVALID((Configuration{{}, {member(1)}, {member(3), member(2)}}), "sorted");
}

TEST(ValidateConfiguration, RefusesWhatExceedsALimit) {
  EXPECT_INVALID(voters({0, 1}), "id 0");
  Configuration many;
  for (std::uint64_t id = 1; id <= kMembersMax + 1; ++id) many.members.push_back(member(id));
  EXPECT_INVALID(many, "at most 32");
  many.members.pop_back();
  EXPECT_TRUE(validate(many));
  many.members.front().address.assign(kAddressBytesMax + 1, 'a');
  EXPECT_INVALID(many, "address");
  Configuration unknown = voters({1});
  unknown.members.push_back(member(2, MemberKind{3}));
  EXPECT_INVALID(unknown, "unknown kind 3");
}

TEST(ConfigurationAfter, ChangesOneVoterInOneStep) {
  const auto grown = configuration_after(voters({1, 2, 3}), set({member(4)}));
  ASSERT_TRUE(grown);
  EXPECT_EQ(*grown, voters({1, 2, 3, 4}));
  const auto shrunk = configuration_after(voters({1, 2, 3}), remove({NodeId{2}}));
  ASSERT_TRUE(shrunk);
  EXPECT_EQ(*shrunk, voters({1, 3}));
}

TEST(ConfigurationAfter, IsJointWhenTwoVotersDiffer) {  // pitfall F25
  const auto replaced = configuration_after(voters({1, 2, 3}), {{member(4)}, {NodeId{3}}});
  ASSERT_TRUE(replaced);
  ASSERT_TRUE(replaced->is_joint());
  EXPECT_EQ(replaced->members, voters({1, 2, 4}).members);
  EXPECT_EQ(replaced->outgoing, voters({1, 2, 3}).members);
  EXPECT_EQ(leave_joint(*replaced), voters({1, 2, 4}));
  EXPECT_EQ(abort_joint(*replaced), voters({1, 2, 3}));
}

TEST(ConfigurationAfter, MovesAnyNumberOfLearnersInOneStep) {
  const auto after = configuration_after(voters({1, 2, 3}), set({learner(4), learner(5), learner(6)}));
  ASSERT_TRUE(after);
  EXPECT_FALSE(after->is_joint());
  EXPECT_EQ(after->members.size(), 6U);
}

TEST(ConfigurationAfter, KeepsTheGeneration) {
  Configuration current = voters({1, 2, 3});
  current.generation = Generation{7};
  const auto after = configuration_after(current, {{member(4)}, {NodeId{3}}});
  ASSERT_TRUE(after);
  EXPECT_EQ(after->generation, Generation{7});
  EXPECT_EQ(leave_joint(*after).generation, Generation{7});
  EXPECT_EQ(abort_joint(*after).generation, Generation{7});
}

TEST(ConfigurationAfter, RefusesNonsense) {
  const Configuration three = voters({1, 2, 3});
  EXPECT_EQ(refusal_of(three, remove({NodeId{4}})), ErrorKind::kInvalidArgument);
  EXPECT_EQ(refusal_of(three, remove({NodeId{1}, NodeId{1}})), ErrorKind::kInvalidArgument);
  EXPECT_EQ(refusal_of(three, {{member(3)}, {NodeId{3}}}), ErrorKind::kInvalidArgument);
  EXPECT_EQ(refusal_of(three, set({member(4), learner(4)})), ErrorKind::kInvalidArgument);
  EXPECT_EQ(refusal_of(three, set({member(0)})), ErrorKind::kInvalidArgument);
  EXPECT_EQ(refusal_of(voters({1}), remove({NodeId{1}})), ErrorKind::kInvalidArgument);  // pitfall F21
  EXPECT_EQ(refusal_of(voters({1}), set({learner(1)})), ErrorKind::kInvalidArgument);
}

TEST(ConfigurationAfter, RefusesASecondChangeWhileJoint) {  // pitfall F2
  const Configuration joint{{}, voters({1, 2}).members, voters({3, 4}).members};
  EXPECT_EQ(refusal_of(joint, set({learner(9)})), ErrorKind::kInvalidArgument);
}

// A wiped voter has forgotten what it promised: counted by its id in the half that is being left, it would complete
// quorums there which do not intersect those that it completed before it was wiped.
TEST(ConfigurationAfter, DoesNotLetAWipedVoterTakeItsOwnPlace) {
  const Configuration three = voters({1, 2, 3});
  const Member wiped = member(3, MemberKind::kVoter, 2);
  EXPECT_EQ(refusal_of(three, set({wiped})), ErrorKind::kInvalidArgument);
  const auto without = configuration_after(three, remove({NodeId{3}}));
  ASSERT_TRUE(without);
  EXPECT_TRUE(configuration_after(*without, set({wiped})));
  // As a learner it counts nowhere, so that demoting it and forgetting its past is one harmless step.
  EXPECT_TRUE(configuration_after(three, set({member(3, MemberKind::kLearner, 2)})));
}

TEST(ConfigurationAfter, DoesNotTurnAWitnessIntoAFullMember) {
  const Configuration with_witness{{}, {member(1), member(2), witness(3)}, {}};
  EXPECT_EQ(refusal_of(with_witness, set({member(3)})), ErrorKind::kInvalidArgument);
  EXPECT_EQ(refusal_of(with_witness, set({learner(3)})), ErrorKind::kInvalidArgument);
  EXPECT_EQ(refusal_of(with_witness, set({witness(2)})), ErrorKind::kInvalidArgument);
  EXPECT_TRUE(configuration_after(with_witness, set({member(3, MemberKind::kLearner, 2)})));
}

TEST(VoterDifference, IsSymmetricAndCountsIdentities) {
  const std::vector<Member> left{member(1), member(2), learner(3)};
  const std::vector<Member> right{member(1, MemberKind::kVoter, 2), witness(2), member(3)};
  EXPECT_EQ(voter_difference(left, right), 3U);
  EXPECT_EQ(voter_difference(right, left), 3U);
  EXPECT_EQ(voter_difference(left, left), 0U);
}

// --- properties ------------------------------------------------------------------------------------------------------

/// A server is what remembers: an id with the data directory behind it.
using Server = std::pair<NodeId, Incarnation>;

std::set<Server> voting_servers(const Configuration& configuration) {
  std::set<Server> servers;
  for (const auto* half : {&configuration.members, &configuration.outgoing}) {
    for (const Member& one : *half) {
      if (one.votes()) servers.insert({one.id, one.incarnation});
    }
  }
  return servers;
}

/// Whether these servers decide: the engine counts an id by the answers of the server that the configuration names for
/// it.
bool decides(const Configuration& configuration, const std::set<Server>& agreeing) {
  return is_quorum(configuration,
                   [&](NodeId id) { return agreeing.contains({id, configuration.find(id)->incarnation}); });
}

/// By enumeration: no set of servers decides in one configuration while the servers outside it decide in the other.
/// (Quorums are closed under supersets, so that this covers every pair of quorums.)
bool quorums_intersect(const Configuration& left, const Configuration& right) {
  std::set<Server> everybody = voting_servers(left);
  everybody.merge(voting_servers(right));
  const std::vector<Server> servers(everybody.begin(), everybody.end());
  for (std::uint32_t chosen = 0; chosen < (1U << servers.size()); ++chosen) {
    std::set<Server> inside;
    std::set<Server> outside;
    for (std::size_t at = 0; at < servers.size(); ++at) {
      ((chosen >> at & 1U) != 0 ? inside : outside).insert(servers[at]);
    }
    if (decides(left, inside) && decides(right, outside)) return false;
  }
  return true;
}

Configuration finish(const Configuration& entered) { return entered.is_joint() ? leave_joint(entered) : entered; }

/// The same change as a sequence of the smallest ones: whoever may lead first, so that nobody is ever missing.
Configuration one_by_one(Configuration current, const ConfigurationChange& change) {
  std::vector<ConfigurationChange> steps;
  for (const Member& one : change.set) steps.push_back(set({one}));
  std::ranges::stable_partition(steps, [](const ConfigurationChange& step) {
    return step.set.front().kind == MemberKind::kVoter && step.set.front().priority > 0;
  });
  for (const NodeId id : change.remove) steps.push_back(remove({id}));
  for (const ConfigurationChange& step : steps) {
    const Result<Configuration> after = configuration_after(current, step);
    RC_ASSERT(after.has_value());
    current = finish(*after);
  }
  return current;
}

RC_GTEST_PROP(MembershipProperty, ChangesKeepConfigurationsValidAndAdjacentQuorumsIntersecting, ()) {  // pitfall F29
  Configuration current = arbitrary_stable_configuration();
  const int steps = *rc::gen::inRange(1, 9);
  for (int step = 0; step < steps; ++step) {
    const Result<Configuration> entered = configuration_after(current, arbitrary_change(current));
    RC_CLASSIFY(entered.has_value() && entered->is_joint(), "joint");
    RC_CLASSIFY(entered.has_value() && !entered->is_joint(), "direct");
    if (!entered) {
      RC_ASSERT(entered.error().kind == ErrorKind::kInvalidArgument);
      continue;
    }
    RC_ASSERT(validate(*entered).has_value());
    RC_ASSERT(quorums_intersect(current, *entered));
    if (entered->is_joint()) {
      RC_ASSERT(abort_joint(*entered) == current);
      RC_ASSERT(quorums_intersect(*entered, leave_joint(*entered)));
    }
    current = finish(*entered);
    RC_ASSERT(validate(current).has_value());
  }
}

RC_GTEST_PROP(MembershipProperty, OneJointChangeEqualsTheSequenceOfItsParts, ()) {
  const Configuration current = arbitrary_stable_configuration();
  const ConfigurationChange change = arbitrary_change(current);
  const Result<Configuration> entered = configuration_after(current, change);
  RC_PRE(entered.has_value());
  RC_TAG(entered->is_joint() ? "joint" : "direct");
  RC_ASSERT(finish(*entered) == one_by_one(current, change));
}

// The oracle above must be able to fail: two voters exchanged without a joint configuration.
TEST(MembershipProperty, TheOracleSeesQuorumsThatDoNotIntersect) {
  EXPECT_FALSE(quorums_intersect(voters({1, 2, 3}), voters({1, 4, 5})));
  EXPECT_FALSE(
      quorums_intersect(voters({1, 2, 3}), {{}, {member(1), member(2), member(3, MemberKind::kVoter, 2)}, {}}));
  EXPECT_TRUE(quorums_intersect(voters({1, 2, 3}), voters({1, 2, 3, 4})));
}

}  // namespace
}  // namespace quorate
