// The lines of the log: one line each whatever is in them, in both forms.
#include "server/log.hpp"

#include <string>

#include <gtest/gtest.h>

namespace quorate::server {
namespace {

TEST(Log, KnowsItsLevels) {
  EXPECT_EQ(log_level_named("WARN"), LogLevel::kWarn);
  EXPECT_EQ(log_level_named("off"), LogLevel::kOff);
  EXPECT_EQ(log_level_named("loud"), std::nullopt);
  set_log_level(LogLevel::kWarn);
  EXPECT_FALSE(is_logged(LogLevel::kInfo));
  EXPECT_TRUE(is_logged(LogLevel::kError));
  set_log_level(LogLevel::kOff);
  EXPECT_FALSE(is_logged(LogLevel::kError));
  set_log_level(LogLevel::kInfo);
}

TEST(Log, Text) {
  EXPECT_EQ(describe_line(LogForm::kText, "nothing more", {}), "nothing more");
  EXPECT_EQ(describe_line(LogForm::kText, "all kinds",
                          {{"count", std::uint64_t{7}},
                           {"seconds", 1.25},
                           {"word", std::string("t.id")},
                           {"text", std::string("a \"b\"\n\tc\\ \x01 é")},
                           {"empty", std::string()},
                           {"missing", LogValue::Any()}}),
            "all kinds count=7 seconds=1.25 word=t.id text=\"a \\\"b\\\"\\n\\tc\\\\ \\x01 é\" empty=\"\"");
}

TEST(Log, Json) {
  EXPECT_EQ(describe_line(LogForm::kJson, "say \"this\"",
                          {{"count", std::uint64_t{7}},
                           {"seconds", 1.25},
                           {"text", std::string("a\nb")},
                           {"missing", LogValue::Any()}}),
            R"("message":"say \"this\"","count":7,"seconds":1.25,"text":"a\nb"})");
}

}  // namespace
}  // namespace quorate::server
