#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "sim/disk.hpp"
#include "tests/storage/generators.hpp"

namespace quorate::sim {
namespace {

using storage::OpenMode;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string content(SimFiles& disk, const std::string& path) {
  auto file = disk.open(path, OpenMode::kReadOnly).value();
  std::string text(file.size().value(), '?');
  EXPECT_EQ(file.read(0, std::as_writable_bytes(std::span(text))), text.size());
  return text;
}

/// A disk with the durable file "f".
class SimFilesTest : public ::testing::Test {
 protected:
  SimFilesTest() {
    auto file = disk.open("f", OpenMode::kCreate).value();
    EXPECT_TRUE(file.write(0, bytes(std::string(2048, 'a'))));
    EXPECT_TRUE(file.sync());
    EXPECT_TRUE(disk.sync_directory(""));
  }
  SimFile open() { return disk.open("f", OpenMode::kReadWrite).value(); }

  SimFiles disk{Random(7)};
  const std::string old_content = std::string(2048, 'a');
  const std::string new_content = std::string(2048, 'b');
};

TEST_F(SimFilesTest, WhatIsNotSyncedIsGoneAfterACrash) {
  ASSERT_TRUE(open().write(0, bytes(new_content)));
  EXPECT_EQ(content(disk, "f"), new_content);
  disk.crash(CrashPolicy::kDropAll);
  EXPECT_EQ(content(disk, "f"), old_content);
}

TEST_F(SimFilesTest, WhatIsSyncedStays) {
  auto file = open();
  ASSERT_TRUE(file.write(0, bytes(new_content)));
  ASSERT_TRUE(file.sync());
  disk.crash(CrashPolicy::kDropAll);
  EXPECT_EQ(content(disk, "f"), new_content);
}

TEST_F(SimFilesTest, KillingTheProcessKeepsTheCache) {
  ASSERT_TRUE(open().write(0, bytes(new_content)));
  disk.kill();
  EXPECT_EQ(content(disk, "f"), new_content);
  disk.crash(CrashPolicy::kDropAll);
  EXPECT_EQ(content(disk, "f"), old_content) << "still not synced";
}

TEST_F(SimFilesTest, FilesAndLocksEndWithTheProcess) {
  auto file = open();
  ASSERT_TRUE(disk.lock("lock"));
  disk.kill();
  EXPECT_EQ(file.write(0, bytes("x")).error().kind, ErrorKind::kIo);
  EXPECT_TRUE(disk.lock("lock"));
}

TEST_F(SimFilesTest, NamesNeedASyncOfTheirDirectory) {
  auto file = disk.open("g", OpenMode::kCreate).value();
  ASSERT_TRUE(file.write(0, bytes("x")));
  ASSERT_TRUE(file.sync());
  disk.crash(CrashPolicy::kDropAll);
  EXPECT_EQ(disk.exists("g"), false);

  ASSERT_TRUE(disk.rename("f", "g"));
  disk.crash(CrashPolicy::kDropAll);
  EXPECT_EQ(disk.exists("f"), true);
  EXPECT_EQ(disk.exists("g"), false);

  ASSERT_TRUE(disk.rename("f", "g"));
  ASSERT_TRUE(disk.sync_directory(""));
  disk.crash(CrashPolicy::kDropAll);
  EXPECT_EQ(disk.exists("f"), false);
  EXPECT_EQ(content(disk, "g"), old_content);

  ASSERT_TRUE(disk.remove("g"));
  disk.crash(CrashPolicy::kDropAll);
  EXPECT_EQ(content(disk, "g"), old_content);
}

TEST_F(SimFilesTest, OtherDirectoriesAreNotSyncedAlong) {
  ASSERT_TRUE(disk.create_directories("d"));
  ASSERT_TRUE(disk.open("d/x", OpenMode::kCreate));
  ASSERT_TRUE(disk.sync_directory(""));
  disk.crash(CrashPolicy::kDropAll);
  EXPECT_THAT(disk.list("d").value(), IsEmpty());
}

TEST_F(SimFilesTest, AFailedSyncLosesDataAndTheNextOneLies) {
  auto file = open();
  ASSERT_TRUE(file.write(0, bytes(new_content)));
  disk.arm(DiskFault::kSyncError);
  EXPECT_EQ(file.sync().error().kind, ErrorKind::kIo);
  EXPECT_EQ(content(disk, "f"), new_content) << "the cache does not know";
  EXPECT_TRUE(file.sync());
  disk.crash(CrashPolicy::kKeepAll);
  EXPECT_NE(content(disk, "f"), new_content);
}

TEST_F(SimFilesTest, LostAndMisdirectedWritesAreSeenOnlyLater) {
  auto file = open();
  disk.arm(DiskFault::kLostWrite);
  ASSERT_TRUE(file.write(0, bytes(new_content)));
  ASSERT_TRUE(file.sync());
  EXPECT_EQ(content(disk, "f"), new_content);
  disk.crash(CrashPolicy::kKeepAll);
  EXPECT_EQ(content(disk, "f"), old_content);

  file = open();
  disk.arm(DiskFault::kMisdirectedWrite);
  ASSERT_TRUE(file.write(0, bytes(std::string(512, 'b'))));
  ASSERT_TRUE(file.sync());
  disk.crash(CrashPolicy::kKeepAll);
  const std::string after = content(disk, "f");
  EXPECT_EQ(std::ranges::count(after, 'b'), 512);
  EXPECT_EQ(after.find('b') % kSectorBytes, 0U);
}

TEST_F(SimFilesTest, ErrorsComeOnce) {
  auto file = open();
  disk.arm(DiskFault::kWriteError);
  EXPECT_EQ(file.write(0, bytes(new_content)).error().kind, ErrorKind::kIo);
  EXPECT_TRUE(file.write(0, bytes(new_content)));
  disk.arm(DiskFault::kReadError);
  std::array<std::byte, 1> one{};
  EXPECT_EQ(file.read(0, one).error().kind, ErrorKind::kIo);
  EXPECT_TRUE(file.read(0, one));
}

TEST_F(SimFilesTest, ADiskHasACapacity) {
  disk.set_capacity(3000);
  auto file = open();
  EXPECT_TRUE(file.write(0, bytes(new_content))) << "overwriting takes no space";
  EXPECT_TRUE(file.write(2900, bytes(std::string(100, 'c'))));
  EXPECT_EQ(file.write(2901, bytes(std::string(100, 'c'))).error().kind, ErrorKind::kDiskFull);
  EXPECT_EQ(file.preallocate(3001).error().kind, ErrorKind::kDiskFull);
  EXPECT_EQ(disk.free_bytes(), 0U);
  ASSERT_TRUE(disk.remove("f"));
  EXPECT_EQ(disk.free_bytes(), 3000U);
}

TEST_F(SimFilesTest, StopsAfterACountOfOperations) {
  auto file = open();
  const std::uint64_t before = disk.operations();
  disk.stop_after(2);
  EXPECT_TRUE(file.write(0, bytes(new_content)));
  EXPECT_TRUE(file.sync());
  EXPECT_FALSE(file.write(0, bytes(old_content)));
  EXPECT_FALSE(file.size());
  EXPECT_FALSE(disk.list(""));
  EXPECT_EQ(disk.operations(), before + 2);
  disk.crash(CrashPolicy::kDropAll);
  EXPECT_EQ(content(disk, "f"), new_content);
}

TEST_F(SimFilesTest, RotStrikesTheMediumAndNotWhatIsCachedOfLaterWrites) {
  ASSERT_TRUE(open().write(0, bytes("z")));
  disk.flip_bit("f", 0, 1);
  disk.flip_bit("f", 1, 1);
  EXPECT_EQ(content(disk, "f").substr(0, 3), "zca");
  disk.crash(CrashPolicy::kDropAll);
  EXPECT_EQ(content(disk, "f").substr(0, 3), "cca");
}

TEST_F(SimFilesTest, AWipedDiskIsEmpty) {
  disk.wipe();
  EXPECT_THAT(disk.list("").value(), IsEmpty());
  EXPECT_THAT(disk.durable_files(), IsEmpty());
}

// The model: of each sector, the durable content and everything written to it since. After a crash, a sector is one of
// those: the last one if everything was kept, the durable one if everything was dropped. Under kTear the survivors are
// a prefix of the writes.
RC_GTEST_PROP(SimFilesProperty, ACrashLeavesWhatItsPolicyAllows, ()) {
  constexpr std::size_t kSectors = 6;
  SimFiles disk{Random(*rc::gen::arbitrary<std::uint64_t>())};
  auto file = disk.open("f", OpenMode::kCreate).value();
  RC_ASSERT(file.preallocate(kSectors * kSectorBytes).has_value());
  RC_ASSERT(file.sync().has_value());
  RC_ASSERT(disk.sync_directory("").has_value());

  std::vector<std::vector<char>> versions(kSectors, {'\0'});  // of each sector; the first is durable
  std::vector<char> order;                                    // of the writes since the last sync
  const int steps = *rc::gen::inRange(0, 20);
  for (int step = 0; step < steps; ++step) {
    if (*rc::gen::inRange(0, 5) == 0) {
      RC_ASSERT(file.sync().has_value());
      for (auto& sector : versions) sector = {sector.back()};
      order.clear();
      continue;
    }
    const auto first = *rc::gen::inRange<std::size_t>(0, kSectors);
    const auto count = *rc::gen::inRange<std::size_t>(1, kSectors - first + 1);
    const char letter = static_cast<char>('a' + step);
    RC_ASSERT(file.write(first * kSectorBytes, bytes(std::string(count * kSectorBytes, letter))).has_value());
    for (std::size_t sector = first; sector < first + count; ++sector) versions[sector].push_back(letter);
    order.push_back(letter);
  }
  const auto policy = static_cast<CrashPolicy>(*rc::gen::inRange(0, 4));
  disk.crash(policy);

  const std::string after = content(disk, "f");
  char newest = '\0';
  for (std::size_t sector = 0; sector < kSectors; ++sector) {
    const std::string found = after.substr(sector * kSectorBytes, kSectorBytes);
    RC_ASSERT(found == std::string(kSectorBytes, found.front()));
    if (policy == CrashPolicy::kKeepAll) RC_ASSERT(found.front() == versions[sector].back());
    if (policy == CrashPolicy::kDropAll) RC_ASSERT(found.front() == versions[sector].front());
    RC_ASSERT(std::ranges::count(versions[sector], found.front()) == 1);
    if (found.front() != versions[sector].front()) newest = std::max(newest, found.front());
  }
  if (policy != CrashPolicy::kTear || newest == '\0') return;
  // Letters grow with time: whatever was written before the newest survivor survived too, unless overwritten by it.
  for (std::size_t sector = 0; sector < kSectors; ++sector) {
    for (const char version : versions[sector]) {
      if (version < newest) RC_ASSERT(after[sector * kSectorBytes] >= version);
    }
  }
}

RC_GTEST_PROP(SimFilesProperty, TheSameSeedGivesTheSameDisk, ()) {
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  const auto policy = static_cast<CrashPolicy>(*rc::gen::inRange(0, 4));
  const auto run = [&] {
    SimFiles disk{Random(seed)};
    for (const char* name : {"a", "b", "c"}) {
      auto file = disk.open(name, OpenMode::kCreate).value();
      EXPECT_TRUE(file.write(0, bytes(std::string(4000, name[0]))));
    }
    disk.crash(policy);
    std::string all;
    for (const std::string& name : disk.durable_files()) all += name + content(disk, name);
    return all;
  };
  RC_ASSERT(run() == run());
}

}  // namespace
}  // namespace quorate::sim
