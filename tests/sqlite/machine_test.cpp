// SQLite as a state machine: what entries do on a leader and on its followers, over checkpoints, restarts and changes
// of leadership.
#include "statemachine/sqlite/machine.hpp"

#include <gtest/gtest.h>

#include "consensus/configuration_codec.hpp"
#include "consensus/storage/snapshot_format.hpp"
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

TEST(MachineTest, MayEndInTheMiddleOfACheckpoint) {
  Leader leader;
  leader.run("CREATE TABLE t(a)");
  leader.replica.disk_jobs.is_automatic = false;
  EXPECT_EQ(leader.replica.checkpoint(), "not done");
  leader.replica.disk_jobs.work();
  leader.executor.reset();
  leader.replica.open();
  leader.replica.disk_jobs.finish();  // nobody is there to hear it, and nothing is left of what it was about
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

// --- Snapshots ---

/// Carries a snapshot over, piece by piece; the end as text.
std::string transfer(Leader& leader, Replica& follower, Index base) {
  const Result<SnapshotId> id = leader.replica->open_snapshot(NodeId{2}, base);
  if (!id) return id.error().message;
  std::uint64_t offset = 0;
  for (bool is_last = false; !is_last;) {
    leader.replica->read_snapshot(NodeId{2}, offset, [&](Result<SnapshotPiece> piece) {
      ASSERT_TRUE(piece.has_value()) << piece.error().message;
      is_last = piece->is_last;
      follower->stage_snapshot(*id, offset, piece->bytes, [&](const Result<std::uint64_t>& next) { offset = *next; });
    });
  }
  leader.replica->close_snapshot(NodeId{2});
  std::string end = "not done";
  follower->install_snapshot(*id, [&](const Result<CheckpointContext>& done) {
    end = done ? "" : done.error().message;
    EXPECT_TRUE(!done || done->last == id->last);
  });
  return end;
}

class SnapshotTest : public ::testing::Test {
 protected:
  SnapshotTest() {
    leader_.run("CREATE TABLE t(a)");
    leader_.run("INSERT INTO t VALUES(randomblob(20000))", "key");
    EXPECT_EQ(leader_.replica.checkpoint(), "");
  }

  Leader leader_;
  Replica follower_{NodeId{2}};
};

TEST_F(SnapshotTest, BringsANewNodeUpToDate) {
  leader_.run("INSERT INTO t VALUES(1)");
  EXPECT_EQ(transfer(leader_, follower_, Index{0}), "");
  EXPECT_EQ(leader_.replica->digest(), follower_->digest());
  EXPECT_NE(follower_->outcomes().find("key"), nullptr);
  leader_.run("INSERT INTO t VALUES(2)");
  expect_equal(leader_, follower_);
  follower_.open();
  EXPECT_GT(follower_->recovered().last.index, Index{0}) << "what was installed is durable";
  expect_equal(leader_, follower_);
}

TEST_F(SnapshotTest, BringsALaggardWhatHasChanged) {
  leader_.log.replay(follower_);
  const Index base = follower_->store().applied().index;
  leader_.run("INSERT INTO t VALUES(1)");
  leader_.run("UPDATE t SET a = 2 WHERE a = 1");
  const SnapshotId whole = *leader_.replica->open_snapshot(NodeId{3}, Index{0});
  const SnapshotId part = *leader_.replica->open_snapshot(NodeId{4}, base);
  const auto size_of = [&](NodeId to) {
    std::size_t bytes = 0;
    leader_.replica->read_snapshot(to, 0, [&](const Result<SnapshotPiece>& piece) { bytes = piece->bytes.size(); });
    return bytes;
  };
  EXPECT_EQ(whole.last, part.last);
  EXPECT_LT(size_of(NodeId{4}), size_of(NodeId{3}) / 2);
  EXPECT_EQ(transfer(leader_, follower_, base), "");
  EXPECT_EQ(leader_.replica->digest(), follower_->digest());
}

TEST_F(SnapshotTest, IsTheSameWhenATransferGoesOn) {
  const SnapshotId first = *leader_.replica->open_snapshot(NodeId{2}, Index{0});
  leader_.replica->close_snapshot(NodeId{2});
  leader_.run("INSERT INTO t VALUES(1)");
  EXPECT_EQ(*leader_.replica->open_snapshot(NodeId{2}, Index{0}), first);
  leader_.replica->close_snapshot(NodeId{2});
  EXPECT_EQ(leader_.replica.checkpoint(), "");
  EXPECT_GT(leader_.replica->open_snapshot(NodeId{2}, Index{0})->last, first.last);
}

TEST_F(SnapshotTest, HoldsThePartsThatWait) {
  Leader leader({.delta_part_bytes = 2000}, {.part_bytes = 2000});
  leader.run("CREATE TABLE t(a)");
  EXPECT_EQ(leader.replica.checkpoint(), "");
  leader.log.is_automatic = false;
  leader.send(kLarge);
  leader.log.commit(4);
  EXPECT_EQ(transfer(leader, follower_, Index{0}), "");
  EXPECT_EQ(leader.replica->digest(), follower_->digest());
  leader.log.commit();
  expect_equal(leader, follower_);
}

TEST_F(SnapshotTest, WaitsForACheckpointAndACheckpointForIt) {
  leader_.log.replay(follower_);
  const Index base = follower_->store().applied().index;
  leader_.run("INSERT INTO t VALUES(1)");
  follower_.disk_jobs.is_automatic = false;
  const CheckpointContext before = follower_->context();
  std::optional<CheckpointContext> folded;
  follower_->checkpoint(before, [&](Result<CheckpointContext> done) { folded = *done; });
  const SnapshotId id = *leader_.replica->open_snapshot(NodeId{2}, base);
  leader_.replica->read_snapshot(NodeId{2}, 0, [&](Result<SnapshotPiece> piece) {
    follower_->stage_snapshot(id, 0, piece->bytes, [](const Result<std::uint64_t>&) {});
  });
  std::optional<LogId> installed;
  follower_->install_snapshot(id, [&](const Result<CheckpointContext>& done) { installed = done->last; });
  while (!folded) {
    EXPECT_FALSE(installed.has_value());
    follower_.disk_jobs.finish();
  }
  folded.reset();
  follower_.disk_jobs.work();  // the state has been replaced, and the machine has not heard of it yet
  follower_->checkpoint(before, [&](Result<CheckpointContext> done) { folded = *done; });
  follower_.disk_jobs.run_all();
  EXPECT_EQ(folded, before) << "what the snapshot brought is durable, and more";
  EXPECT_EQ(installed, id.last);
  EXPECT_EQ(leader_.replica->digest(), follower_->digest());
}

TEST_F(SnapshotTest, AWitnessGetsTheContextAlone) {
  Configuration configuration{.members = {{.id = NodeId{1}}, {.id = NodeId{2}, .kind = MemberKind::kWitness}}};
  leader_.log.append(EntryKind::kConfiguration, encode(configuration));
  leader_.log.commit();
  const SnapshotId id = *leader_.replica->open_snapshot(NodeId{2}, Index{0});
  EXPECT_EQ(id.last, leader_.replica->context().last);
  leader_.replica->read_snapshot(NodeId{2}, 0, [&](const Result<SnapshotPiece>& piece) {
    EXPECT_TRUE(piece->is_last);
    const auto header = storage::parse_snapshot_header(piece->bytes.bytes());
    ASSERT_TRUE(header.has_value());
    EXPECT_EQ(header->state_bytes, 0U);
    EXPECT_EQ(storage::parse_snapshot_context(piece->bytes.bytes())->configuration, configuration);
  });
}

TEST_F(SnapshotTest, RotIsFoundByVerifying) {
  EXPECT_TRUE(leader_.replica->verify().has_value());
  for (const std::string& name : leader_.replica.disk.durable_files()) {
    if (name.ends_with(".pages")) leader_.replica.disk.flip_bit(name, 5 * 4096 + 100, 3);
  }
  EXPECT_EQ(leader_.replica->verify().error().kind, ErrorKind::kCorrupt);
}

}  // namespace
}  // namespace quorate::sqlite
