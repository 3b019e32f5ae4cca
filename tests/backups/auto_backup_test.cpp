// When backups are made, when not, and what becomes of those that fail.
#include "server/backups/auto_backup.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/backups/manual_surroundings.hpp"
#include "tests/scratch_directory.hpp"

namespace quorate::server {
namespace {

using settings::BackupSettings;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

class AutoBackupTest : public ::testing::Test {
 protected:
  AutoBackupTest() { set("a text of some thirty letters.", "s1"); }

  void set(const std::string& content, const std::string& state) {
    bulk_.content = content;
    bulk_.state = state;
  }

  std::unique_ptr<AutoBackup> begin(BackupSettings settings) {
    auto backup = std::make_unique<AutoBackup>(
        settings, "me",
        AutoBackup::Surroundings{
            .bulk = bulk_,
            .state = [this] { return leads_ ? std::optional(bulk_.state) : std::nullopt; },
            .after = [this](Duration delay, std::function<void()> task) { alarms_.after(delay, std::move(task)); },
            .run = [this](std::function<void()> job,
                          std::function<void()> done) { jobs_.run(std::move(job), std::move(done)); },
            .clock = [] { return std::chrono::system_clock::time_point(1'767'323'045s); },
            .now = [] { return Instant(); }});
    backup->start();
    return backup;
  }
  std::unique_ptr<AutoBackup> begin() { return begin(settings()); }
  [[nodiscard]] BackupSettings settings() const {
    return {.directory = scratch_.path(), .name = "db", .interval = 5min, .packing = BackupSettings::Packing::kNone};
  }
  void one_interval() {
    alarms_.ring();
    jobs_.run_all();
  }
  [[nodiscard]] std::string backed_up() const {
    std::ifstream file(scratch_.path() + "/db");
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }

  quorate::testing::ScratchDirectory scratch_;
  ManualJobs jobs_;
  ManualAlarms alarms_;
  TextBulk bulk_;
  bool leads_ = true;
};

TEST_F(AutoBackupTest, WhatHasChangedIsBackedUp) {
  const auto backup = begin();
  EXPECT_EQ(alarms_.delays, std::vector<Duration>{5min});
  EXPECT_EQ(backed_up(), "");
  one_interval();
  EXPECT_EQ(backed_up(), bulk_.content);
  EXPECT_EQ(backup->counts().ok, 1U);
  EXPECT_EQ(backup->counts().bytes, bulk_.content.size());
  ASSERT_TRUE(backup->last());
  EXPECT_EQ(backup->last()->record, (settings::BackupRecord{"s1", "db", bulk_.content.size(), 1'767'323'045}));
  one_interval();
  EXPECT_EQ(backup->counts().ok, 1U);
  EXPECT_EQ(backup->counts().skipped, 1U);
  set("changed", "s2");
  one_interval();
  EXPECT_EQ(backed_up(), "changed");
  EXPECT_EQ(backup->counts().ok, 2U);
  EXPECT_EQ(backup->counts().last_bytes, 7U);
}

TEST_F(AutoBackupTest, OnlyTheLeaderDoesIt) {
  const auto backup = begin();
  leads_ = false;
  one_interval();
  one_interval();
  EXPECT_EQ(backed_up(), "");
  EXPECT_EQ(backup->counts().skipped, 0U);
  leads_ = true;
  one_interval();
  EXPECT_EQ(backed_up(), bulk_.content);
}

TEST_F(AutoBackupTest, WhoeverLeadsNextSeesWhatIsThere) {
  auto first = begin();
  one_interval();
  first.reset();
  const auto next = begin();
  one_interval();
  EXPECT_EQ(next->counts().ok, 0U);
  EXPECT_EQ(next->counts().skipped_by_id, 1U);
  one_interval();
  EXPECT_EQ(next->counts().skipped, 1U);
  bulk_.state = "s2";
  one_interval();
  EXPECT_EQ(next->counts().ok, 1U);
}

TEST_F(AutoBackupTest, TheFormIsAsItIsWished) {
  BackupSettings compact = settings();
  compact.content = BackupSettings::Content::kCompact;
  compact.packing = BackupSettings::Packing::kGzip;
  const auto backup = begin(compact);
  one_interval();
  ASSERT_EQ(bulk_.wishes.size(), 1U);
  EXPECT_EQ(bulk_.wishes[0].form, BackupWish::Form::kCompactFile);
  EXPECT_EQ(bulk_.wishes[0].packing, BackupWish::Packing::kGzip);
}

TEST_F(AutoBackupTest, AFailureIsTriedAgainAndLeavesTheLastOne) {
  const auto backup = begin();
  one_interval();
  const std::string before = backed_up();
  set("a text of forty letters, which is longer.", "s2");
  bulk_.failure = Error{ErrorKind::kOverloaded, "too many copies"};
  one_interval();
  EXPECT_EQ(backup->counts().failed, 1U);
  EXPECT_EQ(backup->last_error(), "too many copies");
  bulk_.failure.reset();
  bulk_.read_failure = Error{ErrorKind::kOverloaded, "snapshot too old"};
  one_interval();
  EXPECT_EQ(backup->counts().failed, 2U);
  EXPECT_EQ(backed_up(), before);
  EXPECT_FALSE(std::filesystem::exists(scratch_.path() + "/.db.me.part"));
  bulk_.read_failure.reset();
  one_interval();
  EXPECT_EQ(backup->counts().ok, 2U);
  EXPECT_EQ(backup->last_error(), "");
  EXPECT_EQ(backed_up(), bulk_.content);
}

TEST_F(AutoBackupTest, ADirectoryThatComesBackIsUsed) {
  BackupSettings elsewhere = settings();
  elsewhere.directory += "/mount";
  const auto backup = begin(elsewhere);
  one_interval();
  EXPECT_EQ(backup->counts().failed, 1U);
  EXPECT_THAT(backup->last_error(), HasSubstr("/mount"));
  std::filesystem::create_directory(elsewhere.directory);
  one_interval();
  EXPECT_EQ(backup->counts().ok, 1U);
  EXPECT_TRUE(std::filesystem::exists(elsewhere.directory + "/db"));
}

TEST_F(AutoBackupTest, WhatIsUnderWayWhenItEndsComesToNothing) {
  auto backup = begin();
  alarms_.ring();
  backup.reset();
  jobs_.run_all();
  alarms_.ring();
  EXPECT_TRUE(jobs_.is_idle());
  EXPECT_EQ(backed_up(), "");
}

}  // namespace
}  // namespace quorate::server
