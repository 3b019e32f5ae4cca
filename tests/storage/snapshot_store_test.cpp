#include "consensus/storage/snapshot_store.hpp"

#include <map>
#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "sim/disk.hpp"
#include "tests/storage/generators.hpp"
#include "tests/storage/wal_workload.hpp"

namespace quorate::storage {
namespace {

using quorate::testing::kCrashPolicies;
using sim::CrashPolicy;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Store = SnapshotStore<sim::SimFiles>;

CheckpointContext context_of(std::uint64_t index) {
  return {{Term{index / 10 + 1}, Index{index}},
          LogTime{index * 100},
          {Generation{1}, {{NodeId{1}, Incarnation{7}, MemberKind::kVoter, 1, "one"}}, {}}};
}

std::vector<std::byte> state_of(std::uint64_t index) {
  std::vector<std::byte> state(500 + index * 37);
  Random random(index);
  for (std::byte& byte : state) byte = static_cast<std::byte>(random.next());
  return state;
}

/// The bytes of a snapshot's file, as another node would send them.
std::vector<std::byte> file_of(std::uint64_t index) {
  const auto state = state_of(index);
  std::vector<std::byte> file = encode_snapshot_head(context_of(index), state);
  file.insert(file.end(), state.begin(), state.end());
  return file;
}

SnapshotId id_of(std::uint64_t index) { return {context_of(index).last, Index{}, NodeId{3}}; }

class SnapshotStoreTest : public ::testing::Test {
 protected:
  Store open() { return std::move(Store::open(disk, "state").value()); }
  Store reopen() {
    disk.kill();
    return open();
  }
  static void save(Store& store, std::uint64_t index, const std::set<LogId>& pinned = {}) {
    const auto saved = store.save(context_of(index), state_of(index), pinned);
    ASSERT_TRUE(saved) << saved.error().message;
  }
  /// The index of the newest snapshot; its contents are checked.
  static std::optional<std::uint64_t> newest(Store& store) {
    const auto loaded = store.load_newest();
    EXPECT_TRUE(loaded) << loaded.error().message;
    if (!loaded || !*loaded) return std::nullopt;
    const std::uint64_t index = (*loaded)->context.last.index.value;
    EXPECT_EQ((*loaded)->context, context_of(index));
    EXPECT_EQ((*loaded)->state, state_of(index));
    return index;
  }

