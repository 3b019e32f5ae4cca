#include "server/http/parameters.hpp"

#include <chrono>

#include <gtest/gtest.h>

namespace quorate::http {
namespace {

using server::ReadLevel;
using namespace std::chrono_literals;

std::string refusal(std::string_view query) {
  const auto parsed = parse_parameters(query);
  return parsed ? "accepted" : parsed.error().message;
}

TEST(ParametersTest, HaveTheirDefaults) {
  const Parameters parameters = parse_parameters("").value();
  EXPECT_TRUE(parameters.flags.none());
  EXPECT_EQ(parameters.level, ReadLevel::kWeak);
  EXPECT_EQ(parameters.timeout, 30s);
  EXPECT_EQ(parameters.linearizable_timeout, 10s);
  EXPECT_FALSE(parameters.freshness);
  EXPECT_FALSE(parameters.statement_timeout);
  EXPECT_FALSE(parameters.query);
  EXPECT_EQ(parameters.nodes_form, NodesForm::kMap);
}

TEST(ParametersTest, FlagsAreSetByPresence) {
  const Parameters parameters = parse_parameters("pretty&timings=false&&transaction=").value();
  EXPECT_TRUE(parameters.has(Flag::kPretty));
  EXPECT_TRUE(parameters.has(Flag::kTimings));
  EXPECT_TRUE(parameters.has(Flag::kTransaction));
  EXPECT_FALSE(parameters.has(Flag::kQueue));
  EXPECT_EQ(parameters.flags.count(), 3U);
  EXPECT_TRUE(parse_parameters("Pretty").value().flags.none()) << "keys are case-sensitive";
}

TEST(ParametersTest, ReadsValues) {
  const Parameters parameters =
      parse_parameters(
          "q=SELECT+%271%27%2b1&level=LINEARIZABLE&freshness=1m&freshness_strict&timeout=250ms&db_timeout=1s"
          "&linearizable_timeout=2s&retries=3&trailing_logs=%2B7&fmt=sql&tables=a,b&key=store.raft&ver=2"
          "&min_index=18446744073709551615&tx=abc")
          .value();
  EXPECT_EQ(parameters.query, "SELECT '1'+1");
  EXPECT_EQ(parameters.level, ReadLevel::kLinearizable);
  EXPECT_EQ(parameters.freshness, 1min);
  EXPECT_EQ(parameters.timeout, 250ms);
  EXPECT_EQ(parameters.statement_timeout, 1s);
  EXPECT_EQ(parameters.linearizable_timeout, 2s);
  EXPECT_EQ(parameters.retries, 3U);
  EXPECT_EQ(parameters.format, BackupFormat::kSql);
  EXPECT_EQ(parameters.tables, "a,b");
  EXPECT_EQ(parameters.key, "store.raft");
  EXPECT_EQ(parameters.nodes_form, NodesForm::kList);
  EXPECT_EQ(parameters.min_index, Index{18446744073709551615U});
  EXPECT_EQ(parameters.transaction, "abc");
}

TEST(ParametersTest, TheFirstOfARepeatedKeyWins) {
  const Parameters parameters = parse_parameters("level=none&level=strong").value();
  EXPECT_EQ(parameters.level, ReadLevel::kNone);
}

TEST(ParametersTest, UnknownNamesFallBack) {
  const Parameters parameters = parse_parameters("level=paranoid&fmt=xml&ver=3&nonsense=1").value();
  EXPECT_EQ(parameters.level, ReadLevel::kWeak);
  EXPECT_EQ(parameters.format, BackupFormat::kBinary);
  EXPECT_EQ(parameters.nodes_form, NodesForm::kMap);
}

TEST(ParametersTest, ZeroTurnsOptionalDurationsOff) {
  const Parameters parameters = parse_parameters("freshness=0s&db_timeout=0").value();
  EXPECT_FALSE(parameters.freshness);
  EXPECT_FALSE(parameters.statement_timeout);
}

TEST(ParametersTest, CenturiesAreForEver) {
  EXPECT_EQ(parse_parameters("db_timeout=2562047h").value().statement_timeout, std::chrono::years(100));
}

TEST(ParametersTest, RefusesMalformedValues) {
  EXPECT_EQ(refusal("freshness_strict"), "freshness_strict requires freshness");
  EXPECT_EQ(refusal("timeout=5"), "timeout is not a valid duration");
  EXPECT_EQ(refusal("timeout"), "timeout is not a valid duration");
  EXPECT_EQ(refusal("timeout=-1s"), "timeout is not a valid duration");
  EXPECT_EQ(refusal("freshness=soon"), "freshness is not a valid duration");
  EXPECT_EQ(refusal("db_timeout=1x"), "db_timeout is not a valid duration");
  EXPECT_EQ(refusal("linearizable_timeout=1x"), "linearizable_timeout is not a valid duration");
  EXPECT_EQ(refusal("retries=many"), "retries is not a valid integer");
  EXPECT_EQ(refusal("retries=99999999999"), "retries is not a valid integer");
  EXPECT_EQ(refusal("trailing_logs="), "trailing_logs is not a valid integer");
  EXPECT_EQ(refusal("trailing_logs=-1"), "trailing_logs is not a valid integer");
  EXPECT_EQ(refusal("q="), "query parameter not set");
  EXPECT_EQ(refusal("q"), "query parameter not set");
}

TEST(ParametersTest, RefusesMalformedQueryStrings) {
  EXPECT_EQ(refusal("q=%zz"), "invalid URL escape \"%zz\"");
  EXPECT_EQ(refusal("q=%4"), "invalid URL escape \"%4\"");
  EXPECT_EQ(refusal("a;b"), "invalid semicolon separator in query");
}

TEST(TargetTest, SplitsPathAndQuery) {
  EXPECT_EQ(split_target("/db/query?q=1?2")->path, "/db/query");
  EXPECT_EQ(split_target("/db/query?q=1?2")->query, "q=1?2");
  EXPECT_EQ(split_target("/a%2Fb+c")->path, "/a/b+c");
  EXPECT_EQ(split_target("http://node:4001/status?pretty")->path, "/status");
  EXPECT_EQ(split_target("http://node:4001")->path, "/");
  EXPECT_EQ(split_target("https://node?pretty")->query, "pretty");
  EXPECT_EQ(split_target("*")->path, "*");
  EXPECT_FALSE(split_target("/%"));
}

}  // namespace
}  // namespace quorate::http
