// The invariants bite: each property is broken once by hand, and noticed. A checker that never complains proves
// nothing.
#include "sim/invariants.hpp"

#include <gtest/gtest.h>

#include "sim/disk_mirror.hpp"
#include "sim/ledger.hpp"

namespace quorate::sim {
namespace {

constexpr NodeId kOne{1};
constexpr NodeId kTwo{2};

LogId id(std::uint64_t term, std::uint64_t index) { return {Term{term}, Index{index}}; }

Entry entry(std::uint64_t term, std::uint64_t index, std::string_view body = "x") {
  return {Term{term}, Index{index}, EntryKind::kCommand, LogTime{index}, Payload::copy_of(body)};
}

Log log_of(std::vector<Entry> entries) { return Log({}, std::move(entries)); }

std::string property(const Verdict& verdict) { return verdict ? verdict->property : ""; }

/// Two nodes that agree: entries 1 and 2 of term 1, committed and applied.
struct LedgerTest : testing::Test {
  Ledger ledger;

  void SetUp() override {
    ASSERT_FALSE(ledger.elected(kOne, Term{1}, Log()));
    for (const NodeId node : {kOne, kTwo}) {
      ASSERT_FALSE(ledger.appended(node, entry(1, 1), Term{}));
      ASSERT_FALSE(ledger.appended(node, entry(1, 2), Term{1}));
    }
    for (const NodeId node : {kOne, kTwo}) {
      ASSERT_FALSE(ledger.committed(node, id(1, 1), Term{1}));
      ASSERT_FALSE(ledger.committed(node, id(1, 2), Term{1}));
      ASSERT_FALSE(ledger.applied(node, entry(1, 1), Payload::copy_of("done")));
      ASSERT_FALSE(ledger.digested(node, Index{1}, 77));
    }
  }
};

TEST_F(LedgerTest, NoticesASecondLeaderOfATerm) {
  EXPECT_EQ(property(ledger.elected(kTwo, Term{1}, log_of({entry(1, 1), entry(1, 2)}))), "U1 election safety");
  EXPECT_FALSE(ledger.elected(kOne, Term{1}, log_of({entry(1, 1), entry(1, 2)})));
}

TEST_F(LedgerTest, NoticesTwoBodiesUnderOneId) {
  EXPECT_EQ(property(ledger.appended(kTwo, entry(1, 2, "y"), Term{1})), "U2 log matching");
}

TEST_F(LedgerTest, NoticesTwoPredecessorsOfOneEntry) {
  ASSERT_FALSE(ledger.appended(kOne, entry(3, 3), Term{1}));
  EXPECT_EQ(property(ledger.appended(kTwo, entry(3, 3), Term{2})), "U2 log matching");
}

TEST_F(LedgerTest, NoticesEntriesThatTheirLeaderNeverMade) {
  EXPECT_EQ(property(ledger.appended(kTwo, entry(1, 4), Term{1})), "U2 log matching");
}

TEST_F(LedgerTest, ABodyMayBeMissingButNotAnother) {
  Entry without = entry(1, 2);
  without.payload = Payload::absent();
  EXPECT_FALSE(ledger.appended(kTwo, without, Term{1}));
}

TEST_F(LedgerTest, NoticesAnotherEntryCommittedAtAnIndex) {
  EXPECT_EQ(property(ledger.committed(kTwo, id(2, 2), Term{2})), "U3 commit stability");
}

TEST_F(LedgerTest, NoticesACommitThatNobodyMade) {
  EXPECT_EQ(property(ledger.committed(kTwo, id(2, 4), Term{2})), "U3 commit stability");
}

TEST_F(LedgerTest, NoticesALeaderWithoutWhatWasCommitted) {
  EXPECT_EQ(property(ledger.elected(kTwo, Term{2}, log_of({entry(1, 1)}))), "U4 leader completeness");
  EXPECT_FALSE(ledger.elected(kOne, Term{3}, log_of({entry(1, 1), entry(1, 2)})));
  EXPECT_FALSE(ledger.elected(kTwo, Term{4}, Log(id(1, 2), {}))) << "a snapshot covers it";
}

TEST_F(LedgerTest, ALeaderNeedNotHaveWhatWasCommittedInALaterTerm) {
  ASSERT_FALSE(ledger.elected(kOne, Term{5}, log_of({entry(1, 1), entry(1, 2)})));
  ASSERT_FALSE(ledger.appended(kOne, entry(5, 3), Term{1}));
  ASSERT_FALSE(ledger.committed(kOne, id(5, 3), Term{5}));
  EXPECT_FALSE(ledger.elected(kTwo, Term{4}, log_of({entry(1, 1), entry(1, 2)})));
  EXPECT_EQ(property(ledger.elected(kTwo, Term{6}, log_of({entry(1, 1), entry(1, 2)}))), "U4 leader completeness");
}

TEST_F(LedgerTest, NoticesWhatIsAppliedWithoutBeingCommitted) {
  EXPECT_EQ(property(ledger.applied(kTwo, entry(1, 3), {})), "U5 state machine safety");
  EXPECT_EQ(property(ledger.applied(kTwo, entry(2, 2), {})), "U5 state machine safety");
}

TEST_F(LedgerTest, NoticesAnotherResultAndAnotherState) {
  EXPECT_EQ(property(ledger.applied(kTwo, entry(1, 1), Payload::copy_of("not done"))), "U5 state machine safety");
  EXPECT_EQ(property(ledger.digested(kTwo, Index{1}, 78)), "U5 state machine safety");
}

struct DiskMirrorTest : testing::Test {
  DiskMirror mirror;
  Recovered found;

