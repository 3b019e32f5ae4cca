// Statements that take long are told of, others are not, and the lines are bounded.
#include "server/slow_statements.hpp"

#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace quorate::server {
namespace {

using namespace std::chrono_literals;

class SlowStatementsTest : public testing::Test {
 protected:
  static sqlite::Request request_of(std::vector<std::string> texts) {
    sqlite::Request request;
    for (std::string& text : texts) request.statements.push_back({.sql = std::move(text), .parameters = {}});
    return request;
  }
  SlowStatements::Watched watch(const SlowStatements& statements, std::vector<std::string> texts) {
    return statements.watch(request_of(std::move(texts)), nullptr, [this](const SqlEnd&) { ++ends; });
  }

  Instant now = Instant(1h);
  int ends = 0;
  std::vector<std::string> lines;
  SlowStatements slow{100ms, [this] { return now; },
                      [this](std::string_view message, LogValues values) {
                        lines.push_back(describe_line(LogForm::kText, message, values));
                      }};
};

TEST_F(SlowStatementsTest, TellsWhichOneWasSlowAndWhatItDid) {
  const auto watched = watch(slow, {"SELECT 1", "", "UPDATE t SET a = 'x y'", "SELECT broken"});
  watched.sink->begin_rows({});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(watched.sink->row({}), Flow::kContinue);
  watched.sink->end_rows(99ms);
  watched.sink->executed(0, 12, 100ms);
  watched.sink->failed("no such column: broken", 2500ms);
  watched.done({});
  EXPECT_EQ(ends, 1);
  const std::vector<std::string> expected = {
      "slow statement seconds=0.1 rows=12 statement=2 of=4 sql=\"UPDATE t SET a = 'x y'\"",
      "slow statement seconds=2.5 rows=0 statement=3 of=4 sql=\"SELECT broken\" error=\"no such column: broken\""};
  EXPECT_EQ(lines, expected);
}

TEST_F(SlowStatementsTest, TellsOfARequestThatFailedAsAWhole) {
  const auto watched = watch(slow, {"SELECT 1"});
  now += 3s;
  watched.done({.kind = SqlEnd::Kind::kRefused, .error = "out of time"});
  EXPECT_EQ(lines, std::vector<std::string>{
                       "slow statement seconds=3 rows=0 statement=1 of=1 sql=\"SELECT 1\" error=\"out of time\""});
}

TEST_F(SlowStatementsTest, CutsTextsBetweenCharacters) {
  const auto watched = watch(slow, {"S" + std::string(kSlowTextBytesMax - 2, 'x') + "é", "SELECT 2"});
  watched.sink->executed(0, 0, 1s);
  watched.sink->executed(0, 0, 1s);
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_TRUE(lines[0].ends_with("xxx...")) << lines[0];
  EXPECT_TRUE(lines[1].ends_with("sql=\"(not kept)\"")) << lines[1];
}

TEST_F(SlowStatementsTest, WritesSoManyLinesASecond) {
  const auto watched = watch(slow, {"SELECT 1"});
  for (int i = 0; i < 25; ++i) watched.sink->executed(0, 0, 1s);
  EXPECT_EQ(lines.size(), kSlowLinesPerSecondMax);
  now += 1s;
  watched.sink->executed(0, 0, 1s);
  EXPECT_TRUE(lines.back().ends_with("left_out_before=15")) << lines.back();
}

TEST_F(SlowStatementsTest, CanBeOff) {
  const SlowStatements off(Duration::zero(), [this] { return now; }, {});
  EXPECT_EQ(watch(off, {"SELECT 1"}).sink, nullptr);
}

}  // namespace
}  // namespace quorate::server
