// The files of -auto-backup and -auto-restore, and the record beside the backups.
#include "server/settings/backup_settings.hpp"

#include <chrono>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/settings/backup_record.hpp"

namespace quorate::settings {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

std::optional<std::string> no_variable(const std::string& name) {
  return name == "WHERE" ? std::optional<std::string>("/mnt/bucket") : std::nullopt;
}

Result<BackupSettings> backup(const std::string& text) {
  return parse_backup_settings(text, "backup.json", no_variable);
}
Result<RestoreSettings> restore(const std::string& text) {
  return parse_restore_settings(text, "restore.json", no_variable);
}

TEST(BackupSettings, OfAFile) {
  const auto least = backup(R"({"version": 1, "type": "file", "interval": "5m",
                                "sub": {"dir": "$WHERE", "name": "db.gz"}})");
  ASSERT_TRUE(least) << least.error().message;
  EXPECT_EQ(least->directory, "/mnt/bucket");
  EXPECT_EQ(least->name, "db.gz");
  EXPECT_EQ(least->interval, 5min);
  EXPECT_EQ(least->content, BackupSettings::Content::kAsItIs);
  EXPECT_EQ(least->packing, BackupSettings::Packing::kGzip);
  EXPECT_EQ(least->naming, BackupSettings::Naming::kOneFile);

  const auto most = backup(R"({"version": 1, "type": "file", "interval": 1500000000, "vacuum": true,
                               "no_compress": true, "timestamp": true, "sub": {"dir": "d", "name": "n"}})");
  ASSERT_TRUE(most) << most.error().message;
  EXPECT_EQ(most->interval, 1500ms);
  EXPECT_EQ(most->content, BackupSettings::Content::kCompact);
  EXPECT_EQ(most->packing, BackupSettings::Packing::kNone);
  EXPECT_EQ(most->naming, BackupSettings::Naming::kTimestamps);
}

TEST(BackupSettings, WhatIsWrongIsTold) {
  const auto refusal = [](const std::string& text) {
    const auto settings = backup(text);
    EXPECT_FALSE(settings) << text;
    if (settings) return std::string();
    EXPECT_TRUE(settings.error().message.starts_with("backup.json")) << settings.error().message;
    return settings.error().message;
  };
  const std::string sub = R"("sub": {"dir": "d", "name": "n"})";
  EXPECT_THAT(refusal("nonsense"), HasSubstr("backup.json:1:"));
  EXPECT_THAT(refusal("[]"), HasSubstr("no object"));
  EXPECT_THAT(refusal(R"({"version": 2, "type": "file"})"), HasSubstr("\"version\" must be 1"));
  EXPECT_THAT(refusal(R"({"type": "file"})"), HasSubstr("\"version\" is missing"));
  for (const char* type : {"s3", "gcs"}) {
    EXPECT_THAT(refusal(std::string(R"({"version": 1, "type": ")") + type + R"(", "interval": "5m", "sub": {}})"),
                ::testing::AllOf(HasSubstr("not supported"), HasSubstr("\"file\""), HasSubstr("rclone mount")));
  }
  EXPECT_THAT(refusal(R"({"version": 1, "type": "ftp"})"), HasSubstr("supported is \"file\""));
  EXPECT_THAT(refusal(R"({"version": 1, "type": "file", )" + sub + "}"), HasSubstr("\"interval\" is missing"));
  for (const char* interval : {"\"\"", "\"5\"", "\"-5s\"", "0", "-1", "1.5", "\"0s\"", "true"}) {
    EXPECT_THAT(refusal(std::string(R"({"version": 1, "type": "file", "interval": )") + interval + ", " + sub + "}"),
                HasSubstr("\"interval\" must be a duration"))
        << interval;
  }
  const std::string head = R"({"version": 1, "type": "file", "interval": "5m", )";
  EXPECT_THAT(refusal(R"({"version": 1, "type": "file", "interval": "1ms", )" + sub + "}"), HasSubstr("100ms"));
  EXPECT_THAT(refusal(head + R"("vacuum": "yes", )" + sub + "}"), HasSubstr("\"vacuum\" must be true or false"));
  EXPECT_THAT(refusal(head + R"("compress": true, )" + sub + "}"), HasSubstr("unknown key \"compress\""));
  EXPECT_THAT(refusal(head + R"("sub": 7})"), HasSubstr("\"sub\": it is no object"));
  EXPECT_THAT(refusal(head + R"("sub": {"dir": "d"}})"), HasSubstr("\"name\" is missing"));
  EXPECT_THAT(refusal(head + R"("sub": {"dir": "d", "name": "n", "bucket": "b"}})"),
              HasSubstr("unknown key \"bucket\""));
  for (const char* name : {"a/b", ".", "..", "/"})
    EXPECT_THAT(refusal(head + R"("sub": {"dir": "d", "name": ")" + name + "\"}}"), HasSubstr("without a path"))
        << name;
  EXPECT_THAT(refusal(head + R"("sub": {"dir": "d", "name": "METADATA.json"}})"), HasSubstr("another one"));
  EXPECT_THAT(refusal(head + R"("sub": {"dir": "$NOWHERE", "name": "n"}})"), HasSubstr("NOWHERE"));
}

