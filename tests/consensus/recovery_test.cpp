#include "consensus/recovery.hpp"

#include <gtest/gtest.h>

#include "consensus/configuration_codec.hpp"
#include "consensus/core.hpp"
#include "tests/consensus/core_cluster.hpp"

namespace quorate {
namespace {

using testing::CoreCluster;

Entry command(std::uint64_t term, std::uint64_t index) {
  return {Term{term}, Index{index}, EntryKind::kCommand, LogTime{index}, Payload::copy_of("x")};
}

Configuration three_voters() {
  return {Generation{4}, {CoreCluster::member(1), CoreCluster::member(2), CoreCluster::member(3)}, {}};
}

Recovered log_of(std::vector<Entry> entries) {
  Recovered recovered;
  recovered.hard_state = {Term{5}, NodeId{2}, Index{2}};
  recovered.entries = std::move(entries);
  recovered.incarnation = Incarnation{101};
  recovered.boot = Boot{1};
  return recovered;
}

TEST(Recovery, TheSurvivorKeepsItsLogAndLeadsAlone) {
  const CheckpointContext applied{{}, {}, three_voters()};
  Recovered recovered = log_of({command(3, 1), command(3, 2), command(5, 3)});
  const auto recovery = plan_recovery(NodeId{1}, recovered, applied);
  ASSERT_TRUE(recovery.has_value());
  EXPECT_EQ(recovery->report.last, (LogId{Term{5}, Index{3}}));
  EXPECT_EQ(recovery->report.known_committed, Index{2});
  EXPECT_EQ(recovery->report.adopted, 1U);
  EXPECT_EQ(recovery->report.left_behind.size(), 2U);
  EXPECT_NE(recovery->report.describe().find("generation 5"), std::string::npos);

  recovered.hard_state = *recovery->batch.hard_state;
  recovered.entries.push_back(recovery->batch.entries.front());
  CoreOptions options;
  options.id = NodeId{1};
  Core core(options, recovered, applied, Instant{});
  Effects effects;
  core.step({core.deadline(), event::Tick{}}, effects);
  for (std::uint64_t ticket = 1; ticket <= 2; ++ticket)
    core.step({core.deadline(), event::Persisted{Ticket{ticket}, {}}}, effects);
  EXPECT_EQ(core.role(), Role::kLeader);
  EXPECT_EQ(core.commit(), Index{5});

  // The old cluster's leader wakes up: its messages are of an older generation, whatever its term.
  Message message{NodeId{2}, NodeId{1}, Incarnation{102}, Incarnation{101}, Generation{4}, Term{99},
                  Boot{1},   {},        Heartbeat{}};
  effects.clear();
  core.step({core.deadline(), event::Received{message}}, effects);
  EXPECT_EQ(core.role(), Role::kLeader);
  EXPECT_EQ(core.term(), Term{7});
}

/// The survivor, node 1 in generation 5, calls node 2 whose log so far is of generation 4.
Core called_by_the_survivor(Incarnation incarnation, Incarnation called) {
  Recovered recovered = log_of({command(3, 1)});
  recovered.incarnation = incarnation;
  CoreOptions options;
  options.id = NodeId{2};
  Core core(options, recovered, {{}, {}, three_voters()}, Instant{});
  Message message{NodeId{1}, NodeId{2}, Incarnation{101}, called, Generation{5}, Term{7}, Boot{1}, {}, Heartbeat{}};
  Effects effects;
  core.step({Instant{}, event::Received{message}}, effects);
  return core;
}

TEST(Recovery, ANewcomerLearnsTheHistoryOfOlderGenerations) {
  const Incarnation fresh{999};
  ASSERT_NE(three_voters().find(NodeId{2})->incarnation, fresh);
  EXPECT_EQ(called_by_the_survivor(fresh, fresh).leader(), NodeId{1});
  EXPECT_EQ(called_by_the_survivor(fresh, Incarnation{}).leader(), kNoNode) << "it is not meant for sure";
}

TEST(Recovery, AMemberOfAnOlderGenerationIsNotDrawnIntoTheNewOne) {
  const Incarnation old = three_voters().find(NodeId{2})->incarnation;
  EXPECT_EQ(called_by_the_survivor(old, old).leader(), kNoNode);
}

TEST(Recovery, GivesUpWhatFollowsAHoleAndSaysSo) {
  Recovered recovered = log_of({command(3, 1), command(3, 2), command(5, 3)});
  recovered.entries[1].payload = Payload::absent();
  recovered.damaged = {{Term{3}, Index{2}}};
  const auto recovery = plan_recovery(NodeId{1}, recovered, {{}, {}, three_voters()});
  ASSERT_TRUE(recovery.has_value());
  EXPECT_EQ(recovery->report.given_up, 2U);
  EXPECT_EQ(recovery->batch.truncate_after, Index{1});
  EXPECT_EQ(recovery->batch.entries.front().index, Index{2});
}

TEST(Recovery, AWitnessOrAStrangerCannotGoOnAlone) {
  Configuration configuration = three_voters();
  configuration.members[0].kind = MemberKind::kWitness;
  const CheckpointContext applied{{}, {}, configuration};
  EXPECT_FALSE(plan_recovery(NodeId{1}, log_of({}), applied).has_value());
  EXPECT_FALSE(plan_recovery(NodeId{9}, log_of({}), applied).has_value());
  EXPECT_TRUE(plan_recovery(NodeId{2}, log_of({}), applied).has_value());
}

}  // namespace
}  // namespace quorate
