#include "statemachine/sqlite/fold.hpp"

#include <gtest/gtest.h>

#include "tests/sqlite/store_harness.hpp"

namespace quorate::sqlite {
namespace {

using testing::Change;
using testing::expect_picture;
using testing::Picture;
using testing::Store;

std::vector<std::byte> blob(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

TEST(Fold, SurvivesAReopeningWithEverythingThatBelongsToIt) {
  sim::SimFiles disk{Random(1)};
  Store store(disk);
  store->begin_epoch(Epoch{1});
  store.execute({{"main", 3, {{1, 11}, {2, 12}, {3, 13}}}, {"other", 1, {{1, 91}}}});
  const SealedVersion last = store.execute({{"main", 2, {{1, 21}}}});
  store->advance({Term{2}, Index{7}});
  {
    Result<Fold> fold = Fold::begin(*store, blob("sessions"));
    ASSERT_TRUE(fold.has_value());
    EXPECT_EQ(fold->last(), (LogId{Term{2}, Index{7}}));
    ASSERT_TRUE(fold->run().has_value());
  }
  disk.crash(sim::CrashPolicy::kDropAll);
  store.reopen();
  EXPECT_EQ(store->applied(), (LogId{Term{2}, Index{7}}));
  EXPECT_EQ(store->durable().application, blob("sessions"));
  EXPECT_EQ(store->digest(), last.digest);
  expect_picture(*store, store->pin(PinKind::kApplied), {{"main", {21, 12}}, {"other", {91}}});
}

TEST(Fold, MovesOnlyWhatIsAppliedAndNeverSpeculation) {
  sim::SimFiles disk{Random(1)};
  Store store(disk);
  store->begin_epoch(Epoch{1});
  store.execute({{"main", 1, {{1, 11}}}});
  store.seal({{"main", 2, {{1, 21}, {2, 22}}}});
  store.fold();
  expect_picture(*store, store->pin(PinKind::kHead), {{"main", {21, 22}}});
  disk.crash(sim::CrashPolicy::kKeepAll);
  store.reopen();
  expect_picture(*store, store->pin(PinKind::kApplied), {{"main", {11}}});
}

TEST(Fold, ReadersAndWritersGoOnBetweenItsSteps) {
  sim::SimFiles disk{Random(1)};
  Store store(disk);
  store->begin_epoch(Epoch{1});
  Change all{"main", 200, {}};
  for (std::uint64_t page = 1; page <= 200; ++page) all.pages[page] = page;
  store.execute({all});
  store.fold();
  Picture picture;
  testing::change_picture(picture, all);
  const Picture before = picture;
  Pin old = store->pin(PinKind::kApplied);
  for (std::uint64_t page = 1; page <= 200; ++page) all.pages[page] = 1000 + page;
  store.execute({all});
  testing::change_picture(picture, all);
  const Picture at_fold = picture;
  Pin middle = store->pin(PinKind::kApplied);

  Result<Fold> fold = Fold::begin(*store, {});
  ASSERT_TRUE(fold.has_value());
  for (std::uint64_t step = 0;; ++step) {
    const Result<Fold::Progress> progress = fold->step();
    ASSERT_TRUE(progress.has_value());
    expect_picture(*store, old, before);
    expect_picture(*store, middle, at_fold);
    const Change change{"main", 200 - step, {{1, 5000 + step}, {step + 2, 6000 + step}}};
    store.execute({change});
    testing::change_picture(picture, change);
    expect_picture(*store, store->pin(PinKind::kApplied), picture);
    if (*progress == Fold::Progress::kDone) break;
  }
  expect_picture(*store, old, before);
  old = {};
  middle = {};
  disk.crash(sim::CrashPolicy::kDropAll);
  store.reopen();
  expect_picture(*store, store->pin(PinKind::kApplied), at_fold);
}

TEST(Fold, OneAtATime) {
  sim::SimFiles disk{Random(1)};
  Store store(disk);
  Result<Fold> first = Fold::begin(*store, {});
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(Fold::begin(*store, {}).error().kind, ErrorKind::kOverloaded);
  ASSERT_TRUE(first->run().has_value());
  EXPECT_TRUE(Fold::begin(*store, {}).has_value());
}

TEST(Fold, MayBeTriedAgainAfterAFailureBeforeTheJournalIsWhole) {
  sim::SimFiles disk{Random(1)};
  Store store(disk);
  store->begin_epoch(Epoch{1});
  store.execute({{"main", 1, {{1, 11}}}});
  disk.set_capacity(0);
  {
    Result<Fold> fold = Fold::begin(*store, {});
    ASSERT_TRUE(fold.has_value());
    const Result<void> done = fold->run();
    ASSERT_FALSE(done.has_value());
    EXPECT_EQ(done.error().kind, ErrorKind::kDiskFull);
  }
  disk.set_capacity(UINT64_MAX);
  store.fold();
  store.reopen();
  expect_picture(*store, store->pin(PinKind::kApplied), {{"main", {11}}});
}

/// Two states with several databases, growth, a cut, holes, and a database in the place of another; the second fold
/// overwrites the first.
struct Story {
  Story() {
    first = {{"main", 9, {{1, 11}, {2, 12}, {5, 15}, {9, 19}}},
             {"other", 2, {{1, 91}, {2, 92}}},
             {"fourth", 3, {{1, 61}, {2, 62}, {3, 63}}},
             {".fourth", 2, {{1, 51}, {2, 52}}}};
    second = {{"main", 4, {{1, 21}, {3, 23}}},
              {"other", 6, {{1, 81}, {4, 84}, {6, 86}}},
              {"third", 1, {{1, 71}}},
              {"fourth", 3, {}, DatabaseFate::kDropped},
              {".fourth", 4, {{1, 41}, {4, 44}}, DatabaseFate::kAdopted}};
    for (const Change& change : first) testing::change_picture(first_picture, change);
    second_picture = first_picture;
    for (const Change& change : second) testing::change_picture(second_picture, change);
  }
  std::vector<Change> first;
  std::vector<Change> second;
  Picture first_picture;
  Picture second_picture;
};

class FoldCrash : public ::testing::TestWithParam<sim::CrashPolicy> {};

TEST_P(FoldCrash, AtEveryOperationLeavesTheOldStateOrTheNew) {
  const Story story;
  bool saw_old = false;
  bool saw_new = false;
  for (std::uint64_t operations = 0;; ++operations) {
    SCOPED_TRACE(::testing::Message() << "crash after " << operations << " operations of the second fold");
    sim::SimFiles disk{Random(operations + 1)};
    Store store(disk);
    store->begin_epoch(Epoch{1});
    store.execute(story.first);
    store.fold();
    store.execute(story.second);
    disk.stop_after(operations);
    bool is_done = false;
    {
      Result<Fold> fold = Fold::begin(*store, {});
      ASSERT_TRUE(fold.has_value());
      is_done = fold->run().has_value();
    }
    disk.crash(GetParam());
    store.reopen();
    if (::testing::Test::HasFatalFailure()) return;
    const bool is_new = store->applied().index == Index{2};
    (is_new ? saw_new : saw_old) = true;
    EXPECT_TRUE(is_new || !is_done) << "a fold that reported success was lost";
    expect_picture(*store, store->pin(PinKind::kApplied), is_new ? story.second_picture : story.first_picture);
    if (::testing::Test::HasFailure()) return;

    // The store goes on from there, whichever it is.
    store->begin_epoch(Epoch{2});
    store.execute({{"main", 5, {{1, 31}, {5, 35}}}});
    store.fold();
    store.reopen();
    Picture later = is_new ? story.second_picture : story.first_picture;
    testing::change_picture(later, {"main", 5, {{1, 31}, {5, 35}}});
    expect_picture(*store, store->pin(PinKind::kApplied), later);
    if (::testing::Test::HasFailure()) return;
    if (is_done) break;
  }
  EXPECT_TRUE(saw_old);
  EXPECT_TRUE(saw_new);
}

TEST_P(FoldCrash, AtEveryOperationOfTheRecoveryToo) {
  const Story story;
  // Every point at which the fold is stopped with its journal whole, and within each every point of the recovery.
  for (std::uint64_t operations = 0;; ++operations) {
    bool is_done = false;
    for (std::uint64_t more = 0;; ++more) {
      SCOPED_TRACE(::testing::Message() << operations << " operations of the fold, " << more << " of the recovery");
      sim::SimFiles disk{Random(operations * 1000 + more)};
      Store store(disk);
      store->begin_epoch(Epoch{1});
      store.execute(story.first);
      store.fold();
      store.execute(story.second);
      disk.stop_after(operations);
      {
        Result<Fold> fold = Fold::begin(*store, {});
        is_done = fold->run().has_value();
      }
      disk.crash(GetParam());
      disk.stop_after(more);
      const bool is_recovered = PageStore::open(storage::AnyFileSystem(disk), {}).has_value();
      disk.crash(GetParam());
      store.reopen();
      if (::testing::Test::HasFatalFailure()) return;
      const bool is_new = store->applied().index == Index{2};
      expect_picture(*store, store->pin(PinKind::kApplied), is_new ? story.second_picture : story.first_picture);
      if (::testing::Test::HasFailure()) return;
      if (is_recovered) break;
    }
    if (is_done) break;
  }
}

TEST_P(FoldCrash, AtEveryOperationOfTheVeryFirstFold) {
  const Story story;
  for (std::uint64_t operations = 0;; ++operations) {
    SCOPED_TRACE(::testing::Message() << "crash after " << operations << " operations since the disk was empty");
    sim::SimFiles disk{Random(operations + 1)};
    disk.stop_after(operations);
    bool is_done = false;
    if (auto opened = PageStore::open(storage::AnyFileSystem(disk), {})) {
      PageStore& store = **opened;
      store.begin_epoch(Epoch{1});
      PageCodec codec;
      std::vector<DatabaseWrite> writes;
      for (const Change& change : story.first) writes.push_back(testing::write_of(change));
      const Result<SealedVersion> sealed = store.seal(store.pin(PinKind::kHead), std::move(writes), codec);
      ASSERT_TRUE(sealed.has_value());
      store.commit(sealed->name, {Term{1}, Index{1}});
      Result<Fold> fold = Fold::begin(store, {});
      is_done = fold->run().has_value();
    }
    disk.crash(GetParam());
    Store store(disk);
    if (::testing::Test::HasFatalFailure()) return;
    const bool is_new = store->applied().index == Index{1};
    EXPECT_TRUE(is_new || !is_done) << "a fold that reported success was lost";
    expect_picture(*store, store->pin(PinKind::kApplied), is_new ? story.first_picture : Picture{});
    if (::testing::Test::HasFailure() || is_done) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Policies, FoldCrash,
                         ::testing::Values(sim::CrashPolicy::kKeepAll, sim::CrashPolicy::kDropAll,
                                           sim::CrashPolicy::kTear, sim::CrashPolicy::kReorder),
                         [](const auto& param) {
                           switch (param.param) {
                             case sim::CrashPolicy::kKeepAll: return "KeepAll";
                             case sim::CrashPolicy::kDropAll: return "DropAll";
                             case sim::CrashPolicy::kTear: return "Tear";
                             case sim::CrashPolicy::kReorder: return "Reorder";
                           }
                           return "Unknown";
                         });

TEST(Fold, AFailedSyncIsFinalForTheProcess) {
  sim::SimFiles disk{Random(1)};
  Store store(disk);
  store->begin_epoch(Epoch{1});
  store.execute({{"main", 1, {{1, 11}}}});
  store.fold();
  store.execute({{"main", 1, {{1, 21}}}});
  {
    Result<Fold> fold = Fold::begin(*store, {});
    ASSERT_TRUE(fold.has_value());
    // Let the journal become durable; the next sync, of the base file, fails.
    const std::uint64_t before = disk.operations();
    while (disk.durable_bytes("pages/fold.journal").size() == 0 || disk.operations() < before + 4) {
      ASSERT_TRUE(fold->step().has_value());
    }
    disk.arm(sim::DiskFault::kSyncError);
    EXPECT_EQ(fold->run().error().kind, ErrorKind::kIo);
  }
  EXPECT_EQ(Fold::begin(*store, {}).error().kind, ErrorKind::kOverloaded);
  expect_picture(*store, store->pin(PinKind::kApplied), {{"main", {21}}});
  disk.crash(sim::CrashPolicy::kDropAll);
  store.reopen();
  EXPECT_EQ(store->applied().index, Index{2});
  expect_picture(*store, store->pin(PinKind::kApplied), {{"main", {21}}});
}

}  // namespace
}  // namespace quorate::sqlite
