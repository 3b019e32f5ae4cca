// The change feed's options, endpoints and documents.
#include <cmath>
#include <limits>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "server/cdc/envelope.hpp"
#include "server/cdc/feed_options.hpp"
#include "server/cdc/table_filter.hpp"

namespace quorate::cdc {
namespace {

std::optional<std::string> environment(const std::string& name) {
  if (name == "HOST") return "example.org";
  if (name == "ODD") return "a\\\\c";
  return std::nullopt;
}

std::string error_of(const std::string& text) {
  const Result<FeedOptions> options = parse_feed_options(text, "f", environment);
  return options ? "" : options.error().message;
}

TEST(CdcEndpoint, Urls) {
  const Endpoint plain = *parse_endpoint("http://example.org/a?b=c#d");
  EXPECT_EQ(plain, (Endpoint{.kind = Endpoint::Kind::kHttp,
                             .host = "example.org",
                             .port = "80",
                             .target = "/a?b=c",
                             .credentials = {},
                             .path = {}}));
  const Endpoint full = *parse_endpoint("https://bob:p%40ss:x@[::1]:8443?q");
  EXPECT_EQ(full.host, "::1");
  EXPECT_EQ(full.port, "8443");
  EXPECT_EQ(full.target, "/?q");
  EXPECT_EQ(full.credentials, "bob:p@ss:x");
  EXPECT_EQ(full.text(), "https://[::1]:8443/?q");
  EXPECT_EQ(parse_endpoint("https://h")->authority(), "h");
  EXPECT_EQ(parse_endpoint("http://h:443")->authority(), "h:443");
  EXPECT_EQ(parse_endpoint("file:///a/b c")->path, "/a/b c");
  for (const char* bad : {"http://", "http://:80/", "http://h:0/", "http://h:70000", "http://h:8x", "http://h/a b",
                          "http://a%zz@h/", "file://relative", "ftp://h/", "", "http://[::1", "http://h\r\n/"}) {
    EXPECT_FALSE(parse_endpoint(bad).has_value()) << bad;
  }
  EXPECT_EQ(parse_endpoint("http://bob:secret@/").error().message.find("secret"), std::string::npos);
}

RC_GTEST_PROP(CdcEndpointProperty, WhatIsShownMeansTheSame, (const std::string& text)) {
  const Result<Endpoint> endpoint = parse_endpoint("http://" + text);
  if (!endpoint) return;
  Endpoint shown = *parse_endpoint(endpoint->text());
  shown.credentials = endpoint->credentials;
  RC_ASSERT(shown == *endpoint);
}

TEST(CdcOptions, DefaultsAreThoseOfRqlite) {
  const FeedOptions options = *parse_feed_options(R"({"endpoint":"stdout"})", "f", environment);
  EXPECT_EQ(options.batch_groups_max, 10U);
  EXPECT_EQ(options.batch_delay_max, std::chrono::milliseconds(200));
  EXPECT_EQ(options.high_watermark_interval, std::chrono::seconds(1));
  EXPECT_EQ(options.transmit_timeout, std::chrono::seconds(5));
  EXPECT_EQ(options.retries_max, std::nullopt);
  EXPECT_EQ(options.retry_policy, RetryPolicy::kLinear);
  EXPECT_EQ(options.backoff_min, std::chrono::seconds(1));
  EXPECT_EQ(options.backoff_max, std::chrono::seconds(30));
}

TEST(CdcOptions, DurationsAreTextsOrNanoseconds) {
  const FeedOptions options = *parse_feed_options(
      R"({"endpoint":"stdout","max_batch_delay":"1m30s","transmit_timeout":2500000,"transmit_min_backoff":"45s"})", "f",
      environment);
  EXPECT_EQ(options.batch_delay_max, std::chrono::seconds(90));
  EXPECT_EQ(options.transmit_timeout, std::chrono::microseconds(2500));
  EXPECT_EQ(options.backoff_max, std::chrono::seconds(45)) << "never shorter than the other";
}

TEST(CdcOptions, VariablesOfTheEnvironment) {
  const FeedOptions options = *parse_feed_options(
      R"({"endpoint":"http://$HOST/${HOST}s","service_id":"${ODD}","table_filter":"^(a$|$b)$"})", "f",
      [](const std::string& n) { return n == "b" ? std::optional<std::string>("B") : environment(n); });
  EXPECT_EQ(options.endpoint.text(), "http://example.org/example.orgs");
  EXPECT_EQ(options.service_id, "a\\c") << "as JSON has it";
  EXPECT_EQ(options.table_filter, "^(a$|B)$");
  EXPECT_NE(error_of(R"({"endpoint":"http://$NOBODY/"})").find("environment variable NOBODY"), std::string::npos);
}

TEST(CdcOptions, MistakesAreNamed) {
  EXPECT_NE(error_of(R"({"endpoint":"stdout","endpont":1})").find("unknown key \"endpont\""), std::string::npos);
  EXPECT_NE(error_of(R"({"endpoint":7})").find("endpoint must be a text"), std::string::npos);
  EXPECT_NE(error_of(R"({"endpoint":"stdout","max_batch_size":10001})").find("10000"), std::string::npos);
  EXPECT_NE(error_of(R"({"endpoint":"stdout","transmit_max_retries":-1})").find("transmit_max_retries"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"endpoint":"stdout","table_filter":"a{1000}{1000}"})").find("table_filter"),
            std::string::npos);
  EXPECT_NE(error_of(R"({"endpoint":"stdout"} x)").find("no JSON"), std::string::npos);
}

RC_GTEST_PROP(CdcOptionsProperty, AnythingIsReadOrRefused, (const std::string& noise)) {
  static_cast<void>(parse_feed_options(noise, "f", environment));
  static_cast<void>(parse_feed_options(R"({"endpoint":"stdout","service_id":")" + noise + "\"}", "f", environment));
}

TEST(CdcTableFilter, MatchesAnywhereInLinearTime) {
  const TableFilter filter = *TableFilter::compile("^(o|b.*d)$");
  EXPECT_TRUE(filter.wants("o"));
  EXPECT_TRUE(filter.wants("bad"));
  EXPECT_FALSE(filter.wants("oo"));
  EXPECT_TRUE(TableFilter::compile("")->wants("anything"));
  EXPECT_FALSE(TableFilter::compile("(a+)+$")->wants(std::string(100'000, 'a') + "b"));
}

TEST(CdcEnvelope, IsTheOneOfRqlite) {
  using namespace sqlite;
  ChangeGroup group{.index = ChangeIndex{4}, .unix_time_ms = 1795222290939, .replaced_database = {}};
  group.tables = {{.database = "main", .name = "foo", .has_row_ids = true, .columns = {"id", "n", "f", "b"}},
                  {.database = "other", .name = "w<", .has_row_ids = false, .columns = {}}};
  const std::vector<Value> row = {std::int64_t{9007199254740993}, "a\xff", 1.5, Blob{std::byte{0}, std::byte{255}}};
  const std::vector<Value> odd = {std::monostate{}, "", std::numeric_limits<double>::infinity(), Blob{}};
  group.changes = {
      {.kind = ChangeKind::kInsert, .table = 0, .new_row_id = 1, .before = {}, .after = row},
      {.kind = ChangeKind::kUpdate, .table = 0, .old_row_id = 1, .new_row_id = 2, .before = row, .after = odd},
      {.kind = ChangeKind::kDelete, .table = 1, .before = {}, .after = {}}};
  ChangeGroup second{.index = ChangeIndex{5}, .unix_time_ms = 7, .is_continued = true, .replaced_database = "main"};
  EXPECT_EQ(envelope_of({group, second}, {.service_id = "s", .node_id = "1"}),
            R"({"service_id":"s","node_id":"1","payload":[{"index":4,"commit_timestamp":1795222290939,"events":[)"
            R"({"op":"INSERT","table":"foo","new_row_id":1,)"
            R"("after":{"id":9007199254740993,"n":"a\ufffd","f":1.5,"b":"AP8="}},)"
            R"({"op":"UPDATE","table":"foo","old_row_id":1,"new_row_id":2,)"
            R"("before":{"id":9007199254740993,"n":"a\ufffd","f":1.5,"b":"AP8="},)"
            R"("after":{"id":null,"n":"","f":null,"b":""}},)"
            R"({"op":"DELETE","database":"other","table":"w\u003c"}]},)"
            R"({"index":5,"commit_timestamp":7,"continued":true,"database_replaced":"main","events":[]}]})");
}

}  // namespace
}  // namespace quorate::cdc
