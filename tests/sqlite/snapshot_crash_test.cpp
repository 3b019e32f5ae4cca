// Crashes at every operation of a snapshot's transfer, installation and recovery.
#include <tuple>

#include <gtest/gtest.h>

#include "consensus/limits.hpp"
#include "tests/sqlite/snapshot_harness.hpp"

namespace quorate::sqlite {
namespace {

using testing::carry;
using testing::Change;
using testing::expect_equal;
using testing::expect_picture;
using testing::id_of;
using testing::Leader;
using testing::open_sink;
using testing::open_source;
using testing::pages_from;
using testing::Picture;
using testing::read_all;
using testing::stage;
using testing::Store;

enum class Kind : std::uint8_t { kWhole, kDifference, kVeryFirst };

class SnapshotCrash : public ::testing::TestWithParam<std::tuple<sim::CrashPolicy, Kind>> {
 protected:
  [[nodiscard]] static sim::CrashPolicy policy() { return std::get<0>(GetParam()); }
  [[nodiscard]] static Kind kind() { return std::get<1>(GetParam()); }
  /// A follower at entry 2, with a part of it in memory only; or one that has nothing.
  void prepare(Store& follower) {
    if (kind() == Kind::kVeryFirst) return;
    leader_.replicate(*follower, Index{1});
    follower.fold();
    leader_.replicate(*follower, Index{2});
  }
  [[nodiscard]] std::unique_ptr<SnapshotSource> source() {
    return open_source(*leader_.store, "sessions", Index{kind() == Kind::kDifference ? 2U : 0U});
  }
  void SetUp() override {
    const std::vector<Change> first = {{"main", 9, {{1, 11}, {2, 12}, {5, 15}, {9, 19}}}, {"other", 1, {{1, 91}}}};
    leader_.execute(first);
    for (const Change& change : first) {
      if (kind() != Kind::kVeryFirst) testing::change_picture(folded_, change);
    }
    leader_.execute({{"main", 12, {{2, 22}, {12, 29}}}});
    leader_.execute({{"main", 7, {{1, 31}, {7, 37}}}, {"third", 2, {{1, 71}}}});
  }
  void expect_old_or_new(Store& follower, bool is_new) {
    if (is_new) {
      expect_equal(*leader_.store, *follower);
    } else {
      expect_picture(*follower, follower->pin(PinKind::kApplied), folded_);
    }
  }

