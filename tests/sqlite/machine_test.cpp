// SQLite as a state machine: what entries do on a leader and on its followers, over checkpoints, restarts and changes
// of leadership.
#include "statemachine/sqlite/machine.hpp"

#include <gtest/gtest.h>

#include "tests/sqlite/log_harness.hpp"

namespace quorate::sqlite {
namespace {

using testing::Leader;
using testing::Replica;

void expect_equal(Leader& leader, Replica& follower) {
  leader.log.replay(follower);
  EXPECT_EQ(leader.replica->store().applied(), follower->store().applied());
  EXPECT_EQ(leader.replica->store().digest(), follower->store().digest());
  EXPECT_EQ(leader.replica->digest(), follower->digest());
  EXPECT_EQ(leader.replica->context(), follower->context());
}

const char* const kLarge =
    "INSERT INTO t SELECT randomblob(300) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE "
    "i < 100) SELECT i FROM n)";

TEST(MachineTest, AFollowerHasWhatTheLeaderHas) {
  Leader leader;
  Replica follower(NodeId{2});
  EXPECT_EQ(leader.run("CREATE TABLE t(a)"), "0 changed;");
  EXPECT_EQ(leader.run("INSERT INTO t VALUES(random()),(datetime('now'))"), "2 changed;");
  expect_equal(leader, follower);
  EXPECT_EQ(follower.read("SELECT count(*) FROM t"), "2");
  EXPECT_EQ(follower.read("SELECT * FROM t"), leader.replica.read("SELECT * FROM t"));
}

TEST(MachineTest, ALargeTransactionIsVisibleAtOnce) {
  Leader leader({.delta_part_bytes = 2000}, {.part_bytes = 2000});
  Replica follower(NodeId{2});
  leader.run("CREATE TABLE t(a)");
  leader.log.is_automatic = false;
  const Leader::TicketPtr ticket = leader.send(kLarge, "large");
  const std::size_t parts = leader.log.uncommitted();
  ASSERT_GE(parts, 10U);
  leader.log.commit(parts - 1);
  leader.log.replay(follower);
  EXPECT_FALSE(ticket->has_ended);
  EXPECT_EQ(follower.read("SELECT count(*) FROM t"), "0");
  EXPECT_EQ(leader.replica.read("SELECT count(*) FROM t"), "0");
  EXPECT_EQ(leader.replica->digest(), follower->digest()) << "the parts that wait are part of the state";
  leader.log.commit();
  EXPECT_EQ(ticket->text, "100 changed;");
  expect_equal(leader, follower);
  EXPECT_EQ(follower.read("SELECT count(*) FROM t"), "100");
}

TEST(MachineTest, OrphanPartsAreDroppedByTheNextLeader) {
  Leader leader({.delta_part_bytes = 2000}, {.part_bytes = 2000});
  Replica follower(NodeId{2});
  leader.run("CREATE TABLE t(a)");
  const std::uint64_t before = leader.replica->store().digest().value();
  leader.log.is_automatic = false;
  const Leader::TicketPtr ticket = leader.send(kLarge);
  leader.log.lose_leadership(3);
  EXPECT_EQ(ticket->text, "not leader") << "it can never be complete";
  leader.log.begin_epoch();
  expect_equal(leader, follower);
  EXPECT_EQ(leader.replica->store().digest().value(), before);
  leader.log.is_automatic = true;
  EXPECT_EQ(leader.run(kLarge), "100 changed;");
  expect_equal(leader, follower);
}

TEST(MachineTest, WhatAnEarlierEpochAppendedIsAppliedFromItsDeltas) {
  Leader leader({.delta_part_bytes = 2000}, {.part_bytes = 2000});
  Replica follower(NodeId{2});
  leader.run("CREATE TABLE t(a)");
  leader.log.is_automatic = false;
  const Leader::TicketPtr large = leader.send(kLarge);
  const Leader::TicketPtr small = leader.send("INSERT INTO t VALUES(1)");
  leader.log.commit(2);  // the first parts while it leads, the others when it does not
  leader.log.end_epoch();
  leader.log.commit();
  EXPECT_EQ(large->text, "100 changed;");
  EXPECT_EQ(small->text, "1 changed;");
  leader.log.begin_epoch();
  expect_equal(leader, follower);
  EXPECT_EQ(leader.replica.read("SELECT count(*) FROM t"), "101");
}

TEST(MachineTest, ACheckpointHoldsEverythingAnywhereInABundle) {
  Leader leader({.delta_part_bytes = 2000}, {.part_bytes = 2000});
  leader.run("CREATE TABLE t(a)");
  leader.log.append(
      EntryKind::kConfiguration,
      encode(Configuration{.members = {{.id = NodeId{1}, .incarnation = Incarnation{5}, .priority = 1}}}));
  leader.log.commit();
  leader.run("INSERT INTO t VALUES(1)", "key");
  leader.log.is_automatic = false;
  leader.send(kLarge, "large");
  const std::size_t parts = leader.log.uncommitted();
  const std::size_t first = leader.replica->store().applied().index.value;
  leader.log.commit();
  for (std::size_t at = 0; at <= parts; ++at) {
    Replica follower(NodeId{2});
    leader.log.replay(follower, first + at);
    const auto digest = follower->digest();
    const CheckpointContext context = follower->context();
    EXPECT_EQ(follower.checkpoint(), "");
    follower.open();
    EXPECT_EQ(follower->recovered(), context);
    EXPECT_EQ(follower->context().configuration.members.size(), 1U);
    EXPECT_EQ(follower->digest(), digest);
    EXPECT_NE(follower->outcomes().find("key"), nullptr);
    expect_equal(leader, follower);
  }
}

TEST(MachineTest, EntriesAreAppliedWhileACheckpointIsUnderWay) {
  Leader leader;
  Replica follower(NodeId{2});
  leader.run("CREATE TABLE t(a)");
  leader.run("INSERT INTO t VALUES(1)");
  leader.log.replay(follower);
  const CheckpointContext context = follower->context();
  follower.disk_jobs.is_automatic = false;
  std::optional<CheckpointContext> done;
  follower->checkpoint(context, [&](Result<CheckpointContext> result) { done = *result; });
  follower.disk_jobs.finish();
  leader.run("INSERT INTO t VALUES(2)");
  expect_equal(leader, follower);
  follower.disk_jobs.run_all();
  EXPECT_EQ(done, context);
  follower.open();
  EXPECT_EQ(follower->recovered(), context);
  EXPECT_EQ(follower.read("SELECT count(*) FROM t"), "1");
  expect_equal(leader, follower);
}

TEST(MachineTest, AReplicaThatDivergedStops) {
  Leader leader;
  Replica follower(NodeId{2});
  leader.run("CREATE TABLE t(a)");
  leader.log.replay(follower);
  Leader other;
  other.run("CREATE TABLE t(a)");
  other.run("INSERT INTO t VALUES(1)");
  leader.run("INSERT INTO t VALUES(2)");
  leader.run("INSERT INTO t VALUES(3)");
  ASSERT_EQ(follower.apply(other.log.entry(3)), "");
  EXPECT_NE(follower.apply(leader.log.entry(4)).find("diverged"), std::string::npos);
}

TEST(MachineTest, EntriesThatMakeNoSenseStopTheNode) {
  Replica follower(NodeId{2});
  EXPECT_NE(follower.apply({Term{1}, Index{1}, EntryKind::kCommand, LogTime{1}, Payload::copy_of("nonsense")}), "");
}

TEST(MachineTest, OutcomesExpireByLogTime) {
  Leader leader;
  Replica follower(NodeId{2});
  leader.run("CREATE TABLE t(a)");
  EXPECT_EQ(leader.run("INSERT INTO t VALUES(1)", "key"), "1 changed;");
  leader.log.time = LogTime{3'600'000};
  EXPECT_EQ(leader.run("INSERT INTO t VALUES(1)", "key"), "again: 1 changed;");
  leader.log.time = LogTime{3'600'002};
  leader.run("INSERT INTO t VALUES(5)");
  EXPECT_EQ(leader.replica->outcomes().find("key"), nullptr);
  expect_equal(leader, follower);
}

}  // namespace
}  // namespace quorate::sqlite
