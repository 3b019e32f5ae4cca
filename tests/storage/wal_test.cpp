#include "consensus/storage/wal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "consensus/storage/posix_files.hpp"
#include "consensus/wire/little_endian.hpp"
#include "tests/scratch_directory.hpp"
#include "tests/storage/wal_workload.hpp"

namespace quorate::storage {
namespace {

using quorate::testing::entry;
using quorate::testing::LogModel;
using quorate::testing::model_of;
using quorate::testing::SimWal;
using quorate::testing::small_wal;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr HardState kTermOne{Term{1}, NodeId{2}, Index{}};

class WalTest : public ::testing::Test {
 protected:
  SimWal::Opened open(WalOptions options = small_wal()) { return std::move(SimWal::open(disk, options).value()); }
  /// Opens again in another process.
  SimWal::Opened reopen(WalOptions options = small_wal()) {
    disk.kill();
    return open(options);
  }
  Error open_error(WalOptions options = small_wal()) {
    auto opened = SimWal::open(disk, options);
    EXPECT_FALSE(opened);
    return opened ? Error{} : opened.error();
  }
  void persist(SimWal& wal, const PersistBatch& batch) {
    const auto last = wal.append(batch);
    ASSERT_TRUE(last) << last.error().message;
    ASSERT_TRUE(wal.commit());
    model.apply(batch);
    EXPECT_EQ(*last, model.last());
  }