  /// Entries 1 to 3 of term 2 and the vote for n1 are durable; entry 4 is on its way.
  void SetUp() override {
    PersistBatch batch;
    batch.ticket = Ticket{1};
    batch.hard_state = HardState{Term{2}, kOne, Index{}};
    batch.entries = {entry(2, 1), entry(2, 2), entry(2, 3)};
    mirror.submitted(batch);
    mirror.completed(Ticket{1});
    PersistBatch later;
    later.ticket = Ticket{2};
    later.entries = {entry(2, 4)};
    mirror.submitted(later);

    found.hard_state = HardState{Term{2}, kOne, Index{}};
    found.entries = {entry(2, 1), entry(2, 2), entry(2, 3)};
  }
};

TEST_F(DiskMirrorTest, HoldsWhatIsCompleteAndNothingElse) {
  EXPECT_TRUE(mirror.holds(id(2, 3)));
  EXPECT_FALSE(mirror.holds(id(1, 3)));
  EXPECT_FALSE(mirror.holds(id(2, 4)));
  mirror.completed(Ticket{2});
  EXPECT_TRUE(mirror.holds(id(2, 4)));
  EXPECT_EQ(mirror.last(), id(2, 4));
}

TEST_F(DiskMirrorTest, FollowsTruncationsResetsAndCompactions) {
  PersistBatch batch;
  batch.ticket = Ticket{3};
  batch.truncate_after = Index{2};
  batch.entries = {entry(3, 3)};
  mirror.submitted(batch);
  mirror.completed(Ticket{3});
  EXPECT_EQ(mirror.last(), id(3, 3));
  EXPECT_FALSE(mirror.holds(id(2, 3)));

  mirror.compacted(id(2, 2));
  EXPECT_TRUE(mirror.holds(id(2, 1))) << "a snapshot covers it";
  EXPECT_TRUE(mirror.holds(id(3, 3)));

  PersistBatch reset;
  reset.ticket = Ticket{4};
  reset.reset_to = id(4, 10);
  mirror.submitted(reset);
  mirror.completed(Ticket{4});
  EXPECT_EQ(mirror.last(), id(4, 10));
}

TEST_F(DiskMirrorTest, ARestartMayFindWhatWasOnItsWay) {
  EXPECT_TRUE(mirror.is_kept_by(found));
  found.entries.push_back(entry(2, 4));
  EXPECT_TRUE(mirror.is_kept_by(found));
}

TEST_F(DiskMirrorTest, NoticesALostEntry) {
  found.entries.pop_back();
  EXPECT_FALSE(mirror.is_kept_by(found));
}

TEST_F(DiskMirrorTest, NoticesAnotherEntry) {
  found.entries[1] = entry(1, 2);
  EXPECT_FALSE(mirror.is_kept_by(found));
}

TEST_F(DiskMirrorTest, NoticesALostTermOrVote) {
  found.hard_state.term = Term{1};
  EXPECT_FALSE(mirror.is_kept_by(found));
  found.hard_state = {Term{2}, kTwo, {}};
  EXPECT_FALSE(mirror.is_kept_by(found));
  found.hard_state = {Term{3}, kNoNode, {}};
  EXPECT_TRUE(mirror.is_kept_by(found)) << "a later term was on its way";
}

TEST_F(DiskMirrorTest, ATruncationOnItsWayMayHaveHappened) {
  PersistBatch batch;
  batch.ticket = Ticket{3};
  batch.truncate_after = Index{1};
  mirror.submitted(batch);
  found.entries.resize(1);
  EXPECT_TRUE(mirror.is_kept_by(found));
  found.entries.clear();
  EXPECT_FALSE(mirror.is_kept_by(found));
}

/// What leaves a node is held against its disk (U8).
struct SendingTest : testing::Test {
  Invariants invariants;

