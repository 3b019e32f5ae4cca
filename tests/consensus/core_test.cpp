#include "consensus/core.hpp"

#include <gtest/gtest.h>

#include "tests/consensus/core_cluster.hpp"

namespace quorate {
namespace {

using namespace std::chrono_literals;
using testing::CoreCluster;

bool is_between(const Message& message, std::uint64_t left, std::uint64_t right) {
  return (message.from.value == left && message.to.value == right) ||
         (message.from.value == right && message.to.value == left);
}

TEST(Core, ElectsOneLeaderWhichCommitsItsNoop) {
  CoreCluster cluster(3);
  cluster.run(2s);
  ASSERT_EQ(cluster.leaders().size(), 1U);
  for (auto& [id, host] : cluster.hosts()) {
    EXPECT_EQ(host.core.commit(), Index{1}) << id;
    EXPECT_EQ(host.core.leader().value, cluster.leaders().front()) << id;
  }
}

TEST(Core, AloneItLeadsOnceItsVoteIsDurable) {  // pitfalls A5, C3
  CoreCluster cluster(1);
  cluster.now = cluster.core(1).deadline();
  cluster.step(1, event::Tick{});
  EXPECT_EQ(cluster.core(1).role(), Role::kCandidate);
  cluster.complete_write(1);
  EXPECT_EQ(cluster.core(1).role(), Role::kLeader);
  EXPECT_EQ(cluster.core(1).commit(), Index{0});
  cluster.complete_write(1);
  EXPECT_EQ(cluster.core(1).commit(), Index{1});
}

TEST(Core, ReplicatesAndRepliesOnceCommitted) {
  CoreCluster cluster(3);
  cluster.elect(1);
  cluster.propose(1, "a", 1);
  cluster.propose(1, "b", 2);
  cluster.settle();
  ASSERT_EQ(cluster[1].replies.size(), 2U);
  EXPECT_EQ(cluster[1].replies[0].outcome, Outcome::kCommitted);
  EXPECT_EQ(cluster[1].replies[1].id.index, Index{3});
  cluster.run(100ms);  // the next heartbeat tells the others
  for (std::uint64_t id = 1; id <= 3; ++id) {
    ASSERT_EQ(cluster[id].applied.size(), 3U) << id;
    EXPECT_EQ(cluster[id].applied[2].payload.text(), "b");
  }
}

TEST(Core, CommitsThroughOthersWhileItsOwnDiskStalls) {  // pitfall C2
  CoreCluster cluster(3);
  cluster.elect(1);
  cluster[1].disk_stalled = true;
  cluster.propose(1, "a", 1);
  cluster.settle();
  EXPECT_EQ(cluster.core(1).commit(), Index{2});
  EXPECT_TRUE(cluster[1].applied.size() == 1) << "nothing is applied before it is durable here";
  cluster[1].disk_stalled = false;
  cluster.settle();
  EXPECT_EQ(cluster[1].applied.size(), 2U);
}

TEST(Core, ReplacesAConflictingTail) {
  CoreCluster cluster(3);
  cluster.elect(1);
  cluster.passes = [](const Message& message) { return message.from.value != 1; };
  cluster.propose(1, "lost", 1);
  cluster.propose(1, "lost too", 2);
  cluster.settle();
  cluster.passes = [](const Message& message) { return !is_between(message, 1, 2) && !is_between(message, 1, 3); };
  cluster.now += 400ms;
  cluster.elect(2);
  cluster.propose(2, "kept", 1);
  cluster.settle();
  cluster.passes = [](const Message&) { return true; };
  cluster.run(1s);
  EXPECT_EQ(cluster.core(1).log(), cluster.core(2).log());
  ASSERT_EQ(cluster[1].replies.size(), 2U);
  EXPECT_EQ(cluster[1].replies[0].outcome, Outcome::kRefused);
  EXPECT_EQ(cluster[1].replies[0].refusal, Refusal::kOverwritten);
}

TEST(Core, ReadsAreConfirmedByARound) {
  CoreCluster cluster(3);
  cluster.elect(1);
  cluster.step(1, event::Read{ReadId{5}});
  EXPECT_TRUE(cluster[1].reads.empty());
  cluster.settle();
  ASSERT_EQ(cluster[1].reads.size(), 1U);
  EXPECT_EQ(cluster[1].reads[0].index, Index{1});
  cluster.step(2, event::Read{ReadId{9}});
  cluster.settle();
  ASSERT_EQ(cluster[2].reads.size(), 1U);
  EXPECT_EQ(cluster[2].reads[0].read, ReadId{9});
}

TEST(Core, IsolatedLeaderStepsDownAndItsReadsFail) {
  CoreCluster cluster(3);
  cluster.elect(1);
  cluster.passes = [](const Message& message) { return message.from.value != 1 && message.to.value != 1; };
  cluster.step(1, event::Read{ReadId{5}});
  cluster.run(2s);
  EXPECT_NE(cluster.core(1).role(), Role::kLeader);
  ASSERT_EQ(cluster[1].reads_failed.size(), 1U);
  EXPECT_EQ(cluster.leaders().size(), 1U);
}

TEST(Core, ChangesMembersThroughAJointConfiguration) {
  CoreCluster cluster(3);
  cluster.elect(1);
  const Configuration empty;
  cluster.add(4, empty);
  cluster.add(5, empty);
  ConfigurationChange change{{CoreCluster::member(4), CoreCluster::member(5)}, {NodeId{2}, NodeId{3}}};
  cluster.step(1, event::ChangeMembership{ProposalId{1}, change});
  EXPECT_TRUE(cluster.core(1).configuration().is_joint());
  cluster.settle();
  EXPECT_FALSE(cluster.core(1).configuration().is_joint());
  EXPECT_EQ(cluster.core(4).configuration(), cluster.core(1).configuration());
  EXPECT_EQ(cluster[1].replies.back().outcome, Outcome::kCommitted);
}

TEST(Core, HandsLeadershipOver) {
  CoreCluster cluster(3);
  cluster.elect(1);
  cluster.step(1, event::TransferLeadership{ProposalId{1}, NodeId{3}});
  cluster.settle();
  EXPECT_EQ(cluster.core(3).role(), Role::kLeader);
  ASSERT_FALSE(cluster[1].replies.empty());
  EXPECT_EQ(cluster[1].replies.back().outcome, Outcome::kCommitted);
}

TEST(Core, SpeculationEndsWithARefusalAndBeginsAnew) {
  CoreCluster cluster(3);
  cluster.elect(1);
  ASSERT_EQ(cluster[1].epochs.back(), Epoch{1});
  const auto speculate = [&](std::uint64_t id, std::uint64_t sequence) {
    cluster.step(1, event::Propose{{{ProposalId{id}, Payload::copy_of("x"), Epoch{1}, sequence}}});
  };
  speculate(1, 0);
  speculate(2, 2);  // sequence 1 is missing
  EXPECT_EQ(cluster[1].replies.back().refusal, Refusal::kStaleEpoch);
  EXPECT_EQ(cluster[1].epochs.back(), Epoch{0});
  cluster.settle();
  cluster.run(100ms);
  EXPECT_EQ(cluster[1].epochs.back(), Epoch{2}) << "once what the first epoch appended has been applied";
}

TEST(Core, IsAValue) {
  CoreCluster cluster(3);
  cluster.elect(1);
  Core copy = cluster.core(1);
  EXPECT_EQ(copy, cluster.core(1));
  EXPECT_EQ(copy.fingerprint(), cluster.core(1).fingerprint());
  Effects left;
  Effects right;
  const Event event{cluster.now, event::Propose{{{ProposalId{1}, Payload::copy_of("x"), Epoch{}, 0}}}};
  copy.step(event, left);
  EXPECT_NE(copy, cluster.core(1));
  EXPECT_NE(copy.fingerprint(), cluster.core(1).fingerprint());
  cluster.core(1).step(event, right);
  EXPECT_EQ(copy, cluster.core(1));
  EXPECT_EQ(left, right);
}

}  // namespace
}  // namespace quorate