  sim::SimFiles disk{Random(1)};
  LogModel model;
};

TEST_F(WalTest, ANewLogIsEmpty) {
  const auto [wal, recovered] = open();
  EXPECT_EQ(model_of(recovered), LogModel{});
  EXPECT_FALSE(recovered.promises_lost);
  EXPECT_EQ(recovered.boot, Boot{1});
  EXPECT_NE(recovered.incarnation, Incarnation{});
}

TEST_F(WalTest, KeepsWhatWasCommitted) {
  {
    auto [wal, recovered] = open();
    persist(wal, {.hard_state = kTermOne, .entries = {entry(1, 1), entry(1, 2, "")}});
    persist(wal, {.entries = {entry(1, 3, std::string(2000, 'x'))}});
    persist(wal, {.hard_state = HardState{Term{2}, NodeId{1}, Index{2}}});
  }
  const auto recovered = reopen().recovered;
  EXPECT_EQ(model_of(recovered), model);
  EXPECT_THAT(recovered.damaged, IsEmpty());
}

TEST_F(WalTest, WhatIsOnlyStagedIsNotThere) {
  auto [wal, recovered] = open();
  ASSERT_TRUE(wal.append({.hard_state = kTermOne, .entries = {entry(1, 1)}}));
  EXPECT_EQ(model_of(reopen().recovered), LogModel{});
}

TEST_F(WalTest, ManyBatchesAreOneGroup) {
  auto [wal, recovered] = open();
  persist(wal, {.hard_state = kTermOne});
  const std::uint64_t before = disk.operations();
  for (std::uint64_t index = 1; index <= 10; ++index) {
    ASSERT_TRUE(wal.append({.entries = {entry(1, index)}}));
    model.apply({.entries = {entry(1, index)}});
  }
  ASSERT_TRUE(wal.commit());
  EXPECT_EQ(disk.operations(), before + 2) << "one write and one sync";
  EXPECT_EQ(model_of(reopen().recovered), model);
}

TEST_F(WalTest, ATruncatedTailStaysAway) {  // pitfall C15
  auto [wal, recovered] = open();
  persist(wal, {.hard_state = kTermOne, .entries = {entry(1, 1), entry(1, 2), entry(1, 3), entry(1, 4)}});
  persist(wal, {.truncate_after = Index{2}, .hard_state = HardState{Term{2}, {}, {}}, .entries = {entry(2, 3, "new")}});
  EXPECT_EQ(model_of(reopen().recovered), model);
  EXPECT_EQ(model.last(), (LogId{Term{2}, Index{3}}));
}

TEST_F(WalTest, AResetForgetsEverythingAndGoesOnBehindTheSnapshot) {
  auto [wal, recovered] = open();
  persist(wal, {.hard_state = kTermOne, .entries = {entry(1, 1), entry(1, 2)}});
  persist(wal, {.reset_to = LogId{Term{3}, Index{10}}, .hard_state = HardState{Term{3}, {}, Index{10}}});
  persist(wal, {.entries = {entry(3, 11)}});
  EXPECT_EQ(model_of(reopen().recovered), model);
}

TEST_F(WalTest, EntriesWithoutBodyStayWithout) {  // a witness stores ids alone
  auto [wal, recovered] = open();
  Entry bodiless = entry(1, 1);
  bodiless.payload = Payload::absent();
  persist(wal, {.hard_state = kTermOne, .entries = {bodiless}});
  const auto again = reopen().recovered;
  EXPECT_EQ(model_of(again), model);
  EXPECT_THAT(again.damaged, IsEmpty()) << "absent on purpose is not damaged";
}

TEST_F(WalTest, BootsAreCountedAndTheIncarnationStays) {
  const auto first = open().recovered;
  const auto second = reopen().recovered;
  EXPECT_EQ(second.boot, Boot{2});
  EXPECT_EQ(second.incarnation, first.incarnation);
  disk.wipe();
  WalOptions options = small_wal();
  options.entropy = 43;
  const auto wiped = open(options).recovered;
  EXPECT_EQ(wiped.boot, Boot{1});
  EXPECT_NE(wiped.incarnation, first.incarnation);
}

TEST_F(WalTest, SegmentsAreBegunAndDeleted) {
  auto [wal, recovered] = open();
  persist(wal, {.hard_state = kTermOne});
  for (std::uint64_t index = 1; index <= 60; ++index) {
    persist(wal, {.entries = {entry(1, index, std::string(1000, static_cast<char>('a' + index % 26)))}});
  }
  const std::size_t before = wal.segments();
  EXPECT_GT(before, 4U);
  EXPECT_EQ(model_of(reopen().recovered), model);

  auto again = std::move(reopen().wal);
  const LogId through{Term{1}, Index{50}};
  ASSERT_TRUE(again.compact(through));
  model.compact(through);
  EXPECT_LT(again.segments(), before);
  EXPECT_EQ(model_of(reopen().recovered), model);
}

TEST_F(WalTest, AnObsoleteSegmentBecomesTheNext) {
  auto [wal, recovered] = open();
  persist(wal, {.hard_state = kTermOne});
  std::uint64_t index = 0;
  std::uint64_t used = 0;
  for (int round = 0; round < 20; ++round) {
    for (int i = 0; i < 10; ++i) persist(wal, {.entries = {entry(1, ++index, std::string(1000, 'x'))}});
    const LogId through{Term{1}, Index{index}};
    ASSERT_TRUE(wal.compact(through));
    model.compact(through);
    if (round == 5) used = disk.used_bytes();
  }
  EXPECT_EQ(disk.used_bytes(), used) << "disk usage has a bound";
  EXPECT_EQ(model_of(reopen().recovered), model);
}

TEST_F(WalTest, AnEntryLargerThanASegmentGetsASegmentOfItsOwn) {
  auto [wal, recovered] = open();
  persist(wal, {.hard_state = kTermOne, .entries = {entry(1, 1)}});
  persist(wal, {.entries = {entry(1, 2, std::string(100'000, 'x'))}});
  persist(wal, {.entries = {entry(1, 3)}});
  EXPECT_EQ(model_of(reopen().recovered), model);
}

TEST_F(WalTest, PreparingMakesTheNextSegmentCheap) {
  auto [wal, recovered] = open();
  persist(wal, {.hard_state = kTermOne});
  std::uint64_t index = 0;
  while (wal.segments() == 1) {
    persist(wal, {.entries = {entry(1, ++index, std::string(1000, 'x'))}});
    const auto more = wal.prepare();
    ASSERT_TRUE(more);
    EXPECT_FALSE(*more) << "a small segment takes one step";
  }
  EXPECT_EQ(model_of(reopen().recovered), model);
}

// --- Who may open what ---

TEST_F(WalTest, OneProcessAtATime) {  // pitfall C23
  const auto opened = open();
  EXPECT_EQ(open_error().kind, ErrorKind::kLocked);
}

TEST_F(WalTest, AnotherNodesDirectoryIsRefused) {
  { const auto opened = open(); }
  disk.kill();
  const auto files_before = disk.used_bytes();
  const std::uint64_t before = disk.operations();
  WalOptions options = small_wal();
  options.node = NodeId{2};
  EXPECT_EQ(open_error(options).kind, ErrorKind::kInvalidArgument);
  options = small_wal();
  options.cluster = ClusterId{0xc2};
  const Error error = open_error(options);
  EXPECT_EQ(error.kind, ErrorKind::kInvalidArgument);
  EXPECT_EQ(error.message,
            "log belongs to node 1 of cluster 00000000000000c1, not to node 1 of cluster 00000000000000c2; name the "
            "right directory or the right node");
  EXPECT_EQ(disk.operations(), before) << "nothing was changed";
  EXPECT_EQ(disk.used_bytes(), files_before);
}

TEST_F(WalTest, ADirectoryWithOtherThingsInItIsRefused) {
  ASSERT_TRUE(disk.create_directories("log"));
  ASSERT_TRUE(disk.open("log/holiday.jpg", OpenMode::kCreate));
  const std::uint64_t before = disk.operations();
  EXPECT_EQ(open_error().kind, ErrorKind::kInvalidArgument);
  EXPECT_EQ(disk.operations(), before);
}

TEST_F(WalTest, AnUnknownVersionIsRefused) {
  { const auto opened = open(); }
  disk.kill();
  // Both slots as a later version would write them: another version number under a valid checksum.
  for (const std::uint64_t slot : {std::uint64_t{0}, kIdentitySlotStride}) {
    std::vector<std::byte> bytes(kIdentitySlotBytes);
    std::ranges::copy(disk.durable_bytes("log/identity").subspan(slot, kIdentitySlotBytes), bytes.begin());
    wire::store_little_endian(&bytes[8], kWalVersion + 1);
    const auto crc = wire::crc32c(std::span(bytes).subspan(16), wire::crc32c(std::span(bytes).first(12)));
    wire::store_little_endian(&bytes[12], wire::masked(crc));
    disk.overwrite("log/identity", slot, bytes);
  }
  const std::uint64_t before = disk.operations();
  const Error error = open_error();
  EXPECT_EQ(error.kind, ErrorKind::kUnsupported);
  EXPECT_THAT(error.message, HasSubstr("format version 2, this build reads version 1"));
  EXPECT_EQ(disk.operations(), before);
}

TEST_F(WalTest, ALogWhoseSegmentsAreGoneIsRefused) {
  { const auto opened = open(); }
  disk.kill();
  ASSERT_TRUE(disk.remove("log/" + segment_name(SegmentNumber{1})));
  EXPECT_EQ(open_error().kind, ErrorKind::kCorrupt);
}

// --- Errors ---

TEST_F(WalTest, AFailedSyncStopsTheLog) {
  auto [wal, recovered] = open();
  persist(wal, {.hard_state = kTermOne, .entries = {entry(1, 1)}});
  ASSERT_TRUE(wal.append({.entries = {entry(1, 2)}}));
  disk.arm(sim::DiskFault::kSyncError);
  EXPECT_EQ(wal.commit().error().kind, ErrorKind::kIo);
  EXPECT_EQ(wal.commit().error().kind, ErrorKind::kIo) << "the next sync would claim success";
  EXPECT_EQ(wal.append({.entries = {entry(1, 3)}}).error().kind, ErrorKind::kIo);
  EXPECT_EQ(wal.compact({Term{1}, Index{1}}).error().kind, ErrorKind::kIo);
  EXPECT_EQ(wal.mark().error().kind, ErrorKind::kIo);
  EXPECT_EQ(wal.prepare().error().kind, ErrorKind::kIo);
}

// A failed sync leaves pages in the cache that pass for clean. A process that starts on them must not build on them.
TEST_F(WalTest, WhatARestartFindsInTheCacheIsSyncedBeforeItIsUsed) {
  for (const auto policy : {sim::CrashPolicy::kKeepAll, sim::CrashPolicy::kDropAll}) {
    disk.wipe();
    model = {};
    auto wal = std::move(open().wal);
    persist(wal, {.hard_state = kTermOne, .entries = {entry(1, 1)}});
    ASSERT_TRUE(wal.append({.entries = {entry(1, 2)}}));
    disk.arm(sim::DiskFault::kSyncError);
    ASSERT_FALSE(wal.commit());
    const LogModel found = model_of(reopen().recovered);
    disk.crash(policy);
    EXPECT_EQ(model_of(open().recovered), found) << "what was reported must not vanish";
  }
}

TEST_F(WalTest, AFullDiskIsReportedBeforeAnythingIsWritten) {
  auto [wal, recovered] = open();
  persist(wal, {.hard_state = kTermOne});
  disk.set_capacity(disk.used_bytes());
  std::uint64_t index = 1;
  while (true) {
    const PersistBatch batch{.entries = {entry(1, index, std::string(1000, 'x'))}};
    const auto appended = wal.append(batch);
    if (!appended) {
      EXPECT_EQ(appended.error().kind, ErrorKind::kDiskFull);
      break;
    }
    ASSERT_TRUE(wal.commit());
    model.apply(batch);
    ASSERT_LT(++index, 100U);
  }
  EXPECT_EQ(wal.state().last, model.last());

  // The node can still vote, and change the membership.
  for (std::uint64_t term = 2; term < 5; ++term) {
    const PersistBatch batch{.hard_state = HardState{Term{term}, NodeId{1}, {}},
                             .entries = {entry(term, index++, "members", EntryKind::kConfiguration)}};
    persist(wal, batch);
  }
  EXPECT_EQ(wal.append({.entries = {entry(5, index, "tiny")}}).error().kind, ErrorKind::kDiskFull)
      << "the reserve is not for commands";
  EXPECT_EQ(model_of(reopen().recovered), model);

  // And goes on when there is room again.
  auto again = std::move(reopen().wal);
  EXPECT_EQ(again.append({.entries = {entry(5, index, "tiny")}}).error().kind, ErrorKind::kDiskFull);
  disk.set_capacity(UINT64_MAX);
  persist(again, {.entries = {entry(5, index, "tiny")}});
  EXPECT_EQ(disk.exists("log/reserve"), true) << "set aside again";
  EXPECT_EQ(model_of(reopen().recovered), model);
}

TEST_F(WalTest, CompactionMakesRoomOnAFullDisk) {
  auto [wal, recovered] = open();
  persist(wal, {.hard_state = kTermOne});
  std::uint64_t index = 0;
  while (wal.segments() < 3) persist(wal, {.entries = {entry(1, ++index, std::string(1000, 'x'))}});
  disk.set_capacity(disk.used_bytes());
  while (wal.append({.entries = {entry(1, index + 1, std::string(1000, 'x'))}})) {
    ASSERT_TRUE(wal.commit());
    model.apply({.entries = {entry(1, ++index, std::string(1000, 'x'))}});
  }
  ASSERT_TRUE(wal.compact(model.last()));
  model.compact(model.last());
  persist(wal, {.entries = {entry(1, ++index, std::string(1000, 'x'))}});
  EXPECT_EQ(model_of(reopen().recovered), model);
}

TEST_F(WalTest, AFullDiskAtTheFirstStart) {
  disk.set_capacity(10'000);
  EXPECT_EQ(open_error().kind, ErrorKind::kDiskFull);
  disk.set_capacity(UINT64_MAX);
  disk.kill();
  EXPECT_EQ(model_of(open().recovered), LogModel{});
}

// --- On a real disk ---

TEST(WalOnPosixFiles, SurvivesRestarts) {
  const quorate::testing::ScratchDirectory directory;
  WalOptions options = small_wal();
  options.block_bytes = 4096;
  options.segment_bytes = 65536;
  LogModel model;
  Random random(5);
  for (int life = 1; life <= 5; ++life) {
    auto files = PosixFiles::below(directory.path()).value();
    auto opened = Wal<PosixFiles>::open(files, options);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(model_of(opened->recovered), model);
    EXPECT_EQ(opened->recovered.boot, Boot{static_cast<std::uint64_t>(life)});
    auto other = PosixFiles::below(directory.path()).value();
    EXPECT_EQ(Wal<PosixFiles>::open(other, options).error().kind, ErrorKind::kLocked);
    for (int i = 0; i < 30; ++i) {
      const PersistBatch batch = quorate::testing::random_batch(model, random);
      ASSERT_TRUE(opened->wal.append(batch));
      ASSERT_TRUE(opened->wal.commit());
      model.apply(batch);
    }
  }
}

}  // namespace
}  // namespace quorate::storage