  sim::SimFiles leader_disk_{Random(1)};
  Leader leader_{leader_disk_};
  Picture folded_;  ///< what a crash brings back
};

TEST_P(SnapshotCrash, AtEveryOperationOfTheInstallationLeavesTheOldStateOrTheNew) {
  const std::unique_ptr<SnapshotSource> source = this->source();
  const std::vector<std::byte> stream = read_all(*source);
  bool saw_old = false;
  bool saw_new = false;
  for (std::uint64_t operations = 0;; ++operations) {
    SCOPED_TRACE(::testing::Message() << "crash after " << operations << " operations");
    sim::SimFiles disk{Random(operations + 1)};
    Store follower(disk);
    prepare(follower);
    SnapshotSink sink = open_sink(disk);
    ASSERT_TRUE(stage(sink, id_of(*source), stream).has_value());
    disk.stop_after(operations);
    const bool is_done = sink.install(*follower, id_of(*source)).has_value();
    disk.crash(policy());
    follower.reopen();
    if (HasFatalFailure()) return;
    const bool is_new = follower->applied().index == Index{3};
    (is_new ? saw_new : saw_old) = true;
    EXPECT_TRUE(is_new || !is_done) << "an installation that reported success was lost";
    expect_old_or_new(follower, is_new);
    if (HasFailure()) return;

    // It goes on from there, whichever it is.
    leader_.replicate(*follower, Index{2});
    if (!is_new) {
      ASSERT_TRUE(carry(*leader_.store, *follower, disk, source->base()).has_value());
    }
    expect_equal(*leader_.store, *follower);
    follower.reopen();
    expect_equal(*leader_.store, *follower);
    if (HasFailure()) return;
    if (is_done) break;
  }
  EXPECT_TRUE(saw_old);
  EXPECT_TRUE(saw_new);
}

TEST_P(SnapshotCrash, AtEveryOperationOfTheRecoveryToo) {
  const std::unique_ptr<SnapshotSource> source = this->source();
  const std::vector<std::byte> stream = read_all(*source);
  for (std::uint64_t operations = 0;; ++operations) {
    bool is_done = false;
    for (std::uint64_t more = 0;; ++more) {
      SCOPED_TRACE(::testing::Message() << operations << " operations, " << more << " of the recovery");
      sim::SimFiles disk{Random(operations * 1000 + more)};
      Store follower(disk);
      prepare(follower);
      SnapshotSink sink = open_sink(disk);
      ASSERT_TRUE(stage(sink, id_of(*source), stream).has_value());
      disk.stop_after(operations);
      is_done = sink.install(*follower, id_of(*source)).has_value();
      disk.crash(policy());
      disk.stop_after(more);
      const bool is_recovered = PageStore::open(storage::AnyFileSystem(disk), {}).has_value() &&
                                SnapshotSink::open(storage::AnyFileSystem(disk), testing::kStaging).has_value();
      disk.crash(policy());
      follower.reopen();
      static_cast<void>(open_sink(disk));
      if (HasFatalFailure()) return;
      expect_old_or_new(follower, follower->applied().index == Index{3});
      if (HasFailure()) return;
      if (is_recovered) break;
    }
    if (is_done) break;
  }
}

class TransferCrash : public SnapshotCrash {};

TEST_P(TransferCrash, AtEveryOperationLosesAChunkAtMost) {
  leader_.execute({pages_from(1, 4200, 4200, 10)});
  const std::unique_ptr<SnapshotSource> source = this->source();
  const std::vector<std::byte> stream = read_all(*source);
  for (std::uint64_t operations = 0;; ++operations) {
    SCOPED_TRACE(::testing::Message() << "crash after " << operations << " operations");
    sim::SimFiles disk{Random(operations + 1)};
    Store follower(disk);
    prepare(follower);
    std::uint64_t acknowledged = 0;
    bool is_done = false;
    {
      SnapshotSink sink = open_sink(disk);
      disk.stop_after(operations);
      is_done = stage(sink, id_of(*source), stream, kSnapshotChunkBytesMax).has_value();
      if (sink.staged()) acknowledged = sink.staged()->next_offset;
    }
    disk.crash(policy());
    follower.reopen();
    leader_.replicate(*follower, Index{2});
    SnapshotSink sink = open_sink(disk);
    std::uint64_t at = sink.staged() ? sink.staged()->next_offset : 0;
    EXPECT_GE(at + kSnapshotChunkBytesMax, acknowledged);
    while (at < stream.size()) {
      const std::size_t count = std::min<std::size_t>(kSnapshotChunkBytesMax, stream.size() - at);
      at = *sink.stage(id_of(*source), at, std::span(stream).subspan(at, count));
    }
    const Result<std::vector<std::byte>> installed = sink.install(*follower, id_of(*source));
    ASSERT_TRUE(installed.has_value()) << installed.error().message;
    ASSERT_EQ(follower->digest(), leader_.store->digest());
    if (is_done) break;
  }
}

constexpr auto kPolicies = {sim::CrashPolicy::kKeepAll, sim::CrashPolicy::kDropAll, sim::CrashPolicy::kTear,
                            sim::CrashPolicy::kReorder};
INSTANTIATE_TEST_SUITE_P(Policies, SnapshotCrash,
                         ::testing::Combine(::testing::ValuesIn(kPolicies),
                                            ::testing::Values(Kind::kWhole, Kind::kDifference, Kind::kVeryFirst)));
INSTANTIATE_TEST_SUITE_P(Policies, TransferCrash,
                         ::testing::Combine(::testing::ValuesIn(kPolicies), ::testing::Values(Kind::kWhole)));

}  // namespace
}  // namespace quorate::sqlite
