// From one node's page store to another's: whole and incremental snapshots, interrupted and damaged ones.
#include <string>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "consensus/limits.hpp"
#include "consensus/storage/snapshot_format.hpp"
#include "tests/sqlite/snapshot_harness.hpp"

namespace quorate::sqlite {
namespace {

using testing::blob;
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

std::vector<std::byte> whole_stream(PageStore& store, Index base = Index{0}) {
  return read_all(*open_source(store, "sessions", base));
}

class SnapshotTest : public ::testing::Test {
 protected:
  sim::SimFiles leader_disk_{Random(1)};
  sim::SimFiles disk_{Random(2)};
  Leader leader_{leader_disk_};
  Store follower_{disk_};
};

TEST_F(SnapshotTest, BringsAnEmptyStoreToTheLeadersState) {
  leader_.execute({{"main", 9, {{1, 11}, {2, 12}, {5, 15}, {9, 19}}}, {"other", 2, {{1, 91}, {2, 92}}}});
  leader_.store.fold();
  leader_.execute({{"main", 4, {{1, 21}, {3, 23}}}, {"third", 1, {{1, 71}}}});
  const Result<std::vector<std::byte>> application = carry(*leader_.store, *follower_, disk_, Index{0});
  ASSERT_TRUE(application.has_value()) << application.error().message;
  EXPECT_EQ(*application, blob("sessions"));
  expect_equal(*leader_.store, *follower_);
  EXPECT_EQ(follower_->durable().application, blob("sessions"));

  disk_.crash(sim::CrashPolicy::kDropAll);
  follower_.reopen();
  expect_equal(*leader_.store, *follower_);
  EXPECT_FALSE(open_sink(disk_).staged().has_value());
}

TEST_F(SnapshotTest, BringsAFollowerForwardFromWhatItHas) {
  leader_.execute({pages_from(1, 100, 100, 1000)});
  leader_.execute({{"main", 100, {{1, 5}, {50, 6}}}});
  leader_.replicate(*follower_, Index{1});
  follower_.fold();
  leader_.replicate(*follower_, Index{2});  // in memory only
  leader_.execute({pages_from(20, 69, 100, 2000)});
  const std::vector<std::byte> stream = whole_stream(*leader_.store, Index{2});
  EXPECT_LE(stream.size(), 50 * testing::kTestPageBytes * 12 / 10);
  ASSERT_TRUE(carry(*leader_.store, *follower_, disk_, Index{2}).has_value());
  expect_equal(*leader_.store, *follower_);
  disk_.crash(sim::CrashPolicy::kDropAll);
  follower_.reopen();
  expect_equal(*leader_.store, *follower_);
}

TEST_F(SnapshotTest, LeadsToADatabaseThatTookThePlaceOfAnother) {
  leader_.execute({pages_from(1, 10, 10, 1000), {"other", 2, {{1, 1}, {2, 2}}}});
  leader_.execute({{".main", 20, {{1, 1}, {7, 7}}}});
  leader_.replicate(*follower_, Index{2});
  follower_.fold();
  leader_.execute({{".main", 30, {{21, 3}, {30, 4}}}});
  leader_.replicate(*follower_, Index{3});  // in memory only
  leader_.execute({{"main", 10, {}, DatabaseFate::kDropped}, {".main", 30, {{1, 5}}, DatabaseFate::kAdopted}});
  leader_.execute({{".other", 3, {{3, 3}}}});
  ASSERT_TRUE(carry(*leader_.store, *follower_, disk_, Index{3}).has_value());
  expect_equal(*leader_.store, *follower_);
  disk_.crash(sim::CrashPolicy::kDropAll);
  follower_.reopen();
  expect_equal(*leader_.store, *follower_);
  EXPECT_FALSE(*disk_.exists("pages/1.pages"));
  leader_.execute({{".other", 3, {}, DatabaseFate::kDropped}});
  leader_.replicate(*follower_, Index{6});
  expect_equal(*leader_.store, *follower_);
  follower_.fold();
  follower_.reopen();
  leader_.execute({{"new", 1, {{1, 1}}}});
  leader_.replicate(*follower_, Index{7});
  expect_equal(*leader_.store, *follower_);
  EXPECT_EQ(follower_->find_database(follower_->pin(PinKind::kApplied), "new")->id, DatabaseId{5})
      << "never given twice";
}

TEST_F(SnapshotTest, TellsPagesThatBecameHoles) {
  leader_.execute({pages_from(1, 10, 10, 1000)});
  leader_.replicate(*follower_, Index{1});
  follower_.fold();
  leader_.execute({{"main", 3, {{1, 5}}}});
  leader_.store.fold();
  leader_.store.reopen();  // what is not there any more is forgotten
  leader_.store->begin_epoch(Epoch{2});
  leader_.execute({{"main", 10, {{1, 6}, {10, 7}}}});
  ASSERT_TRUE(carry(*leader_.store, *follower_, disk_, Index{1}).has_value());
  expect_equal(*leader_.store, *follower_);
}

TEST_F(SnapshotTest, ReplacesAStateOfAnotherHistory) {
  sim::SimFiles other_disk{Random(3)};
  Leader other{other_disk};
  other.execute({{"strange", 3, {{1, 1}, {2, 2}, {3, 3}}}});
  std::vector<DatabaseWrite> writes;
  writes.push_back({"second", *PageSize::of(1024), PageCount{1}, {}});
  writes.back().pages[PageNumber{1}] =
      PageImage::build(1024, [](std::span<std::byte> page) { std::ranges::fill(page, std::byte{7}); });
  PageCodec codec;
  const SealedVersion sealed = *other.store->seal(other.store->pin(PinKind::kHead), std::move(writes), codec);
  other.store->commit(sealed.name, {Term{1}, Index{2}});
  other.execute({{"left", 2, {{1, 4}, {2, 5}}}});
  other.store.fold();
  other.store->drop_speculation();

  for (std::uint64_t i = 0; i < 3; ++i) leader_.execute({{"main", 1, {{1, 10 + i}}}});
  leader_.execute({{"main", 5, {{5, 2}}}, {"second", 3, {{1, 3}}}});
  ASSERT_TRUE(carry(*leader_.store, *other.store, other_disk, Index{0}).has_value());
  expect_equal(*leader_.store, *other.store);
  other_disk.crash(sim::CrashPolicy::kKeepAll);
  other.store.reopen();
  expect_equal(*leader_.store, *other.store);
  // Nothing is left of the database that exists no more.
  EXPECT_TRUE(*other_disk.exists("pages/2.pages"));
  EXPECT_FALSE(*other_disk.exists("pages/3.pages"));
}

TEST_F(SnapshotTest, DoesNotChangeWhileTheLeaderGoesOn) {
  leader_.execute({pages_from(1, 200, 200, 1000)});
  leader_.store.fold();
  const std::unique_ptr<SnapshotSource> source = open_source(*leader_.store, "sessions", Index{0});
  const std::vector<std::byte> before = read_all(*source, 1000);
  leader_.execute({pages_from(1, 100, 150, 2000)});
  leader_.store.fold();
  EXPECT_EQ(read_all(*source, 777), before);
  EXPECT_EQ(source->read(before.size(), 10)->bytes.size(), 0U);
  EXPECT_TRUE(source->read(before.size(), 10)->is_last);
}

TEST_F(SnapshotTest, OldPinsGetAnErrorAndNeverOtherPages) {
  leader_.execute({pages_from(1, 10, 10, 1000)});
  leader_.replicate(*follower_, Index{1});
  leader_.execute({pages_from(1, 10, 10, 2000), {"other", 1, {{1, 1}}}});
  const Pin reader = follower_->pin(PinKind::kApplied);
  const Pin writer = follower_->pin(PinKind::kHead);
  const std::uint64_t readers = follower_->generation(PinKind::kApplied);
  const std::uint64_t writers = follower_->generation(PinKind::kHead);
  ASSERT_TRUE(carry(*leader_.store, *follower_, disk_, Index{1}).has_value());
  EXPECT_EQ(follower_->page(reader, DatabaseId{1}, PageNumber{1}).error().kind, ErrorKind::kOverloaded);
  EXPECT_EQ(follower_->check(reader).error().kind, ErrorKind::kOverloaded);
  EXPECT_EQ(follower_->page(writer, DatabaseId{1}, PageNumber{1}).error().kind, ErrorKind::kUnavailable);
  EXPECT_NE(follower_->generation(PinKind::kApplied), readers);
  EXPECT_NE(follower_->generation(PinKind::kHead), writers);
  EXPECT_TRUE(follower_->check(follower_->pin(PinKind::kApplied)).has_value());
}

TEST_F(SnapshotTest, TheFollowerGoesOnBehindIt) {
  leader_.execute({pages_from(1, 10, 10, 1000)});
  ASSERT_TRUE(carry(*leader_.store, *follower_, disk_, Index{0}).has_value());
  leader_.execute({{"main", 12, {{3, 1}, {12, 2}}}});
  leader_.execute({{"main", 7, {{1, 1}}}});
  leader_.replicate(*follower_, Index{3});
  expect_equal(*leader_.store, *follower_);
  follower_.fold();
  follower_.reopen();
  expect_equal(*leader_.store, *follower_);
}

TEST_F(SnapshotTest, WaitsForAFold) {
  leader_.execute({pages_from(1, 10, 10, 1000)});
  const std::unique_ptr<SnapshotSource> source = open_source(*leader_.store, "sessions", Index{0});
  SnapshotSink sink = open_sink(disk_);
  ASSERT_TRUE(stage(sink, id_of(*source), read_all(*source)).has_value());
  {
    Result<Fold> fold = Fold::begin(*follower_, {});
    ASSERT_TRUE(fold.has_value());
    EXPECT_EQ(sink.install(*follower_, id_of(*source)).error().kind, ErrorKind::kOverloaded);
    ASSERT_TRUE(fold->run().has_value());
  }
  ASSERT_TRUE(sink.install(*follower_, id_of(*source)).has_value());
  follower_.fold();
}

TEST_F(SnapshotTest, RefusesWhatDoesNotFit) {
  leader_.execute({pages_from(1, 10, 10, 1000)});
  leader_.execute({pages_from(1, 5, 10, 2000)});
  leader_.execute({pages_from(1, 2, 10, 3000)});
  EXPECT_EQ(SnapshotSource::open(*leader_.store, {}, Index{3}).error().kind, ErrorKind::kInvalidArgument);
  // A difference to more than the follower has.
  EXPECT_EQ(carry(*leader_.store, *follower_, disk_, Index{1}).error().kind, ErrorKind::kCorrupt);
  EXPECT_FALSE(open_sink(disk_).staged().has_value());
  EXPECT_EQ(follower_->applied(), LogId{});
  // Not more than the follower has already.
  ASSERT_TRUE(carry(*leader_.store, *follower_, disk_, Index{0}).has_value());
  EXPECT_EQ(carry(*leader_.store, *follower_, disk_, Index{0}).error().kind, ErrorKind::kCorrupt);
  expect_equal(*leader_.store, *follower_);
  follower_.fold();  // nothing is left locked
}

TEST_F(SnapshotTest, ADivergedFollowerIsNotMadeWorse) {
  leader_.execute({pages_from(1, 10, 10, 1000)});
  follower_->begin_epoch(Epoch{1});
  follower_.execute({pages_from(1, 10, 10, 4000)});
  follower_->drop_speculation();
  leader_.execute({pages_from(1, 2, 10, 2000)});
  EXPECT_EQ(carry(*leader_.store, *follower_, disk_, Index{1}).error().kind, ErrorKind::kCorrupt);
  Picture picture;
  testing::change_picture(picture, pages_from(1, 10, 10, 4000));
  expect_picture(*follower_, follower_->pin(PinKind::kApplied), picture);
  follower_.reopen();
  expect_picture(*follower_, follower_->pin(PinKind::kApplied), {});
  ASSERT_TRUE(carry(*leader_.store, *follower_, disk_, Index{0}).has_value());
  expect_equal(*leader_.store, *follower_);
}

// --- Staging ---

TEST_F(SnapshotTest, AnInterruptedTransferGoesOnBehindWhatIsSurelyThere) {
  leader_.execute({pages_from(1, 9000, 9000, 10)});
  const std::unique_ptr<SnapshotSource> source = open_source(*leader_.store, "sessions", Index{0});
  const std::vector<std::byte> stream = read_all(*source);
  ASSERT_GT(stream.size(), 4 * kSnapshotChunkBytesMax);
  const std::size_t received = 4 * kSnapshotChunkBytesMax - 1000;
  {
    SnapshotSink sink = open_sink(disk_);
    ASSERT_TRUE(stage(sink, id_of(*source), std::span(stream).first(received), kSnapshotChunkBytesMax).has_value());
  }
  disk_.crash(sim::CrashPolicy::kReorder);
  follower_.reopen();
  SnapshotSink sink = open_sink(disk_);
  ASSERT_TRUE(sink.staged().has_value());
  EXPECT_EQ(sink.staged()->id, id_of(*source));
  std::uint64_t at = sink.staged()->next_offset;
  EXPECT_EQ(at, received - kSnapshotChunkBytesMax);
  const std::unique_ptr<SnapshotSource> again = open_source(*leader_.store, "sessions", Index{0});
  for (bool is_last = false; !is_last;) {
    const Result<SnapshotPiece> piece = again->read(at, 300'000);
    ASSERT_TRUE(piece.has_value());
    at = *sink.stage(id_of(*source), at, piece->bytes.bytes());
    is_last = piece->is_last;
  }
  ASSERT_TRUE(sink.install(*follower_, id_of(*source)).has_value());
  expect_equal(*leader_.store, *follower_);
}

TEST_F(SnapshotTest, RemovesWhatIsNoBeginningOfASnapshot) {
  leader_.execute({pages_from(1, 9000, 9000, 10)});
  const std::vector<std::byte> stream = whole_stream(*leader_.store);
  const SnapshotId id{leader_.store->applied(), Index{0}, NodeId{1}};
  const SnapshotId other{{Term{7}, Index{77}}, Index{0}, NodeId{1}};
  const auto leave = [&](const std::string& name, std::span<const std::byte> bytes) {
    auto file = disk_.open(std::string(testing::kStaging) + "/" + name, storage::OpenMode::kCreate);
    ASSERT_TRUE(file->write(0, bytes).has_value());
  };
  ASSERT_TRUE(disk_.create_directories(testing::kStaging).has_value());
  for (int damage = 0; damage < 4; ++damage) {
    SCOPED_TRACE(damage);
    std::vector<std::byte> bytes = stream;
    if (damage == 0) bytes.resize(1000);
    if (damage == 1) bytes[20] ^= std::byte{1};
    leave(damage == 2 ? "something" : storage::incoming_name(damage == 3 ? other : id), bytes);
    EXPECT_FALSE(open_sink(disk_).staged().has_value());
    EXPECT_TRUE(disk_.list(testing::kStaging)->empty());
  }
  leave(storage::incoming_name(id), stream);
  EXPECT_TRUE(open_sink(disk_).staged().has_value());
}

TEST_F(SnapshotTest, AFullDiskLeavesTheOldState) {
  leader_.execute({pages_from(1, 100, 100, 1000)});
  leader_.replicate(*follower_, Index{1});
  leader_.execute({pages_from(1, 100, 100, 2000)});
  const std::unique_ptr<SnapshotSource> source = open_source(*leader_.store, "sessions", Index{1});
  SnapshotSink sink = open_sink(disk_);
  ASSERT_TRUE(stage(sink, id_of(*source), read_all(*source)).has_value());
  disk_.set_capacity(disk_.used_bytes() + 1000);
  EXPECT_EQ(sink.install(*follower_, id_of(*source)).error().kind, ErrorKind::kDiskFull);
  Picture picture;
  testing::change_picture(picture, pages_from(1, 100, 100, 1000));
  expect_picture(*follower_, follower_->pin(PinKind::kApplied), picture);
  disk_.set_capacity(UINT64_MAX);
  ASSERT_TRUE(sink.install(*follower_, id_of(*source)).has_value());
  expect_equal(*leader_.store, *follower_);
}

// --- Everything at random ---

RC_GTEST_PROP(SnapshotProperty, AFollowerOfAnyAgeBecomesTheLeader, ()) {
  Random random(*rc::gen::arbitrary<std::uint64_t>());
  sim::SimFiles leader_disk{Random(1)};
  sim::SimFiles disk{Random(2)};
  Leader leader{leader_disk};
  Store follower{disk};
  const auto change = [&](std::string name) {
    Change made{std::move(name), 1 + random.below(300), {}};
    const std::uint64_t pages = 1 + random.below(random.below(4) == 0 ? 200 : 10);
    for (std::uint64_t i = 0; i < pages; ++i) {
      made.pages[1 + random.below(made.page_count)] = random.below(10) == 0 ? 0 : 1 + random.below(1000);
    }
    return made;
  };
  const std::uint64_t entries = 2 + random.below(12);
  const Index base{random.below(entries)};
  for (std::uint64_t i = 0; i < entries; ++i) {
    std::vector<Change> changes = {change("main")};
    if (random.below(3) == 0) changes.push_back(change("other"));
    leader.execute(changes);
    if (random.below(3) == 0) leader.store.fold();
    if (Index{i + 1} <= base) {
      leader.replicate(*follower, Index{i + 1});
      if (random.below(3) == 0) follower.fold();
    }
  }
  // A snapshot always says more than nothing.
  RC_PRE(leader.store->applied().index > base);
  const std::unique_ptr<SnapshotSource> source = open_source(*leader.store, "sessions", base);
  const std::vector<std::byte> stream = read_all(*source, 1 + random.below(20'000));
  for (int i = 0; i < 5; ++i) {
    const std::size_t at = random.below(stream.size());
    const std::size_t count = 1 + random.below(10'000);
    const auto part = std::span(stream).subspan(at, std::min(count, stream.size() - at));
    RC_ASSERT(std::ranges::equal(source->read(at, count)->bytes.bytes(), part));
  }
  // The follower may have got more of the log while the snapshot was on its way.
  leader.replicate(*follower, Index{base.value + random.below(source->last().index.value - base.value)});
  SnapshotSink sink = open_sink(disk);
  RC_ASSERT(stage(sink, id_of(*source), stream, 1 + random.below(20'000)).has_value());
  const Result<std::vector<std::byte>> installed = sink.install(*follower, id_of(*source));
  RC_ASSERT(installed.has_value());
  expect_equal(*leader.store, *follower);
  // It is as good a source as the leader.
  RC_ASSERT(whole_stream(*follower) == whole_stream(*leader.store));
  leader.execute({change("main")});
  leader.replicate(*follower, leader.store->applied().index);
  expect_equal(*leader.store, *follower);
  follower.fold();
  follower.reopen();
  expect_equal(*leader.store, *follower);
  RC_ASSERT(!::testing::Test::HasFailure());
}

}  // namespace
}  // namespace quorate::sqlite