TEST(RestoreSettings, OfAFile) {
  const auto least = restore(R"({"version": 1, "type": "file", "sub": {"dir": "/d", "name": "db.gz"}})");
  ASSERT_TRUE(least) << least.error().message;
  EXPECT_EQ(least->path, "/d/db.gz");
  EXPECT_EQ(least->timeout, 30s);
  EXPECT_EQ(least->on_failure, RestoreSettings::OnFailure::kStop);

  const auto most = restore(R"({"version": 1, "type": "file", "timeout": "2m", "continue_on_failure": true,
                                "sub": {"path": "$WHERE/db"}})");
  ASSERT_TRUE(most) << most.error().message;
  EXPECT_EQ(most->path, "/mnt/bucket/db");
  EXPECT_EQ(most->timeout, 2min);
  EXPECT_EQ(most->on_failure, RestoreSettings::OnFailure::kContinue);
}

TEST(RestoreSettings, WhatIsWrongIsTold) {
  EXPECT_THAT(restore(R"({"version": 1, "type": "s3", "sub": {}})").error().message, HasSubstr("not supported"));
  EXPECT_THAT(restore(R"({"version": 1, "type": "file", "interval": "1m", "sub": {"path": "p"}})").error().message,
              HasSubstr("unknown key \"interval\""));
  EXPECT_THAT(restore(R"({"version": 1, "type": "file", "sub": {"path": "p", "dir": "d"}})").error().message,
              HasSubstr("unknown key \"dir\""));
  EXPECT_THAT(restore(R"({"version": 1, "type": "file"})").error().message, HasSubstr("\"sub\" is missing"));
}

TEST(SettingsFiles, ThatDoNotExistAreNamed) {
  EXPECT_THAT(load_backup_settings("nowhere/backup.json").error().message, HasSubstr("nowhere/backup.json"));
  EXPECT_THAT(load_restore_settings("nowhere/restore.json").error().message, HasSubstr("nowhere/restore.json"));
}

TEST(BackupRecord, ComesBackAsItWasWritten) {
  const BackupRecord record{.id = "00ff", .name = "a \"b\".gz", .bytes = 5'000'000'000, .unix_seconds = 1'767'225'600};
  EXPECT_EQ(parse_backup_record(print(record), "METADATA.json").value(), record);
}

TEST(BackupRecord, OfAnotherVersion) {
  EXPECT_EQ(parse_backup_record(R"({"id":"1","name":"n","bytes":2,"timestamp":3,"index":4})", "M")->name, "n");
  EXPECT_FALSE(parse_backup_record("", "M"));
  EXPECT_FALSE(parse_backup_record("{}", "M"));
  EXPECT_FALSE(parse_backup_record(R"({"id":"1","name":"n","bytes":-2,"timestamp":3})", "M"));
}

}  // namespace
}  // namespace quorate::settings
