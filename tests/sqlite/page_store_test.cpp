#include "statemachine/sqlite/page_store.hpp"

#include <gtest/gtest.h>

#include "tests/sqlite/store_harness.hpp"

namespace quorate::sqlite {
namespace {

using testing::Change;
using testing::expect_picture;
using testing::image_of;
using testing::Picture;
using testing::Store;

class PageStoreTest : public ::testing::Test {
 protected:
  PageStoreTest() { store_->begin_epoch(Epoch{1}); }

  sim::SimFiles disk_{Random(1)};
  Store store_{disk_};
};

TEST_F(PageStoreTest, IsEmptyAtFirst) {
  expect_picture(*store_, store_->pin(PinKind::kApplied), {});
  EXPECT_EQ(store_->applied(), LogId{});
  EXPECT_EQ(store_->digest(), StateDigest{});
}

TEST_F(PageStoreTest, ShowsSpeculationToTheWriterOnlyAndAllOfItOnceCommitted) {
  const SealedVersion sealed = store_.seal({{"main", 2, {{1, 11}, {2, 12}}}});
  const Picture picture = {{"main", {11, 12}}};
  expect_picture(*store_, store_->pin(PinKind::kHead), picture);
  expect_picture(*store_, store_->pin(PinKind::kApplied), {});

  store_->commit(sealed.name, {Term{1}, Index{1}});
  const Pin applied = store_->pin(PinKind::kApplied);
  expect_picture(*store_, applied, picture);
  EXPECT_EQ(applied.last(), (LogId{Term{1}, Index{1}}));
  EXPECT_EQ(store_->digest(), sealed.digest);
}

TEST_F(PageStoreTest, APinnedVersionDoesNotChange) {
  store_.execute({{"main", 2, {{1, 11}, {2, 12}}}});
  const Pin old = store_->pin(PinKind::kApplied);
  store_.execute({{"main", 3, {{1, 21}, {3, 23}}}});
  store_.execute({{"main", 1, {{1, 31}}}});
  store_.fold();
  store_.execute({{"main", 3, {{1, 41}, {2, 42}}}});
  expect_picture(*store_, old, {{"main", {11, 12}}});
  expect_picture(*store_, store_->pin(PinKind::kApplied), {{"main", {41, 42, 0}}});
}

TEST_F(PageStoreTest, ADatabaseTakesThePlaceOfAnother) {
  sim::SimFiles other_disk{Random(2)};
  Store replica(other_disk);
  const auto execute = [&](const std::vector<Change>& changes) {
    ASSERT_TRUE(replica->apply(replica.next_entry(), store_.execute(changes).parts).has_value());
    EXPECT_EQ(replica->digest(), store_->digest());
  };
  execute({{"main", 2, {{1, 11}, {2, 12}}}});
  store_.fold();
  execute({{".main", 1, {{1, 21}}}});
  execute({{".main", 3, {{2, 22}, {3, 23}}}});
  EXPECT_TRUE(store_->has_hidden());
  const Pin before = store_->pin(PinKind::kApplied);
  execute({{"main", 2, {}, DatabaseFate::kDropped}, {".main", 3, {{1, 31}}, DatabaseFate::kAdopted}});
  EXPECT_FALSE(store_->has_hidden());
  EXPECT_EQ(store_->adoptions(), 1U);
  expect_picture(*store_, store_->pin(PinKind::kApplied), {{"main", {31, 22, 23}}});
  expect_picture(*replica, replica->pin(PinKind::kApplied), {{"main", {31, 22, 23}}});
  const Picture old{{"main", {11, 12}}, {".main", {21, 22, 23}}};
  expect_picture(*store_, before, old);
  store_.fold();
  expect_picture(*store_, before, old);
  EXPECT_FALSE(*disk_.exists("pages/1.pages"));
  store_.reopen();
  expect_picture(*store_, store_->pin(PinKind::kApplied), {{"main", {31, 22, 23}}});
}

TEST_F(PageStoreTest, AnAdoptionThatWasDroppedHasNotHappened) {
  store_.execute({{"main", 1, {{1, 11}}}, {".main", 1, {{1, 21}}}});
  store_.seal({{"main", 1, {}, DatabaseFate::kDropped}, {".main", 1, {}, DatabaseFate::kAdopted}});
  expect_picture(*store_, store_->pin(PinKind::kHead), {{"main", {21}}});
  store_->drop_speculation();
  expect_picture(*store_, store_->pin(PinKind::kHead), {{"main", {11}}, {".main", {21}}});
  EXPECT_EQ(store_->adoptions(), 0U);
}

TEST_F(PageStoreTest, DroppedSpeculationIsGone) {
  store_.execute({{"main", 1, {{1, 11}}}});
  store_.seal({{"main", 2, {{1, 21}, {2, 22}}}, {"other", 1, {{1, 91}}}});
  const Pin lost = store_->pin(PinKind::kHead);
  store_->drop_speculation();

  EXPECT_EQ(store_->page(lost, DatabaseId{1}, PageNumber{1}).error().kind, ErrorKind::kUnavailable);
  expect_picture(*store_, store_->pin(PinKind::kHead), {{"main", {11}}});
  EXPECT_EQ(store_->acquire_write_slot(WriterId{1}, store_->pin(PinKind::kHead)), SlotAnswer::kNotLeader);

  store_->begin_epoch(Epoch{2});
  const SealedVersion again = store_.execute({{"main", 2, {{2, 32}}}});
  EXPECT_EQ(again.name, (Speculation{Epoch{2}, 0}));
  expect_picture(*store_, store_->pin(PinKind::kApplied), {{"main", {11, 32}}});
}

TEST_F(PageStoreTest, ASealOnDroppedSpeculationFailsAndChangesNothing) {
  store_.execute({{"main", 1, {{1, 11}}}});
  const Pin head = store_->pin(PinKind::kHead);
  store_->drop_speculation();
  PageCodec codec;
  std::vector<DatabaseWrite> writes;
  writes.push_back(testing::write_of({"main", 2, {{1, 21}, {2, 22}}}));
  const Result<SealedVersion> sealed = store_->seal(head, std::move(writes), codec);
  ASSERT_FALSE(sealed.has_value());
  EXPECT_EQ(sealed.error().kind, ErrorKind::kUnavailable);
  expect_picture(*store_, store_->pin(PinKind::kHead), {{"main", {11}}});
}

TEST_F(PageStoreTest, HasOneWriteSlot) {
  store_.execute({{"main", 1, {{1, 11}}}});
  const Pin early = store_->pin(PinKind::kHead);
  const Pin reader = store_->pin(PinKind::kApplied);
  EXPECT_EQ(store_->acquire_write_slot(WriterId{1}, early), SlotAnswer::kGranted);
  EXPECT_EQ(store_->acquire_write_slot(WriterId{1}, early), SlotAnswer::kGranted) << "again by its holder";
  EXPECT_EQ(store_->acquire_write_slot(WriterId{2}, early), SlotAnswer::kTaken);
  EXPECT_EQ(store_->acquire_write_slot(WriterId{3}, reader), SlotAnswer::kNotLeader);
  store_.execute({{"main", 1, {{1, 21}}}});
  EXPECT_EQ(store_->acquire_write_slot(WriterId{2}, early), SlotAnswer::kStale)
      << "sealing freed it; the head has moved";
  EXPECT_EQ(store_->acquire_write_slot(WriterId{2}, store_->pin(PinKind::kHead)), SlotAnswer::kGranted);
  store_->release_write_slot(WriterId{2});
  EXPECT_EQ(store_->acquire_write_slot(WriterId{1}, store_->pin(PinKind::kHead)), SlotAnswer::kGranted);
}

TEST_F(PageStoreTest, AReplicaThatAppliesTheDeltasIsEqual) {
  sim::SimFiles other_disk{Random(2)};
  Store replica(other_disk);
  const auto replicate = [&](const SealedVersion& sealed) {
    const Result<void> applied = replica->apply(replica.next_entry(), sealed.parts);
    ASSERT_TRUE(applied.has_value()) << applied.error().message;
    EXPECT_EQ(replica->digest(), sealed.digest);
  };
  replicate(store_.execute({{"main", 3, {{1, 11}, {2, 12}, {3, 13}}}, {"audit", 1, {{1, 91}}}}));
  replicate(store_.execute({{"main", 1, {{1, 21}}}}));
  replicate(store_.execute({{"main", 4, {{4, 34}}}, {"audit", 2, {{2, 92}}}}));
  const Picture picture = {{"main", {21, 0, 0, 34}}, {"audit", {91, 92}}};
  expect_picture(*replica, replica->pin(PinKind::kApplied), picture);
  expect_picture(*store_, store_->pin(PinKind::kApplied), picture);
}

TEST_F(PageStoreTest, ADivergedReplicaRefusesTheDeltaAndNamesThePage) {
  sim::SimFiles other_disk{Random(2)};
  Store replica(other_disk);
  const SealedVersion first = store_.execute({{"main", 2, {{1, 11}, {2, 12}}}});
  replica->begin_epoch(Epoch{1});
  replica.execute({{"main", 2, {{1, 11}, {2, 666}}}});
  const SealedVersion second = store_.execute({{"main", 2, {{2, 22}}}});

  const Result<void> applied = replica->apply(replica.next_entry(), second.parts);
  ASSERT_FALSE(applied.has_value());
  EXPECT_EQ(applied.error().kind, ErrorKind::kCorrupt);
  EXPECT_NE(applied.error().message.find("page 2 of database 'main'"), std::string::npos) << applied.error().message;
  expect_picture(*replica, replica->pin(PinKind::kApplied), {{"main", {11, 666}}});
}

TEST_F(PageStoreTest, ADifferenceInAPageThatTheDeltaDoesNotTouchIsFoundByTheDigest) {
  sim::SimFiles other_disk{Random(2)};
  Store replica(other_disk);
  store_.execute({{"main", 2, {{1, 11}, {2, 12}}}});
  replica->begin_epoch(Epoch{1});
  replica.execute({{"main", 2, {{1, 11}, {2, 666}}}});
  const SealedVersion second = store_.execute({{"main", 2, {{1, 21}}}});

  const Result<void> applied = replica->apply(replica.next_entry(), second.parts);
  ASSERT_FALSE(applied.has_value());
  EXPECT_NE(applied.error().message.find("digest"), std::string::npos) << applied.error().message;
}

TEST_F(PageStoreTest, PartsOfALargeTransactionBecomeVisibleTogether) {
  sim::SimFiles small_disk{Random(2)};
  Store source(small_disk, {.delta_part_bytes = 600});
  source->begin_epoch(Epoch{1});
  Change large{"main", 40, {}};
  for (std::uint64_t page = 1; page <= 40; ++page) large.pages[page] = page + 100;
  const SealedVersion sealed = source.execute({large, {"tail", 1, {{1, 5}}}});
  ASSERT_GT(sealed.parts.size(), 3U);

  Picture picture;
  testing::change_picture(picture, large);
  picture["tail"] = {5};
  const Result<void> without_end = store_->apply(store_.next_entry(), std::span(sealed.parts).first(2));
  EXPECT_FALSE(without_end.has_value());
  expect_picture(*store_, store_->pin(PinKind::kApplied), {});
  const Result<void> applied = store_->apply(store_.next_entry(), sealed.parts);
  ASSERT_TRUE(applied.has_value()) << applied.error().message;
  expect_picture(*store_, store_->pin(PinKind::kApplied), picture);
}

TEST_F(PageStoreTest, KeepsOnlyTheVersionsThatSomebodyNeeds) {
  store_.execute({{"main", 2, {{1, 1}, {2, 2}}}});
  for (std::uint64_t i = 0; i < 100; ++i) store_.execute({{"main", 2, {{1, 100 + i}}}});
  EXPECT_EQ(store_->overlay_bytes(), 2 * testing::kTestPageBytes);
  {
    const Pin pin = store_->pin(PinKind::kApplied);
    for (std::uint64_t i = 0; i < 100; ++i) store_.execute({{"main", 2, {{1, 300 + i}}}});
    EXPECT_EQ(store_->overlay_bytes(), 3 * testing::kTestPageBytes);
  }
  store_.execute({{"main", 2, {{1, 500}}}});
  EXPECT_EQ(store_->overlay_bytes(), 2 * testing::kTestPageBytes);
  store_.fold();
  EXPECT_EQ(store_->overlay_bytes(), 0U);
}

TEST(PageStoreRoom, SpillsWhatMemoryHasNoRoomFor) {
  sim::SimFiles disk{Random(1)};
  Store store(disk, {.overlay_bytes_max = 8 * testing::kTestPageBytes});
  store->begin_epoch(Epoch{1});
  Change change{"main", 64, {}};
  for (std::uint64_t page = 1; page <= 64; ++page) change.pages[page] = page;
  Picture picture;
  store.execute({change});
  testing::change_picture(picture, change);
  Pin old = store->pin(PinKind::kApplied);
  const Picture old_picture = picture;
  for (std::uint64_t page = 1; page <= 64; ++page) {
    const Change one{"main", 64, {{page, 1000 + page}}};
    store.execute({one});
    testing::change_picture(picture, one);
    EXPECT_LE(store->overlay_bytes(), 9 * testing::kTestPageBytes);
  }
  expect_picture(*store, old, old_picture);
  expect_picture(*store, store->pin(PinKind::kApplied), picture);
  store.fold();
  expect_picture(*store, old, old_picture);
  old = {};
  store.reopen();
  expect_picture(*store, store->pin(PinKind::kApplied), picture);
}

TEST(PageStoreRoom, GivesOldVersionsUpBeforeItRefusesChanges) {
  sim::SimFiles disk{Random(1)};
  Store store(disk, {.overlay_bytes_max = 4 * testing::kTestPageBytes, .spill_bytes_max = 8 * testing::kTestPageBytes});
  store->begin_epoch(Epoch{1});
  store.execute({{"main", 4, {{1, 1}, {2, 2}, {3, 3}, {4, 4}}}});
  const Pin old = store->pin(PinKind::kApplied);
  Picture picture = {{"main", {1, 2, 3, 4}}};
  for (std::uint64_t i = 0; i < 40; ++i) {
    const Change change{"main", 4, {{1, 10 + i}, {2, 100 + i}, {3, 200 + i}, {4, 300 + i}}};
    store.execute({change});
    testing::change_picture(picture, change);
  }
  expect_picture(*store, store->pin(PinKind::kApplied), picture);
  EXPECT_TRUE(store->page(old, DatabaseId{1}, PageNumber{1}).has_value()) << "two versions of four pages fit";

  for (std::uint64_t i = 0; i < 3; ++i) {
    const Pin pin = store->pin(PinKind::kApplied);
    const Change grow{"main", 8, {{1, 50 + i}, {5 + i, 5}}};
    store.execute({grow});
  }
  const Result<StoredPage> gone = store->page(old, DatabaseId{1}, PageNumber{1});
  ASSERT_FALSE(gone.has_value());
  EXPECT_NE(gone.error().message.find("snapshot too old"), std::string::npos);

  // What nobody but the next fold can let go of is never given up: changes are refused instead.
  PageCodec codec;
  Result<SealedVersion> sealed;
  for (std::uint64_t page = 9; page < 40; ++page) {
    const Pin head = store->pin(PinKind::kHead);
    std::vector<DatabaseWrite> writes;
    writes.push_back(testing::write_of({"main", page, {{page, page}}}));
    sealed = store->seal(head, std::move(writes), codec);
    if (!sealed) break;
    store->commit(sealed->name, store.next_entry());
  }
  ASSERT_FALSE(sealed.has_value());
  EXPECT_EQ(sealed.error().kind, ErrorKind::kOverloaded);
  store.fold();
  store.execute({{"main", 50, {{50, 50}}}});
}

TEST_F(PageStoreTest, FindsAndRepairsADamagedPage) {
  store_.execute({{"main", 3, {{1, 11}, {2, 12}, {3, 13}}}});
  store_.fold();
  disk_.flip_bit("pages/1.pages", testing::kTestPageBytes + 100, 3);

  EXPECT_TRUE(store_->scrub(DatabaseId{1}, PageNumber{1}).has_value());
  EXPECT_EQ(store_->scrub(DatabaseId{1}, PageNumber{2}).error().kind, ErrorKind::kCorrupt);
  const Pin pin = store_->pin(PinKind::kApplied);
  EXPECT_EQ(store_->page(pin, DatabaseId{1}, PageNumber{2}).error().kind, ErrorKind::kCorrupt);
  EXPECT_EQ(store_->damaged_pages(), (std::vector<PageStore::PageName>{{DatabaseId{1}, PageNumber{2}}}));

  EXPECT_EQ(store_->repair(DatabaseId{1}, PageNumber{2}, image_of(13).bytes()).error().kind,
            ErrorKind::kInvalidArgument);
  EXPECT_TRUE(store_->repair(DatabaseId{1}, PageNumber{2}, image_of(12).bytes()).has_value());
  EXPECT_TRUE(store_->damaged_pages().empty());
  expect_picture(*store_, pin, {{"main", {11, 12, 13}}});
}

TEST_F(PageStoreTest, ADamagedPageThatIsOverwrittenIsHealedButItsOldReadersAreTold) {
  store_.execute({{"main", 2, {{1, 11}, {2, 12}}}});
  store_.fold();
  const Pin old = store_->pin(PinKind::kApplied);
  store_.execute({{"main", 2, {{2, 22}}}});
  disk_.flip_bit("pages/1.pages", testing::kTestPageBytes + 100, 3);
  EXPECT_EQ(store_->scrub(DatabaseId{1}, PageNumber{2}).error().kind, ErrorKind::kCorrupt);
  store_.fold();
  EXPECT_EQ(store_->page(old, DatabaseId{1}, PageNumber{2}).error().kind, ErrorKind::kCorrupt);
  expect_picture(*store_, store_->pin(PinKind::kApplied), {{"main", {11, 22}}});
  EXPECT_TRUE(store_->damaged_pages().empty());
}

TEST_F(PageStoreTest, RefusesToOpenTablesThatContradictTheSuperblock) {
  store_.execute({{"main", 2, {{1, 11}, {2, 12}}}});
  store_.fold();
  disk_.flip_bit("pages/1.table", 3, 0);
  const auto opened = PageStore::open(storage::AnyFileSystem(disk_), {});
  ASSERT_FALSE(opened.has_value());
  EXPECT_EQ(opened.error().kind, ErrorKind::kCorrupt);
}

}  // namespace
}  // namespace quorate::sqlite
