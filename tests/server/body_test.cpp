#include "server/http/body.hpp"

#include <cstdio>
#include <iterator>
#include <limits>
#include <span>
#include <utility>
#include <variant>

#include <gtest/gtest.h>

namespace quorate::http {
namespace {

using sqlite::Blob;
using sqlite::Parameters;
using sqlite::SqlStatement;
using sqlite::Value;

using Names = std::vector<std::pair<std::string, Value>>;

std::vector<SqlStatement> parsed(std::string_view json) {
  auto statements = parse_statements(json);
  EXPECT_TRUE(statements) << statements.error().message << ": " << json;
  return statements.value_or(std::vector<SqlStatement>());
}
std::string refusal(std::string_view json) {
  const auto statements = parse_statements(json);
  return statements ? "accepted" : statements.error().message;
}
Value parameter(const std::string& json) {
  const auto statements = parsed("[[\"\"," + json + "]]");
  const auto& positional = std::get<std::vector<Value>>(statements.at(0).parameters);
  EXPECT_EQ(positional.size(), 1U);
  return positional.at(0);
}
Blob blob(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

TEST(BodyTest, TakesEveryFormOfStatement) {
  const auto statements = parsed(R"json(["SELECT 1", ["SELECT 2"], ["INSERT INTO t VALUES(?, ?)", "declan", 20],
                                     ["INSERT INTO t VALUES(:n, :a)", {"n": "aoife", "a": 31}], ""])json");
  const std::pair<std::string, Parameters> expected[] = {
      {"SELECT 1", {}},
      {"SELECT 2", {}},
      {"INSERT INTO t VALUES(?, ?)", std::vector<Value>{"declan", std::int64_t{20}}},
      {"INSERT INTO t VALUES(:n, :a)", Names{{"n", "aoife"}, {"a", std::int64_t{31}}}},
      {"", {}},
  };
  ASSERT_EQ(statements.size(), std::size(expected));
  for (std::size_t i = 0; i < statements.size(); ++i) {
    EXPECT_EQ(statements[i].sql, expected[i].first);
    EXPECT_EQ(statements[i].parameters, expected[i].second) << statements[i].sql;
  }
}

TEST(BodyTest, TakesEveryKindOfParameter) {
  EXPECT_EQ(parameter("null"), Value());
  EXPECT_EQ(parameter("true"), Value(std::int64_t{1}));
  EXPECT_EQ(parameter("false"), Value(std::int64_t{0}));
  EXPECT_EQ(parameter("-7"), Value(std::int64_t{-7}));
  EXPECT_EQ(parameter("9223372036854775807"), Value(std::numeric_limits<std::int64_t>::max()));
  EXPECT_EQ(parameter("-9223372036854775808"), Value(std::numeric_limits<std::int64_t>::min()));
  EXPECT_EQ(parameter("9223372036854775808"), Value(9223372036854775808.0));
  EXPECT_EQ(parameter("1.0"), Value(1.0));
  EXPECT_EQ(parameter("1e3"), Value(1000.0));
  EXPECT_EQ(parameter("1e-400"), Value(0.0));
  EXPECT_EQ(parameter("\"\""), Value(std::string()));
  EXPECT_EQ(parameter(R"("a\"\u00e9\ud83d\ude00\u0000b")"), Value(std::string("a\"\u00e9\U0001F600\0b", 10)));
}

TEST(BodyTest, DoublesAreTheNearestOnes) {
  // Each of these is misread by conversions that are fast instead of exact.
  for (const double number : {0.1, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 9007199254740993.0,
                              123456789.12345678901234, 8.41e21, 6.631236846766476e-316, 3.5844466002796428e+298}) {
    char text[64];
    std::snprintf(text, sizeof(text), "%.17e", number);
    EXPECT_EQ(parameter(text), Value(number)) << text;
  }
}

TEST(BodyTest, TakesBlobs) {
  EXPECT_EQ(parameter("[82,81,76]"), Value(blob("RQL")));
  EXPECT_EQ(parameter("[]"), Value(Blob()));
  EXPECT_EQ(parameter("[0,255]"), Value(blob(std::string_view("\0\xFF", 2))));
  EXPECT_EQ(parameter("\"x'48656C6c6F'\""), Value(blob("Hello")));
  EXPECT_EQ(parameter("\"X''\""), Value(Blob()));
  const auto named = parsed(R"([["", {"a": [1], "b": "x'02'"}]])");
  EXPECT_EQ(named[0].parameters, Parameters(Names{{"a", blob("\1")}, {"b", blob("\2")}}));
}

