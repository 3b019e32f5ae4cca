// Requests of programs and their outcomes, as bytes and back, and whatever else might arrive.
#include "server/sql_outcome.hpp"

#include <chrono>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace quorate::server {
namespace {

using namespace std::chrono_literals;
using Kind = sqlite::StatementResult::Kind;

SqlRequest some_request() {
  SqlRequest request;
  request.sql.kind = sqlite::RequestKind::kMixed;
  request.sql.atomicity = sqlite::Atomicity::kTransaction;
  request.sql.statements.push_back({"SELECT ?", std::vector<sqlite::Value>{std::int64_t{7}}});
  request.options.level = ReadLevel::kStrong;
  request.options.timeout = 1500ms;
  request.options.min_index = Index{12};
  request.options.idempotency_key = "k";
  return request;
}

SqlOutcome some_outcome() {
  SqlOutcome outcome{.end = {.log_index = Index{8}, .state_index = Index{9}}, .results = {}};
  outcome.results.push_back({.kind = Kind::kRows, .columns = {{.name = "a"}}, .rows = {{std::string("x")}}});
  outcome.results.push_back({.kind = Kind::kError, .error = {.message = "no such table: t"}});
  return outcome;
}

TEST(SqlOnTheWire, SurvivesTheRoundTrip) {
  const auto request = decode_sql_request(encode(some_request()).bytes());
  ASSERT_TRUE(request);
  EXPECT_EQ(request->sql.statements.front().sql, "SELECT ?");
  EXPECT_EQ(request->sql.kind, sqlite::RequestKind::kMixed);
  EXPECT_EQ(request->options.level, ReadLevel::kStrong);
  EXPECT_EQ(request->options.timeout, Duration(1500ms));
  EXPECT_EQ(request->options.min_index, Index{12});
  EXPECT_EQ(request->options.idempotency_key, "k");

  const auto outcome = decode_sql_outcome(encode(some_outcome()).bytes());
  ASSERT_TRUE(outcome);
  EXPECT_TRUE(outcome->is_done());
  EXPECT_EQ(outcome->end.state_index, Index{9});
  ASSERT_EQ(outcome->results.size(), 2U);
  EXPECT_EQ(outcome->results[0].rows, some_outcome().results[0].rows);
  EXPECT_EQ(outcome->error(), "no such table: t");
}

TEST(SqlOnTheWire, AnythingElseIsRefused) {
  const Payload request = encode(some_request());
  const Payload outcome = encode(some_outcome());
  for (std::size_t size = 0; size < request.size(); ++size)
    EXPECT_FALSE(decode_sql_request(request.bytes().first(size)));
  for (std::size_t size = 0; size < outcome.size(); ++size)
    EXPECT_FALSE(decode_sql_outcome(outcome.bytes().first(size)));
  std::vector<std::byte> other(request.bytes().begin(), request.bytes().end());
  other[0] = std::byte{2};
  EXPECT_EQ(decode_sql_request(other).error().kind, ErrorKind::kUnsupported);
  other[0] = std::byte{1};
  other[1] = std::byte{200};  // no such level
  EXPECT_EQ(decode_sql_request(other).error().kind, ErrorKind::kCorrupt);
}

TEST(SqlOutcome, SaysWhatFailed) {
  EXPECT_EQ(SqlOutcome().error(), "");
  EXPECT_EQ((SqlOutcome{.end = {.kind = SqlEnd::Kind::kRefused, .error = "busy"}, .results = {}}).error(), "busy");
}

TEST(CollectedResults, AreBounded) {
  CollectedResults results(1000);
  results.executed(1, 2, {});
  results.begin_rows({});
  const std::vector<sqlite::Value> row{std::string(300, 'x')};
  EXPECT_EQ(results.row(row), Flow::kContinue);
  EXPECT_EQ(results.row(row), Flow::kContinue);
  EXPECT_EQ(results.row(row), Flow::kStop);
  results.rows_failed("interrupted", {});
  const auto taken = results.take();
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_EQ(taken[0].rows_affected, 2);
  EXPECT_EQ(taken[1].error.message, "the result is too large to be collected");
}

}  // namespace
}  // namespace quorate::server
