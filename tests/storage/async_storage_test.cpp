#include "consensus/storage/async_storage.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "consensus/storage/memory_storage.hpp"
#include "consensus/storage/posix_files.hpp"
#include "tests/scratch_directory.hpp"
#include "tests/storage/manual_executor.hpp"
#include "tests/storage/wal_workload.hpp"

namespace quorate::storage {
namespace {

using quorate::testing::LogModel;
using quorate::testing::ManualExecutor;
using quorate::testing::model_of;
using quorate::testing::SimWal;
using quorate::testing::small_wal;
using quorate::testing::ThreadExecutor;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

static_assert(Storage<AsyncStorage<SimWal, ManualExecutor>>);
static_assert(Storage<MemoryStorage<ManualExecutor>>);

Entry sized_entry(std::uint64_t index, std::size_t size = 10, EntryKind kind = EntryKind::kCommand) {
  return {Term{1}, Index{index}, kind, LogTime{index}, Payload::copy_of(std::string(size, 'x'))};
}

class AsyncStorageTest : public ::testing::Test {
 protected:
  void submit(PersistBatch batch) {
    model.apply(batch);
    storage.submit(std::move(batch), [this](Result<LogId> last) {
      if (last)
        completed.push_back(last->index.value);
      else
        errors.push_back(last.error().kind);
    });
  }
  LogModel reopened() {
    disk.kill();
    return model_of(SimWal::open(disk, small_wal()).value().recovered);
  }