  void make_durable() {
    Recovered recovered;
    recovered.hard_state = {Term{2}, kOne, {}};
    recovered.entries = {entry(1, 1), entry(2, 2)};
    CoreOptions options;
    options.id = kOne;
    CheckpointContext fresh;
    fresh.configuration.members = {{.id = kOne}};
    invariants.started(kOne, recovered, Core(options, recovered, fresh, Instant{}));
    ASSERT_FALSE(invariants.violation());
  }
  void expect_refused(MessageBody body, std::uint64_t term) {
    invariants.sending(kOne, Message{.from = kOne, .to = kTwo, .term = Term{term}, .body = std::move(body)});
    EXPECT_EQ(property(invariants.violation()), "U8 durability matrix");
  }
  void expect_allowed(MessageBody body, std::uint64_t term) {
    invariants.sending(kOne, Message{.from = kOne, .to = kTwo, .term = Term{term}, .body = std::move(body)});
    EXPECT_FALSE(invariants.violation()) << invariants.violation()->text;
  }
};

TEST_F(SendingTest, AllowsWhatIsDurable) {
  make_durable();
  expect_allowed(VoteRequest{id(2, 2)}, 2);
  expect_allowed(AppendAccepted{id(2, 2)}, 2);
  expect_allowed(VoteResponse{Vote::kRefused}, 9);
  expect_allowed(PreVoteRequest{id(2, 3)}, 2);
  expect_allowed(AppendRequest{}, 2);
}
TEST_F(SendingTest, NoticesAVoteAskedForBeforeTheOwnIsDurable) {
  make_durable();
  expect_refused(VoteRequest{id(2, 2)}, 3);
}
TEST_F(SendingTest, NoticesEntriesAdvertisedBeforeTheyAreDurable) {
  make_durable();
  expect_refused(VoteRequest{id(2, 3)}, 2);
}
TEST_F(SendingTest, NoticesAVoteGivenToAnotherThanTheDiskSays) {
  make_durable();
  expect_refused(VoteResponse{Vote::kGranted}, 2);
}
TEST_F(SendingTest, NoticesAVoteGivenInATermThatIsNotDurable) {
  make_durable();
  expect_refused(VoteResponse{Vote::kGranted}, 3);
}
TEST_F(SendingTest, NoticesEntriesAcknowledgedBeforeTheyAreDurable) {
  make_durable();
  expect_refused(AppendAccepted{id(2, 3)}, 2);
}
TEST_F(SendingTest, NoticesEntriesAcknowledgedInATermThatIsNotDurable) {
  make_durable();
  expect_refused(AppendAccepted{id(2, 2)}, 3);
}

TEST(Invariants, NoticeARestartThatLostSomething) {
  Invariants invariants;
  CoreOptions options;
  options.id = kOne;
  CheckpointContext fresh;
  fresh.configuration.members = {{.id = kOne}};
  Recovered first;
  first.hard_state = {Term{2}, kOne, {}};
  first.entries = {entry(1, 1), entry(2, 2)};
  invariants.started(kOne, first, Core(options, first, fresh, Instant{}));
  Recovered second = first;
  second.entries.pop_back();
  invariants.started(kOne, second, Core(options, second, fresh, Instant{}));
  EXPECT_EQ(property(invariants.violation()), "U8 durability matrix");
}

}  // namespace
}  // namespace quorate::sim
