// Files of backups: whole or not there, with a record that says what they are of; and what a directory can be in the
// way of.
#include "server/backups/backup_directory.hpp"

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/scratch_directory.hpp"

namespace quorate::server {
namespace {

using settings::BackupSettings;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Naming = BackupSettings::Naming;

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class BackupDirectoryTest : public ::testing::Test {
 protected:
  [[nodiscard]] BackupSettings settings(Naming naming = Naming::kOneFile) const {
    return {.directory = scratch_.path(), .name = "db", .naming = naming};
  }
  [[nodiscard]] std::string path(const std::string& name) const { return scratch_.path() + "/" + name; }
  [[nodiscard]] std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(scratch_.path()))
      found.insert(entry.path().filename().string());
    return found;
  }
  static settings::BackupRecord make(const BackupDirectory& directory, const std::string& content,
                                     const std::string& state, std::int64_t seconds = 1'767'323'045) {
    const auto file = directory.begin().value();
    const std::string_view text = content;
    EXPECT_TRUE(file->append(text.substr(0, text.size() / 2)));
    EXPECT_TRUE(file->append(text.substr(text.size() / 2)));
    return file->finish(state, seconds).value();
  }

  quorate::testing::ScratchDirectory scratch_;
};

TEST_F(BackupDirectoryTest, ABackupReplacesTheLastOne) {
  const BackupDirectory directory(settings(), "me");
  EXPECT_FALSE(directory.has("s1"));
  const auto record = make(directory, "first content", "s1");
  EXPECT_EQ(record, (settings::BackupRecord{"s1", "db", 13, 1'767'323'045}));
  EXPECT_EQ(content_of(path("db")), "first content");
  EXPECT_TRUE(directory.has("s1"));
  EXPECT_FALSE(directory.has("s2"));
  make(directory, "more", "s2");
  EXPECT_EQ(content_of(path("db")), "more");
  EXPECT_TRUE(directory.has("s2"));
  EXPECT_THAT(names(), ElementsAre("METADATA.json", "db"));
  EXPECT_TRUE(BackupDirectory(settings(), "another node").has("s2"));
}

TEST_F(BackupDirectoryTest, BackupsMayBeKeptUnderTheirHour) {
  const BackupDirectory directory(settings(Naming::kTimestamps), "me");
  make(directory, "1", "s1", 1'767'323'045);
  make(directory, "22", "s2", 1'767'323'046);
  EXPECT_THAT(names(), ElementsAre("20260102030405_db", "20260102030406_db", "METADATA.json"));
  EXPECT_EQ(content_of(path("20260102030405_db")), "1");
  EXPECT_TRUE(directory.has("s2"));
  EXPECT_FALSE(directory.has("s1"));
  EXPECT_FALSE(BackupDirectory(settings(), "me").has("s2")) << "it would have another name now";
}

TEST_F(BackupDirectoryTest, WhatIsUnfinishedLeavesNothing) {
  const BackupDirectory directory(settings(), "me");
  make(directory, "content", "s1");
  {
    const auto file = directory.begin().value();
    EXPECT_TRUE(file->append("and then it fails"));
    EXPECT_THAT(names(), ElementsAre(".db.me.part", "METADATA.json", "db"));
  }
  EXPECT_THAT(names(), ElementsAre("METADATA.json", "db"));
  EXPECT_EQ(content_of(path("db")), "content");
  EXPECT_TRUE(directory.has("s1"));
}

TEST_F(BackupDirectoryTest, WhatAProcessHasLeftBehindIsWrittenOver) {
  std::ofstream(path(".db.me.part")) << std::string(1000, 'z');
  make(BackupDirectory(settings(), "me"), "content", "s1");
  EXPECT_EQ(content_of(path("db")), "content");
}

TEST_F(BackupDirectoryTest, ARecordIsBelievedAsFarAsTheFileIsThere) {
  const BackupDirectory directory(settings(), "me");
  make(directory, "content", "s1");
  std::ofstream(path("db")) << "cut";
  EXPECT_FALSE(directory.has("s1"));
  std::filesystem::remove(path("db"));
  EXPECT_FALSE(directory.has("s1"));
  make(directory, "content", "s1");
  for (const char* text : {"", "nonsense", "{\"id\":\"s1\",\"name\":\"../db\",\"bytes\":7,\"timestamp\":1}"}) {
    std::ofstream(path("METADATA.json")) << text;
    EXPECT_FALSE(directory.has("s1")) << text;
  }
  make(directory, "content", "s1");
  EXPECT_TRUE(directory.has("s1"));
}

TEST_F(BackupDirectoryTest, ADirectoryThatIsNotThereIsNamed) {
  BackupSettings elsewhere = settings();
  elsewhere.directory = path("nowhere");
  const BackupDirectory directory(elsewhere, "me");
  EXPECT_FALSE(directory.has("s1"));
  const auto file = directory.begin();
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message, HasSubstr("nowhere"));
  EXPECT_THAT(file.error().message, HasSubstr("create the directory"));
  std::filesystem::create_directory(elsewhere.directory);
  EXPECT_TRUE(directory.begin());
}

}  // namespace
}  // namespace quorate::server