  sim::SimFiles disk{Random(1)};
  ManualExecutor executor;
  AsyncStorage<SimWal, ManualExecutor> storage{SimWal::open(disk, small_wal()).value().wal, executor};
  LogModel model;
  std::vector<std::uint64_t> completed;
  std::vector<ErrorKind> errors;
};

TEST_F(AsyncStorageTest, CompletesInOrderWhenDurable) {
  submit({.hard_state = HardState{Term{1}, {}, {}}, .entries = {sized_entry(1)}});
  EXPECT_THAT(completed, IsEmpty());
  executor.run_one();
  EXPECT_THAT(completed, ElementsAre(1));
  disk.crash(sim::CrashPolicy::kDropAll);
  EXPECT_EQ(reopened(), model);
}

TEST_F(AsyncStorageTest, WhatComesWhileAJobRunsSharesOneSync) {
  submit({.hard_state = HardState{Term{1}, {}, {}}});
  const std::uint64_t before = disk.operations();
  for (std::uint64_t index = 1; index <= 20; ++index) submit({.entries = {sized_entry(index)}});
  EXPECT_EQ(executor.waiting(), 1U);
  executor.run_one();
  EXPECT_EQ(completed.size(), 1U);
  executor.run_one();
  EXPECT_EQ(completed.size(), 21U);
  EXPECT_EQ(disk.operations(), before + 4) << "two groups, a write and a sync each";
  EXPECT_EQ(reopened(), model);
}

TEST_F(AsyncStorageTest, AJobHasALimit) {
  submit({.hard_state = HardState{Term{1}, {}, {}}});
  for (std::uint64_t index = 1; index <= 8; ++index) submit({.entries = {sized_entry(index, kJobBytesTarget / 2)}});
  executor.run_one();
  executor.run_one();
  EXPECT_EQ(completed.size(), 3U);
  executor.run_all();
  EXPECT_EQ(reopened(), model);
}

TEST_F(AsyncStorageTest, AnErrorEndsEverythingInOrder) {
  submit({.hard_state = HardState{Term{1}, {}, {}}});
  disk.arm(sim::DiskFault::kSyncError);
  submit({.entries = {sized_entry(1)}});
  executor.run_all();
  EXPECT_THAT(completed, IsEmpty());
  EXPECT_THAT(errors, ElementsAre(ErrorKind::kIo, ErrorKind::kIo));
  submit({.entries = {sized_entry(2)}});
  executor.run_all();
  EXPECT_THAT(errors, ElementsAre(ErrorKind::kIo, ErrorKind::kIo, ErrorKind::kIo));
}

TEST_F(AsyncStorageTest, BatchesWaitWhileTheDiskIsFull) {  // pitfall C22
  submit({.hard_state = HardState{Term{1}, {}, {}}});
  executor.run_all();
  disk.set_capacity(disk.used_bytes());
  for (std::uint64_t index = 1; index <= 30; ++index) {
    submit({.entries = {sized_entry(index, 1000)}});
    executor.run_all();
  }
  EXPECT_TRUE(storage.is_waiting_for_space());
  EXPECT_THAT(errors, IsEmpty());
  const std::size_t before = completed.size();
  EXPECT_LT(before, 31U);
  disk.set_capacity(UINT64_MAX);
  storage.retry();
  executor.run_all();
  EXPECT_EQ(completed.size(), 31U);
  EXPECT_FALSE(storage.is_waiting_for_space());
  EXPECT_EQ(reopened(), model);
}

TEST_F(AsyncStorageTest, RoomThatComesWhileAJobFindsNoneIsNoticed) {  // a simulated run stalled without it
  submit({.hard_state = HardState{Term{1}, {}, {}}});
  executor.run_all();
  disk.set_capacity(disk.used_bytes());
  for (std::uint64_t index = 1; index <= 30; ++index) submit({.entries = {sized_entry(index, 1000)}});
  executor.run_one();
  executor.run_one([&] {
    disk.set_capacity(UINT64_MAX);
    storage.retry();
  });
  executor.run_all();
  EXPECT_EQ(completed.size(), 31U);
}

TEST_F(AsyncStorageTest, CompactionGoesAheadOfWhatWaitsForSpace) {
  submit({.hard_state = HardState{Term{1}, {}, {}}});
  for (std::uint64_t index = 1; index <= 30; ++index) {
    submit({.entries = {sized_entry(index, 1000)}});
    executor.run_all();
  }
  disk.set_capacity(disk.used_bytes());
  for (std::uint64_t index = 31; index <= 60; ++index) submit({.entries = {sized_entry(index, 1000)}});
  executor.run_all();
  ASSERT_TRUE(storage.is_waiting_for_space());
  const LogId through{Term{1}, Index{completed.back()}};
  storage.compact(through);
  executor.run_all();
  EXPECT_GT(completed.back(), through.index.value) << "went on by itself";
}

TEST_F(AsyncStorageTest, CompactsBehindWhatWasSubmitted) {
  submit({.hard_state = HardState{Term{1}, {}, {}}, .entries = {sized_entry(1), sized_entry(2), sized_entry(3)}});
  storage.compact({Term{1}, Index{2}});
  model.compact({Term{1}, Index{2}});
  executor.run_all();
  EXPECT_EQ(reopened(), model);
}

TEST_F(AsyncStorageTest, IdleTimeIsUsedToMarkTheLastGroup) {
  submit({.hard_state = HardState{Term{1}, {}, {}}, .entries = {sized_entry(1)}});
  const std::uint64_t before = disk.operations();
  executor.run_all();
  EXPECT_EQ(disk.operations(), before + 3) << "a write, a sync, and the mark";
}

TEST(AsyncStorage, CompletionsOwedAtTheEndAreDropped) {
  sim::SimFiles disk{Random(1)};
  ManualExecutor executor;
  bool is_called = false;
  {
    AsyncStorage<SimWal, ManualExecutor> storage(SimWal::open(disk, small_wal()).value().wal, executor);
    storage.submit({.hard_state = HardState{Term{1}, {}, {}}}, [&](const Result<LogId>&) { is_called = true; });
  }
  executor.run_all();
  EXPECT_FALSE(is_called);
}

TEST(AsyncStorage, WorksAcrossThreads) {
  const quorate::testing::ScratchDirectory directory;
  WalOptions options = small_wal();
  options.block_bytes = 4096;
  options.segment_bytes = 65536;
  LogModel model;
  {
    auto files = PosixFiles::below(directory.path()).value();
    ThreadExecutor executor;
    AsyncStorage<Wal<PosixFiles>, ThreadExecutor> storage(Wal<PosixFiles>::open(files, options).value().wal, executor);
    Random random(3);
    std::size_t completed = 0;
    for (int i = 0; i < 100; ++i) {
      PersistBatch batch = quorate::testing::random_batch(model, random);
      model.apply(batch);
      storage.submit(std::move(batch), [&](const Result<LogId>& last) { completed += last ? 1 : 0; });
    }
    executor.run_completions([&] { return completed == 100; });
  }
  auto files = PosixFiles::below(directory.path()).value();
  EXPECT_EQ(model_of(Wal<PosixFiles>::open(files, options).value().recovered), model);
}

TEST(MemoryStorage, RemembersWhatItCompleted) {
  ManualExecutor executor;
  MemoryStorage<ManualExecutor> storage(executor);
  LogModel model;
  Random random(9);
  for (int i = 0; i < 200; ++i) {
    PersistBatch batch = quorate::testing::random_batch(model, random);
    model.apply(batch);
    LogId completed;
    storage.submit(std::move(batch), [&](const Result<LogId>& last) { completed = *last; });
    executor.run_all();
    ASSERT_EQ(completed, model.last());
    if (i % 20 == 19 && model.hard_state.commit > model.base.index) {
      const Index through = model.hard_state.commit;
      const LogId id = model.entries[through - model.first_index()].id();
      storage.compact(id);
      model.compact(id);
    }
    ASSERT_EQ(model_of(storage.recovered()), model);
  }
  storage.submit({.hard_state = HardState{}}, [](const Result<LogId>&) {});
  EXPECT_EQ(model_of(storage.recovered()), model) << "not completed yet";
}

}  // namespace
}  // namespace quorate::storage
