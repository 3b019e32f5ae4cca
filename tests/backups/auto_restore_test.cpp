// A file on its way into an empty database: all of it, in time, or an error that says why.
#include "server/backups/auto_restore.hpp"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/backups/manual_surroundings.hpp"
#include "tests/scratch_directory.hpp"

namespace quorate::server {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

class AutoRestoreTest : public ::testing::Test {
 protected:
  std::optional<Result<void>> restore() {
    std::optional<Result<void>> ended;
    AutoRestore restore({.path = scratch_.path() + "/file", .timeout = 10s},
                        {.run = [this](std::function<void()> job,
                                       std::function<void()> done) { jobs_.run(std::move(job), std::move(done)); },
                         .now = [this] { return now_ += tick_; }});
    restore.restore(bulk_.receive_file(), [&](Result<void> how) { ended = std::move(how); });
    jobs_.run_all();
    return ended;
  }
  void write(const std::string& content) const { std::ofstream(scratch_.path() + "/file") << content; }

  quorate::testing::ScratchDirectory scratch_;
  ManualJobs jobs_;
  TextBulk bulk_;
  Instant now_;
  Duration tick_ = 1ms;
};

TEST_F(AutoRestoreTest, TheFileBecomesTheDatabase) {
  const std::string content(1'000'000, 'x');
  write(content);
  const auto ended = restore();
  ASSERT_TRUE(ended);
  EXPECT_TRUE(*ended);
  EXPECT_TRUE(bulk_.content == content);
}

TEST_F(AutoRestoreTest, WhatFailsIsTold) {
  EXPECT_THAT(restore().value().error().message, HasSubstr("cannot open"));
  write("content");
  bulk_.load_end = {.kind = SqlEnd::Kind::kInvalid, .error = "this is no database"};
  EXPECT_THAT(restore().value().error().message, HasSubstr("/file: this is no database"));
  bulk_.failure = Error{ErrorKind::kDiskFull, "no room"};
  EXPECT_EQ(restore().value().error().message, "no room");
  EXPECT_EQ(bulk_.content, "");
}

TEST_F(AutoRestoreTest, ReadingHasATimeout) {
  write(std::string(3'000'000, 'x'));
  tick_ = 4s;
  const auto ended = restore();
  ASSERT_TRUE(ended);
  EXPECT_EQ(ended->error().kind, ErrorKind::kTimeout);
  EXPECT_THAT(ended->error().message, HasSubstr("within 10s"));
  EXPECT_EQ(bulk_.content, "");
}

}  // namespace
}  // namespace quorate::server
