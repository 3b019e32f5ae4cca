// What every FileSystem promises, tried on the real one, the simulated one, and both behind AnyFileSystem.
#include "consensus/storage/file_system.hpp"

#include <filesystem>
#include <memory>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "consensus/storage/any_file_system.hpp"
#include "consensus/storage/posix_files.hpp"
#include "sim/disk.hpp"
#include "tests/scratch_directory.hpp"

namespace quorate::storage {
namespace {

using quorate::testing::ScratchDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct OnPosix {
  using Files = PosixFiles;
  ScratchDirectory directory;
  PosixFiles files = PosixFiles::below(directory.path()).value();
};
struct OnSim {
  using Files = sim::SimFiles;
  sim::SimFiles files{Random(1)};
};
template <class Under>
struct Erased {
  using Files = AnyFileSystem;
  Under under;
  AnyFileSystem files{under.files};
};

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

template <class F>
std::string content(const F& file, std::uint64_t offset = 0, std::size_t size = 100) {
  std::string text(size, '?');
  const auto count = file.read(offset, std::as_writable_bytes(std::span(text)));
  text.resize(count.value());
  return text;
}

template <class Place>
class FileSystemContract : public ::testing::Test {
 protected:
  Place place;
  typename Place::Files& files = place.files;
};
using Places = ::testing::Types<OnPosix, OnSim, Erased<OnPosix>, Erased<OnSim>>;
TYPED_TEST_SUITE(FileSystemContract, Places);

TYPED_TEST(FileSystemContract, WritesAnywhereAndReadsToTheEnd) {
  auto file = this->files.open("f", OpenMode::kCreate).value();
  ASSERT_TRUE(file.write(3, bytes("abc")));
  EXPECT_EQ(file.size(), 6U);
  EXPECT_EQ(content(file), std::string_view("\0\0\0abc", 6));
  EXPECT_EQ(content(file, 4, 1), "b");
  EXPECT_EQ(content(file, 6), "");
  EXPECT_EQ(content(file, 60), "");
  EXPECT_TRUE(file.sync());
}

TYPED_TEST(FileSystemContract, OpenModes) {
  EXPECT_EQ(this->files.open("f", OpenMode::kReadOnly).error().kind, ErrorKind::kNotFound);
  EXPECT_EQ(this->files.open("f", OpenMode::kReadWrite).error().kind, ErrorKind::kNotFound);
  ASSERT_TRUE(this->files.open("f", OpenMode::kOpenOrCreate).value().write(0, bytes("abc")));
  EXPECT_EQ(content(this->files.open("f", OpenMode::kOpenOrCreate).value()), "abc");
  EXPECT_EQ(content(this->files.open("f", OpenMode::kReadOnly).value()), "abc");
  EXPECT_EQ(content(this->files.open("f", OpenMode::kCreate).value()), "");
}

TYPED_TEST(FileSystemContract, TruncatesAndExtendsWithZeros) {
  auto file = this->files.open("f", OpenMode::kCreate).value();
  ASSERT_TRUE(file.write(0, bytes("abcdef")));
  ASSERT_TRUE(file.truncate(2));
  ASSERT_TRUE(file.truncate(3));
  EXPECT_EQ(content(file), std::string_view("ab\0", 3));
  ASSERT_TRUE(file.preallocate(100'000));
  EXPECT_EQ(file.size(), 100'000U);
  EXPECT_EQ(content(file, 0, 4), std::string_view("ab\0\0", 4));
  ASSERT_TRUE(file.preallocate(10));
  EXPECT_EQ(file.size(), 100'000U) << "preallocating never cuts";
}

TYPED_TEST(FileSystemContract, RenamesOverWhatIsThere) {
  ASSERT_TRUE(this->files.open("a", OpenMode::kCreate).value().write(0, bytes("new")));
  ASSERT_TRUE(this->files.open("b", OpenMode::kCreate).value().write(0, bytes("old")));
  ASSERT_TRUE(this->files.rename("a", "b"));
  EXPECT_EQ(this->files.exists("a"), false);
  EXPECT_EQ(content(this->files.open("b", OpenMode::kReadOnly).value()), "new");
  EXPECT_EQ(this->files.rename("a", "c").error().kind, ErrorKind::kNotFound);
}

TYPED_TEST(FileSystemContract, RemovingTwiceIsNoError) {
  ASSERT_TRUE(this->files.open("a", OpenMode::kCreate));
  EXPECT_TRUE(this->files.remove("a"));
  EXPECT_TRUE(this->files.remove("a"));
  EXPECT_EQ(this->files.exists("a"), false);
}

TYPED_TEST(FileSystemContract, AnOpenFileOutlivesItsName) {
  auto file = this->files.open("a", OpenMode::kCreate).value();
  ASSERT_TRUE(file.write(0, bytes("abc")));
  ASSERT_TRUE(this->files.remove("a"));
  EXPECT_EQ(content(file), "abc");
}

TYPED_TEST(FileSystemContract, DirectoriesAreListedSorted) {
  ASSERT_TRUE(this->files.create_directories("d/e"));
  ASSERT_TRUE(this->files.create_directories("d/e"));
  for (const char* name : {"d/z", "d/a", "d/e/inner", "top"}) ASSERT_TRUE(this->files.open(name, OpenMode::kCreate));
  EXPECT_THAT(this->files.list("d").value(), ElementsAre("a", "e", "z"));
  EXPECT_THAT(this->files.list("d/e").value(), ElementsAre("inner"));
  EXPECT_THAT(this->files.list("").value(), ElementsAre("d", "top"));
  EXPECT_EQ(this->files.list("nowhere").error().kind, ErrorKind::kNotFound);
  EXPECT_TRUE(this->files.sync_directory("d"));
  EXPECT_TRUE(this->files.sync_directory(""));
  EXPECT_FALSE(this->files.open("nowhere/f", OpenMode::kCreate));
}

TYPED_TEST(FileSystemContract, ALockIsTakenOnce) {
  EXPECT_TRUE(this->files.lock("lock"));
  const auto again = this->files.lock("lock");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, ErrorKind::kLocked);
  EXPECT_TRUE(this->files.lock("other"));
}

TYPED_TEST(FileSystemContract, KnowsItsFreeSpace) { EXPECT_GT(this->files.free_bytes().value(), 0U); }

TEST(PosixFiles, TheLockEndsWithItsOwner) {
  const ScratchDirectory directory;
  {
    auto first = PosixFiles::below(directory.path()).value();
    auto second = PosixFiles::below(directory.path()).value();
    ASSERT_TRUE(first.lock("lock"));
    EXPECT_EQ(second.lock("lock").error().kind, ErrorKind::kLocked);
  }
  EXPECT_TRUE(PosixFiles::below(directory.path()).value().lock("lock"));
}

TEST(PosixFiles, MessagesNameOperationFileOffsetAndReason) {
  const ScratchDirectory directory;
  auto files = PosixFiles::below(directory.path()).value();
  ASSERT_TRUE(files.open("f", OpenMode::kCreate));
  auto file = files.open("f", OpenMode::kReadOnly).value();
  EXPECT_EQ(
      file.write(7, bytes("abc")).error(),
      (Error{ErrorKind::kIo, "cannot write 3 bytes at offset 7 of " + directory.path() + "/f: Bad file descriptor"}));
  EXPECT_EQ(PosixFiles::below(directory.path() + "/none").error().kind, ErrorKind::kNotFound);
}

TEST(PosixFiles, AFullDiskIsToldApart) {
  auto files = PosixFiles::below("/dev").value();
  auto full = files.open("full", OpenMode::kReadWrite).value();
  const auto written = full.write(0, bytes("abc"));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::kDiskFull);
  EXPECT_THAT(written.error().message, HasSubstr("No space left on device"));
}

TEST(PosixFiles, FollowsItsDirectoryWhenThatIsRenamed) {
  const ScratchDirectory directory;
  std::filesystem::create_directory(directory.path() + "/here");
  auto files = PosixFiles::below(directory.path() + "/here").value();
  std::filesystem::rename(directory.path() + "/here", directory.path() + "/there");
  ASSERT_TRUE(files.open("f", OpenMode::kCreate));
  EXPECT_TRUE(std::filesystem::exists(directory.path() + "/there/f"));
}

}  // namespace
}  // namespace quorate::storage