TEST(BodyTest, WhatOnlyLooksLikeABlobIsText) {
  for (const std::string text : {"x'4'", "x'4g'", "x'", "x'48' ", " x'48'", "y'48'", "x48", "'"})
    EXPECT_EQ(parameter('"' + text + '"'), Value(text));
}

TEST(BodyTest, IgnoresWhatFollows) {
  EXPECT_EQ(parsed("[\"SELECT 1\"] and so on ]]").size(), 1U);
  EXPECT_EQ(parsed("\r\n\t [\"SELECT 1\"]\n").size(), 1U);
}

TEST(BodyTest, RefusesWhatHasNoStatements) {
  EXPECT_EQ(refusal(""), "no statements");
  EXPECT_EQ(refusal(" \n"), "no statements");
  EXPECT_EQ(refusal("[]"), "no statements");
}

TEST(BodyTest, RefusesWhatIsNotJson) {
  for (const char* body : {"[", "[\"SELECT 1\"", "SELECT 1", "[\"SELECT 1\",]", "['SELECT 1']", "{", "[1 2]",
                           "[\"\xFF\"]", "[\"\\ud800\"]", "[01]", "[/* c */ \"SELECT 1\"]", "[1, oops]"})
    EXPECT_EQ(refusal(body), "invalid JSON body") << body;
  EXPECT_EQ(refusal(std::string(100'000, '[')), "invalid JSON body");
}

TEST(BodyTest, RefusesOtherShapes) {
  for (const char* body :
       {"{}", "\"SELECT 1\"", "1", "null", "[1]", "[null]", "[true]", "[{}]", "[[]]", "[[1]]", "[[[]]]", "[[{}]]",
        "[[null, \"SELECT 1\"]]", "[\"SELECT 1\", []]", "{\"a\": [\"SELECT 1\"]}"})
    EXPECT_EQ(refusal(body), "invalid request") << body;
}

TEST(BodyTest, RefusesParametersThatNothingCanBeBoundTo) {
  const std::pair<const char*, const char*> cases[] = {
      {R"([["", {"a": {}}]])", "unsupported type map[string]interface {}"},
      {R"([["", [{}]]])", "unsupported type map[string]interface {}"},
      {R"([["", ["a"]]])", "unsupported type string"},
      {R"([["", [[1]]]])", "unsupported type []interface {}"},
      {R"([["", [true]]])", "unsupported type bool"},
      {R"([["", [null]]])", "unsupported type <nil>"},
      {R"([["", [256]]])", "unsupported type json.Number"},
      {R"([["", [-1]]])", "unsupported type json.Number"},
      {R"([["", [1.5]]])", "unsupported type json.Number"},
      {R"([["", [18446744073709551615]]])", "unsupported type json.Number"},
      {R"([["", 1e400]])", "number out of range"},
  };
  for (const auto& [body, expected] : cases) EXPECT_EQ(refusal(body), expected) << body;
}

TEST(BodyTest, RefusesToMixPositionsAndNames) {
  for (const char* body : {R"([["", 1, {"a": 2}]])", R"([["", {"a": 2}, 1]])"})
    EXPECT_EQ(refusal(body), "positional and named parameters cannot be mixed") << body;
  EXPECT_EQ(parsed(R"([["", {"a": 1}, {"b": 2}]])").size(), 1U);
}

TEST(BodyTest, IsBounded) {
  std::string many = "[\"\"";
  for (std::size_t i = 0; i < kStatementsMax; ++i) many += ",\"\"";
  EXPECT_EQ(refusal(many + "]"), "too many statements");
  std::string parameters = "[[\"\"";
  for (std::size_t i = 0; i <= kParametersMax; ++i) parameters += ",1";
  EXPECT_EQ(refusal(parameters + "]]"), "too many parameters");
}

}  // namespace
}  // namespace quorate::http
