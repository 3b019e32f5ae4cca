// What the offline tools stand on: a shadow of a directory behaves like the directory, and leaves it alone. What the
// commands make of real nodes is tested end to end (tests/e2e/test_offline_tools.py).
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "consensus/random.hpp"
#include "consensus/storage/posix_files.hpp"
#include "server/offline/shadow_files.hpp"
#include "tests/scratch_directory.hpp"

namespace quorate::server {
namespace {

using quorate::testing::ScratchDirectory;
using storage::OpenMode;
using storage::PosixFiles;

std::vector<std::byte> random_bytes(Random& random, std::size_t count) {
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next());
  return bytes;
}

template <class Files>
std::map<std::string, std::vector<std::byte>> contents(Files& files) {
  std::map<std::string, std::vector<std::byte>> all;
  const std::vector<std::string> names = files.list("d").value();
  for (const std::string& name : names) {
    auto file = files.open("d/" + name, OpenMode::kReadOnly).value();
    std::vector<std::byte> bytes(file.size().value());
    EXPECT_EQ(file.read(0, bytes).value(), bytes.size());
    all.emplace(name, std::move(bytes));
  }
  return all;
}

/// One of the changes that storage code makes, drawn from the seed; the same on whatever file system.
template <class Files>
void change(Files& files, std::uint64_t seed) {
  Random random(seed);
  const std::string path = "d/" + std::to_string(random.below(4));
  const bool exists = files.exists(path).value();
  const std::uint64_t offset = random.below(20'000);
  switch (random.below(6)) {
    case 0: EXPECT_TRUE(files.remove(path)); return;
    case 1: EXPECT_EQ(files.rename(path, "d/" + std::to_string(random.below(4))).has_value(), exists); return;
    case 2: EXPECT_TRUE(files.open(path, OpenMode::kCreate)); return;
    case 3:
      if (auto file = files.open(path, OpenMode::kReadWrite)) {
        EXPECT_TRUE(file->truncate(offset));
      } else {
        EXPECT_FALSE(exists);
      }
      return;
    default: {
      auto file = files.open(path, OpenMode::kOpenOrCreate).value();
      EXPECT_TRUE(file.write(offset, random_bytes(random, random.below(9'000))));
    }
  }
}

RC_GTEST_PROP(ShadowFilesProperty, AShadowBehavesLikeTheDirectoryAndLeavesItAlone, ()) {
  Random random(*rc::gen::arbitrary<std::uint64_t>());
  ScratchDirectory real;
  ScratchDirectory copy;
  auto files = PosixFiles::below(real.path()).value();
  auto expected = PosixFiles::below(copy.path()).value();
  for (PosixFiles* both : {&files, &expected}) {
    RC_ASSERT(both->create_directories("d").has_value());
    Random content(7);
    for (const char* name : {"d/0", "d/1"}) {
      auto file = both->open(name, OpenMode::kCreate).value();
      RC_ASSERT(file.write(0, random_bytes(content, 10'000)).has_value());
    }
  }
  const auto before = contents(files);
  auto shadow = ShadowFiles::below(real.path()).value();
  const int changes = *rc::gen::inRange(0, 40);
  for (int i = 0; i < changes; ++i) {
    const std::uint64_t seed = random.next();
    change(shadow, seed);
    change(expected, seed);
    const bool is_equal = contents(shadow) == contents(expected);  // too much to be printed
    RC_ASSERT(is_equal);
  }
  const bool is_untouched = contents(files) == before;
  RC_ASSERT(is_untouched);
}

TEST(ShadowFiles, AllHandlesOfAPathSeeTheSame) {
  ScratchDirectory directory;
  auto shadow = ShadowFiles::below(directory.path()).value();
  auto first = shadow.open("new", OpenMode::kOpenOrCreate).value();
  auto second = shadow.open("new", OpenMode::kReadWrite).value();
  ASSERT_TRUE(first.write(5000, std::vector<std::byte>(10, std::byte{9})));
  std::vector<std::byte> bytes(20);
  EXPECT_EQ(second.read(4995, bytes).value(), 15U);
  EXPECT_EQ(bytes[4], std::byte{0});
  EXPECT_EQ(bytes[5], std::byte{9});
  EXPECT_FALSE(PosixFiles::below(directory.path())->exists("new").value());
}

}  // namespace
}  // namespace quorate::server
