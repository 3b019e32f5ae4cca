// The directory of a node: whose it is, and that only one process has it.
#include "server/data_directory.hpp"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

namespace quorate::server {
namespace {

class DataDirectoryTest : public testing::Test {
 protected:
  DataDirectoryTest() { std::filesystem::remove_all(path_); }
  ~DataDirectoryTest() override { std::filesystem::remove_all(path_); }

  [[nodiscard]] std::string path() const { return path_.string(); }
  void write(const std::string& name, const std::string& text) const { std::ofstream(path_ / name) << text; }

  const std::filesystem::path path_ =
      std::filesystem::path(testing::TempDir()) /
      (std::string("data_directory_") + testing::UnitTest::GetInstance()->current_test_info()->name());
};

TEST_F(DataDirectoryTest, RemembersWhoseItIs) {
  const NodeRecord founder{
      .name = "a node @ home:1", .cluster = ClusterId{0xfedc}, .stage = NodeRecord::Stage::kFounding};
  const NodeRecord member{.name = "b", .cluster = ClusterId{1}, .stage = NodeRecord::Stage::kMember};
  {
    auto directory = DataDirectory::open(path());
    ASSERT_TRUE(directory) << directory.error().message;
    EXPECT_EQ(*directory->record(), std::nullopt);
    ASSERT_TRUE(directory->set_record(founder));
    EXPECT_EQ(*directory->record(), founder);
    ASSERT_TRUE(directory->set_record(member));
  }
  auto again = DataDirectory::open(path());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ(*again->record(), member);
}

TEST_F(DataDirectoryTest, BelongsToOneProcess) {
  const auto first = DataDirectory::open(path());
  ASSERT_TRUE(first);
  const auto second = DataDirectory::open(path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().kind, ErrorKind::kLocked);
}

TEST_F(DataDirectoryTest, IsNobodysAfterAStartThatCameToNothing) {
  std::filesystem::create_directories(path_ / "bulk");
  auto directory = DataDirectory::open(path());
  ASSERT_TRUE(directory);
  EXPECT_EQ(*directory->record(), std::nullopt);
}

TEST_F(DataDirectoryTest, OfSomethingElseIsRefused) {
  std::filesystem::create_directories(path_);
  write("letter.txt", "Dear John");
  auto directory = DataDirectory::open(path());
  ASSERT_TRUE(directory);
  const auto record = directory->record();
  ASSERT_FALSE(record);
  EXPECT_NE(record.error().message.find("letter.txt"), std::string::npos);
}

TEST_F(DataDirectoryTest, DamageIsNotAbsence) {
  auto directory = DataDirectory::open(path());
  ASSERT_TRUE(directory);
  ASSERT_TRUE(directory->set_record({.name = "a", .cluster = ClusterId{1}}));
  std::ifstream file(path_ / "node");
  const std::string whole((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  for (std::size_t size = 0; size + 1 < whole.size(); ++size) {
    write("node", whole.substr(0, size));
    const auto record = directory->record();
    ASSERT_FALSE(record) << size;
    EXPECT_EQ(record.error().kind, ErrorKind::kCorrupt);
  }
}

TEST(NodeIds, DifferFromNameToName) {
  EXPECT_NE(id_of("a"), id_of("b"));
  EXPECT_NE(id_of(""), kNoNode);
  EXPECT_EQ(id_of("n1"), id_of("n1"));
}

}  // namespace
}  // namespace quorate::server
