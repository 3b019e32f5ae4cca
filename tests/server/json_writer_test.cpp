#include "server/http/json_writer.hpp"

#include <cmath>
#include <cstdlib>
#include <limits>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "server/http/go_text.hpp"

namespace quorate::http {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string float_text(double number) {
  std::string out;
  append_float(out, number);
  return out;
}

TEST(JsonWriterTest, WritesCompactly) {
  JsonWriter json(JsonLayout::kCompact);
  json.begin_object().key("a").begin_array().integer(1).string("x").null().end_array();
  json.key("b").begin_object().end_object().key("c").begin_array().end_array().key("d").boolean(true).end_object();
  EXPECT_EQ(json.buffer(), R"({"a":[1,"x",null],"b":{},"c":[],"d":true})");
}

TEST(JsonWriterTest, IndentsByFour) {
  JsonWriter json(JsonLayout::kPretty);
  json.begin_object().key("a").begin_array().integer(1).begin_object().end_object().end_array();
  json.key("b").begin_array().end_array().end_object();
  EXPECT_EQ(json.buffer(), "{\n    \"a\": [\n        1,\n        {}\n    ],\n    \"b\": []\n}");
}

TEST(JsonWriterTest, EscapesText) {
  JsonWriter json(JsonLayout::kCompact);
  json.string("\"\\\b\f\n\r\t\x01\x1f\x7f</&>\u00e9\u2028\u2029\u20ac\U0001F600");
  EXPECT_EQ(json.buffer(),
            "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\\u003c/\\u0026\\u003e\u00e9\\u2028\\u2029\u20ac\U0001F600\"");
}

TEST(JsonWriterTest, ReplacesWhatIsNotUtf8) {
  const std::pair<std::string, const char*> cases[] = {
      {"a\x80z", "\"a\\ufffdz\""},
      {"\xC0\xAF", "\"\\ufffd\\ufffd\""},             // longer than needed
      {"\xED\xA0\x80", "\"\\ufffd\\ufffd\\ufffd\""},  // a surrogate
      {"\xF4\x90\x80\x80", "\"\\ufffd\\ufffd\\ufffd\\ufffd\""},
      {"\xE2\x82", "\"\\ufffd\\ufffd\""},  // cut off
      {std::string("\0", 1), "\"\\u0000\""},
  };
  for (const auto& [text, expected] : cases) {
    JsonWriter json(JsonLayout::kCompact);
    json.string(text);
    EXPECT_EQ(json.buffer(), expected);
  }
}

TEST(JsonWriterTest, WritesNumbers) {
  JsonWriter json(JsonLayout::kCompact);
  json.begin_array().integer(std::numeric_limits<std::int64_t>::min()).integer(9223372036854775807);
  json.unsigned_integer(18446744073709551615U).number(0.1).number(INFINITY).number(-INFINITY).number(NAN).end_array();
  EXPECT_EQ(json.buffer(), "[-9223372036854775808,9223372036854775807,18446744073709551615,0.1,null,null,null]");
}

TEST(JsonWriterTest, WritesBytes) {
  const std::pair<const char*, const char*> cases[] = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foobar", "Zm9vYmFy"}, {"\xFF\xFE\xFD", "//79"}};
  for (const auto& [text, expected] : cases) {
    JsonWriter json(JsonLayout::kCompact);
    json.base64(bytes_of(text));
    EXPECT_EQ(json.buffer(), '"' + std::string(expected) + '"');
  }
  JsonWriter json(JsonLayout::kCompact);
  json.begin_array().byte_array(bytes_of("\xFFx")).byte_array({}).end_array();
  EXPECT_EQ(json.buffer(), "[[255,120],[]]");
}

TEST(GoTextTest, WritesFloats) {
  const std::pair<double, const char*> cases[] = {
      {0.0, "0"},
      {-0.0, "-0"},
      {1.0, "1"},
      {-1.5, "-1.5"},
      {1e20, "100000000000000000000"},
      {123456789012345680000.0, "123456789012345680000"},
      {1e21, "1e+21"},
      {1.5e300, "1.5e+300"},
      {0.000001, "0.000001"},
      {0.0000015, "0.0000015"},
      {1e-7, "1e-7"},
      {-1.25e-10, "-1.25e-10"},
      {3.141592653589793, "3.141592653589793"},
      {100.25, "100.25"},
      {5e-324, "5e-324"},
      {1.7976931348623157e308, "1.7976931348623157e+308"},
  };
  for (const auto& [number, expected] : cases) EXPECT_EQ(float_text(number), expected);
}

RC_GTEST_PROP(GoTextTest, FloatsReadBackAsTheyWere, (double number)) {
  RC_PRE(std::isfinite(number));
  RC_ASSERT(std::strtod(float_text(number).c_str(), nullptr) == number);
}

TEST(GoTextTest, ReadsDurations) {
  using std::chrono::nanoseconds;
  const std::pair<const char*, std::int64_t> cases[] = {
      {"0", 0},
      {"1s", 1'000'000'000},
      {"250ms", 250'000'000},
      {"1m30s", 90'000'000'000},
      {"1h", 3600'000'000'000},
      {"1.5s", 1'500'000'000},
      {".5s", 500'000'000},
      {"5.s", 5'000'000'000},
      {"-2us", -2'000},
      {"+3ns", 3},
      {"7\u00B5s", 7'000},
      {"7\u03BCs", 7'000},
      {"1h1m1s1ms1us1ns", 3661'001'001'001},
      {"0.000000001s", 1},
      {"9223372036854775807ns", INT64_MAX},
      {"0.1ns", 0},
      {"1.000000001h", 3600'000'003'600},
  };
  for (const auto& [text, expected] : cases) {
    const auto parsed = parse_duration(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(*parsed, nanoseconds(expected)) << text;
  }
}

TEST(GoTextTest, RefusesWhatIsNoDuration) {
  for (const char* text : {"", "1", "s", "-", "+", ".", ".s", "1x", "1 s", "1s ", "1d", "1.5", "--1s", "1s1", "1e3s",
                           "9223372036854775808ns", "99999999999999999999s", "3000000h"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(GoTextTest, WritesDurations) {
  const std::pair<std::int64_t, const char*> cases[] = {
      {0, "0s"},
      {1, "1ns"},
      {56'743, "56.743\u00B5s"},
      {1'500'000, "1.5ms"},
      {1'000'000'000, "1s"},
      {61'001'000'000, "1m1.001s"},
      {3600'000'000'000, "1h0m0s"},
      {-1'500, "-1.5\u00B5s"},
      {INT64_MIN, "-2562047h47m16.854775808s"},
  };
  for (const auto& [count, expected] : cases) EXPECT_EQ(format_duration(Duration(count)), expected);
}

RC_GTEST_PROP(GoTextTest, DurationsReadBackAsTheyWere, (std::int64_t count)) {
  RC_PRE(count != INT64_MIN);
  const auto parsed = parse_duration(format_duration(Duration(count)));
  RC_ASSERT(parsed.has_value());
  RC_ASSERT(parsed->count() == count);
}

}  // namespace
}  // namespace quorate::http