  sim::SimFiles disk{Random(1)};
};

TEST_F(SnapshotStoreTest, BeginsEmpty) {
  Store store = open();
  EXPECT_EQ(newest(store), std::nullopt);
  EXPECT_EQ(store.staged(), std::nullopt);
}

TEST_F(SnapshotStoreTest, KeepsTheNewestTwoAndWhatIsPinned) {
  Store store = open();
  for (const std::uint64_t index : {10U, 20U, 30U, 40U}) save(store, index, {context_of(10).last});
  Store again = reopen();
  EXPECT_EQ(newest(again), 40U);
  EXPECT_THAT(disk.list("state").value(),
              ElementsAre(snapshot_name(context_of(10).last), snapshot_name(context_of(30).last),
                          snapshot_name(context_of(40).last)));
}

TEST_F(SnapshotStoreTest, AnOlderOneTakesThePlaceOfADamagedOne) {  // pitfall E26
  {
    Store store = open();
    save(store, 10);
    save(store, 20);
  }
  disk.crash(CrashPolicy::kKeepAll);
  const std::string newer = "state/" + snapshot_name(context_of(20).last);
  disk.flip_bit(newer, disk.durable_bytes(newer).size() - 1, 0);
  Store store = open();
  EXPECT_EQ(newest(store), 10U);
  disk.flip_bit("state/" + snapshot_name(context_of(10).last), 40, 0);
  const auto none = store.load_newest();
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().kind, ErrorKind::kCorrupt);
  EXPECT_THAT(none.error().message, HasSubstr("no older one is whole"));
}

TEST_F(SnapshotStoreTest, SendsItsFilesPieceByPiece) {
  Store store = open();
  save(store, 10);
  std::vector<std::byte> sent;
  SnapshotPiece piece;
  while (!piece.is_last) {
    piece = store.read(context_of(10).last, sent.size(), 100).value();
    sent.insert(sent.end(), piece.bytes.bytes().begin(), piece.bytes.bytes().end());
  }
  EXPECT_EQ(sent, file_of(10));
  EXPECT_EQ(store.read(context_of(11).last, 0, 100).error().kind, ErrorKind::kNotFound);
}

TEST_F(SnapshotStoreTest, TakesOverWhatWasStaged) {
  Store store = open();
  const auto file = file_of(10);
  for (std::size_t at = 0; at < file.size(); at += 100) {
    const auto chunk = std::span(file).subspan(at, std::min<std::size_t>(100, file.size() - at));
    EXPECT_EQ(store.stage(id_of(10), at, chunk), at + chunk.size());
  }
  const auto adopted = store.adopt(id_of(10), {});
  ASSERT_TRUE(adopted);
  EXPECT_EQ(adopted->state, state_of(10));
  EXPECT_EQ(store.staged(), std::nullopt);
  Store again = reopen();
  EXPECT_EQ(newest(again), 10U);
}

TEST_F(SnapshotStoreTest, ResumesAtTheLastDurableOffset) {  // pitfall E15
  const auto file = file_of(10);
  {
    Store store = open();
    ASSERT_TRUE(store.stage(id_of(10), 0, std::span(file).first(300)));
  }
  disk.crash(CrashPolicy::kDropAll);
  Store store = open();
  ASSERT_TRUE(store.staged());
  EXPECT_EQ(store.staged()->id, id_of(10));
  EXPECT_EQ(store.staged()->next_offset, 300U);
  ASSERT_TRUE(store.stage(id_of(10), 300, std::span(file).subspan(300)));
  EXPECT_TRUE(store.adopt(id_of(10), {}));
}

TEST_F(SnapshotStoreTest, ANewSnapshotReplacesTheOneThatWasBegun) {  // pitfall E16
  Store store = open();
  const auto begun = file_of(10);
  ASSERT_TRUE(store.stage(id_of(10), 0, std::span(begun).first(300)));
  ASSERT_TRUE(store.stage(id_of(20), 0, file_of(20)));
  EXPECT_TRUE(store.adopt(id_of(20), {}));
  EXPECT_THAT(disk.list("state").value(), ElementsAre(snapshot_name(context_of(20).last)));
}

TEST_F(SnapshotStoreTest, DamagedBytesAreDiscarded) {
  Store store = open();
  save(store, 5);
  auto file = file_of(10);
  file[100] ^= std::byte{1};
  ASSERT_TRUE(store.stage(id_of(10), 0, file));
  EXPECT_EQ(store.adopt(id_of(10), {}).error().kind, ErrorKind::kCorrupt);
  EXPECT_EQ(store.staged(), std::nullopt);
  EXPECT_EQ(newest(store), 5U);
}

TEST_F(SnapshotStoreTest, AnotherSnapshotThanAnnouncedIsDiscarded) {
  Store store = open();
  ASSERT_TRUE(store.stage(id_of(10), 0, file_of(11)));
  EXPECT_EQ(store.adopt(id_of(10), {}).error().kind, ErrorKind::kCorrupt);
}

TEST_F(SnapshotStoreTest, AFullDiskGetsItsSpaceBack) {  // pitfall C22
  Store store = open();
  save(store, 10);
  const std::uint64_t used = disk.used_bytes();
  disk.set_capacity(used + 700);
  EXPECT_EQ(store.save(context_of(20), state_of(20), {}).error().kind, ErrorKind::kDiskFull);
  EXPECT_EQ(disk.used_bytes(), used);
  EXPECT_EQ(newest(store), 10U);
}

// A chunk whose sync failed passes for clean in the cache that the next process finds.
TEST_F(SnapshotStoreTest, WhatARestartFindsInTheCacheIsSyncedBeforeItIsUsed) {
  const auto file = file_of(10);
  {
    Store store = open();
    ASSERT_TRUE(store.stage(id_of(10), 0, std::span(file).first(300)));
    disk.arm(sim::DiskFault::kSyncError);
    ASSERT_FALSE(store.stage(id_of(10), 300, std::span(file).subspan(300)));
  }
  {
    Store store = reopen();
    ASSERT_EQ(store.staged()->next_offset, file.size());
    ASSERT_TRUE(store.adopt(id_of(10), {}));
  }
  disk.crash(CrashPolicy::kDropAll);
  Store store = open();
  EXPECT_EQ(newest(store), 10U);
}

/// Saves some, receives one, and saves another; returns the index of the newest that is durable for sure, and of the
/// newest that may be.
struct Progress {
  std::optional<std::uint64_t> durable;
  std::optional<std::uint64_t> possible;
};
Progress work(sim::SimFiles& disk) {
  Progress progress;
  auto store = Store::open(disk, "state");
  if (!store) return progress;
  const auto try_to = [&](std::uint64_t index, auto&& action) {
    progress.possible = index;
    if (!action().has_value()) return false;
    progress.durable = index;
    return true;
  };
  for (const std::uint64_t index : {10U, 20U, 30U}) {
    if (!try_to(index, [&] { return store->save(context_of(index), state_of(index), {}); })) return progress;
  }
  const auto file = file_of(40);
  for (std::size_t at = 0; at < file.size(); at += 512) {
    const auto chunk = std::span(file).subspan(at, std::min<std::size_t>(512, file.size() - at));
    if (!store->stage(id_of(40), at, chunk)) return progress;
  }
  if (!try_to(40, [&] { return store->adopt(id_of(40), {}); })) return progress;
  try_to(50, [&] { return store->save(context_of(50), state_of(50), {}); });
  return progress;
}

// pitfall C13: stopped after every single operation, crashed in every way.
TEST(SnapshotStoreCrash, AtEveryOperationInEveryWay) {
  sim::SimFiles undisturbed{Random(1)};
  ASSERT_EQ(work(undisturbed).durable, 50U);
  const std::uint64_t operations = undisturbed.operations();
  ASSERT_GT(operations, 30U);
  for (std::uint64_t stop = 0; stop <= operations; ++stop) {
    for (const CrashPolicy policy : kCrashPolicies) {
      SCOPED_TRACE(::testing::Message() << "stopped after " << stop << ", policy " << static_cast<int>(policy));
      sim::SimFiles disk{Random(stop)};
      disk.stop_after(stop);
      const Progress progress = work(disk);
      disk.crash(policy);
      auto store = Store::open(disk, "state");
      ASSERT_TRUE(store);
      const auto loaded = store->load_newest();
      ASSERT_TRUE(loaded) << loaded.error().message;
      std::optional<std::uint64_t> found;
      if (*loaded) {
        found = (*loaded)->context.last.index.value;
        ASSERT_EQ((*loaded)->state, state_of(*found));
      }
      ASSERT_TRUE(found == progress.durable || found == progress.possible) << "found " << found.value_or(0);
      // And it is still of use.
      ASSERT_TRUE(store->save(context_of(60), state_of(60), {}));
      ASSERT_LE(disk.list("state")->size(), Store::kKept + 1);
    }
  }
}

RC_GTEST_PROP(SnapshotFormatProperty, EveryFlippedBitIsFound, ()) {
  sim::SimFiles disk{Random(1)};
  {
    auto store = std::move(Store::open(disk, "state").value());
    const auto index = *rc::gen::inRange<std::uint64_t>(1, 40);
    RC_ASSERT(store.save(context_of(index), state_of(index), {}).has_value());
  }
  disk.crash(CrashPolicy::kKeepAll);
  const std::string path = disk.durable_files().front();
  disk.flip_bit(path, *rc::gen::inRange<std::uint64_t>(0, disk.durable_bytes(path).size()), *rc::gen::inRange(0U, 8U));
  auto store = std::move(Store::open(disk, "state").value());
  RC_ASSERT(!store.load_newest().has_value());
}

RC_GTEST_PROP(SnapshotFormatProperty, HostileHeadsAreRefused, ()) {
  auto head = encode_snapshot_head(context_of(10), {});
  const int damages = *rc::gen::inRange(1, 5);
  for (int i = 0; i < damages; ++i) {
    head[*rc::gen::inRange<std::size_t>(0, head.size())] = std::byte{*rc::gen::arbitrary<std::uint8_t>()};
  }
  head.resize(*rc::gen::inRange<std::size_t>(0, head.size() + 1));
  const auto parsed = parse_snapshot_context(head);
  if (parsed) RC_ASSERT(*parsed == context_of(10));
}

TEST(SnapshotFormat, NamesAreReadBack) {
  const LogId last{Term{0x12}, Index{0x345}};
  EXPECT_EQ(parse_snapshot_name(snapshot_name(last)), last);
  const SnapshotId id{last, Index{6}, NodeId{7}};
  EXPECT_EQ(parse_incoming_name(incoming_name(id)), id);
  for (const char* name : {"", "snapshot", "snapshot-", "snapshot-1-2", "draft"}) {
    EXPECT_EQ(parse_snapshot_name(name), std::nullopt) << name;
    EXPECT_EQ(parse_incoming_name(name), std::nullopt) << name;
  }
}

}  // namespace
}  // namespace quorate::storage
