// The envelope of results, byte for byte; the examples are what clients of this interface have always got.
#include "server/http/json_rows.hpp"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace quorate::http {
namespace {

using sqlite::Blob;
using sqlite::ColumnDescription;
using sqlite::Value;
using namespace std::chrono_literals;

const std::vector<ColumnDescription> kIdAndName = {{"id", "INTEGER"}, {"name", "TEXT"}};

class ResultsTest : public testing::Test {
 protected:
  void style(const ResultsStyle& style) { writer_ = ResultsWriter(style); }
  void rows(const std::vector<ColumnDescription>& columns, const std::vector<std::vector<Value>>& values,
            Duration elapsed = {}) {
    writer_.begin_rows(columns);
    for (const auto& row : values) writer_.row(row);
    writer_.end_rows(elapsed);
  }
  std::string finished(const ResultsTail& tail = {}) {
    writer_.end(tail);
    return writer_.take();
  }
  /// The one value of one row of one column.
  std::string value(const std::string& declared_type, Value value) {
    writer_ = ResultsWriter({});
    writer_.begin();
    rows({{"c", declared_type}}, {{std::move(value)}});
    std::string text = finished();
    const std::size_t begin = text.find("[[") + 2;
    return text.substr(begin, text.find("]]") - begin);
  }

  ResultsWriter writer_{ResultsStyle{}};
};

TEST_F(ResultsTest, Rows) {
  writer_.begin();
  rows(kIdAndName, {{std::int64_t{1}, "fiona"}, {std::int64_t{2}, "declan"}});
  EXPECT_EQ(
      finished(),
      R"({"results":[{"columns":["id","name"],"types":["integer","text"],"values":[[1,"fiona"],[2,"declan"]]}]})");
}

TEST_F(ResultsTest, NoRows) {
  writer_.begin();
  rows(kIdAndName, {});
  EXPECT_EQ(finished(), R"({"results":[{"columns":["id","name"],"types":["integer","text"]}]})");
}

TEST_F(ResultsTest, Objects) {
  style({.rows = RowForm::kObjects});
  writer_.begin();
  rows(kIdAndName, {{std::int64_t{1}, "fiona"}});
  rows(kIdAndName, {});
  writer_.executed(5, 1, {});
  writer_.failed("no such table: nope", {});
  EXPECT_EQ(finished(), R"({"results":[{"types":{"id":"integer","name":"text"},"rows":[{"id":1,"name":"fiona"}]},)"
                        R"({"types":{"id":"integer","name":"text"},"rows":[]},)"
                        R"({"last_insert_id":5,"rows_affected":1,"rows":null},{"error":"no such table: nope"}]})");
}

TEST_F(ResultsTest, ObjectsHaveSortedKeysAndOneOfEach) {
  style({.rows = RowForm::kObjects});
  writer_.begin();
  rows({{"b", "INT"}, {"a", "TEXT"}, {"b", "REAL"}}, {{std::int64_t{1}, "x", 2.5}});
  EXPECT_EQ(finished(), R"({"results":[{"types":{"a":"text","b":"real"},"rows":[{"a":"x","b":2.5}]}]})");
}

TEST_F(ResultsTest, Executed) {
  writer_.begin();
  writer_.executed(2, 1, {});
  writer_.failed("near \"bad\": syntax error", {});
  writer_.executed(0, 0, {});
  writer_.executed(4, 0, {});
  EXPECT_EQ(finished(),
            R"({"results":[{"last_insert_id":2,"rows_affected":1},{"error":"near \"bad\": syntax error"},{},)"
            R"({"last_insert_id":4}]})");
}

TEST_F(ResultsTest, TheTail) {
  writer_.begin();
  EXPECT_EQ(finished({.error = "stale read"}), R"({"results":[],"error":"stale read"})");
  style({});
  writer_.begin();
  EXPECT_EQ(finished({.sequence_number = 1795222708635754029}),
            R"({"results":[],"sequence_number":1795222708635754029})");
  style({.timings = Timings::kShown});
  writer_.begin();
  writer_.executed(1, 1, 1821394ns);
  EXPECT_EQ(
      finished({.elapsed = 2809789ns, .raft_index = Index{4}}),
      R"({"results":[{"last_insert_id":1,"rows_affected":1,"time":0.001821394}],"time":0.002809789,"raft_index":4})");
}

TEST_F(ResultsTest, TimesAreShownOnlyIfAskedFor) {
  writer_.begin();
  writer_.executed(1, 1, 5ms);
  EXPECT_EQ(finished({.elapsed = 5ms}), R"({"results":[{"last_insert_id":1,"rows_affected":1}]})");
}

TEST_F(ResultsTest, Pretty) {
  style({.layout = JsonLayout::kPretty});
  writer_.begin();
  rows({{"id", "INTEGER"}}, {{std::int64_t{1}}});
  writer_.executed(0, 0, {});
  EXPECT_EQ(finished(), R"({
    "results": [
        {
            "columns": [
                "id"
            ],
            "types": [
                "integer"
            ],
            "values": [
                [
                    1
                ]
            ]
        },
        {}
    ]
})");
}

TEST_F(ResultsTest, TypesAreLowerCaseAndOfTheFirstRowIfNoneIsDeclared) {
  const std::vector<ColumnDescription> undeclared(5, ColumnDescription{"c", "", ""});
  writer_.begin();
  rows({{"c", "VARCHAR(10)"}}, {});
  rows(undeclared,
       {{std::int64_t{1}, 1.5, "t", Blob{}, Value()}, {Value(), Value(), Value(), Value(), std::int64_t{1}}});
  rows({{"c", ""}}, {});
  EXPECT_EQ(finished(),
            R"json({"results":[{"columns":["c"],"types":["varchar(10)"]},)json"
            R"json({"columns":["c","c","c","c","c"],"types":["integer","real","text","blob",""],)json"
            R"json("values":[[1,1.5,"t","",null],[null,null,null,null,1]]},{"columns":["c"],"types":[""]}]})json");
}

TEST_F(ResultsTest, QualifiedNames) {
  style({.names = ColumnNames::kQualified});
  writer_.begin();
  rows({{"id", "INTEGER", "t"}, {"1", "", ""}}, {});
  EXPECT_EQ(finished(), R"({"results":[{"columns":["t.id","1"],"types":["integer",""]}]})");
}

TEST_F(ResultsTest, Values) {
  EXPECT_EQ(value("INTEGER", Value()), "null");
  EXPECT_EQ(value("INTEGER", std::numeric_limits<std::int64_t>::max()), "9223372036854775807");
  EXPECT_EQ(value("REAL", 1.0), "1");
  EXPECT_EQ(value("REAL", 1e20), "100000000000000000000");
  EXPECT_EQ(value("REAL", INFINITY), "null") << "one such number must not cost the whole answer";
  EXPECT_EQ(value("TEXT", "<b>&\xFF"), R"("\u003cb\u003e\u0026\ufffd")");
  EXPECT_EQ(value("BLOB", Blob{std::byte{0xFF}, std::byte{0}}), R"("/wA=")");
  EXPECT_EQ(value("TEXT", Blob{std::byte{0xFF}, std::byte{0}}), R"("/wA=")")
      << "a blob in a text column keeps its bytes";
}

TEST_F(ResultsTest, BlobsAsArrays) {
  style({.blobs = BlobForm::kByteArray});
  writer_.begin();
  rows({{"c", "BLOB"}}, {{Blob{std::byte{255}, std::byte{0}}}});
  EXPECT_EQ(finished(), R"({"results":[{"columns":["c"],"types":["blob"],"values":[[[255,0]]]}]})");
}

TEST_F(ResultsTest, Booleans) {
  EXPECT_EQ(value("BOOLEAN", std::int64_t{1}), "true");
  EXPECT_EQ(value("BOOLEAN", std::int64_t{7}), "true");
  EXPECT_EQ(value("BOOLEAN", std::int64_t{0}), "false");
  EXPECT_EQ(value("BOOLEAN", std::int64_t{-1}), "false");
  EXPECT_EQ(value("BOOLEAN", Value()), "null");
  EXPECT_EQ(value("BOOLEAN", "yes"), "\"yes\"");
}

TEST_F(ResultsTest, Timestamps) {
  const std::pair<const char*, const char*> texts[] = {
      {"2020-01-02", "2020-01-02T00:00:00Z"},
      {"2020-01-02 03:04", "2020-01-02T03:04:00Z"},
      {"2020-01-02T03:04:05", "2020-01-02T03:04:05Z"},
      {"2020-01-02 03:04:05.120", "2020-01-02T03:04:05.12Z"},
      {"2020-01-02 03:04:05.123456789", "2020-01-02T03:04:05.123456789Z"},
      {"2020-01-02T03:04:05Z", "2020-01-02T03:04:05Z"},
      {"2020-01-02 03:04:05+02:00", "2020-01-02T01:04:05Z"},
      {"2020-01-01 00:30:00.5+01:00", "2019-12-31T23:30:00.5Z"},
      {"2020-01-02 03:04:05-10:30", "2020-01-02T13:34:05Z"},
      {"2020-02-30", "0001-01-01T00:00:00Z"},
      {"2020-1-2", "0001-01-01T00:00:00Z"},
      {"2020-01-02 25:00", "0001-01-01T00:00:00Z"},
      {"2020-01-02 03:04:05.", "0001-01-01T00:00:00Z"},
      {"2020-01-02 03:04 and more", "0001-01-01T00:00:00Z"},
      {"9999-12-31 23:59:59-01:00", "0001-01-01T00:00:00Z"},
      {"tomorrow", "0001-01-01T00:00:00Z"},
      {"", "0001-01-01T00:00:00Z"},
  };
  for (const auto& [text, expected] : texts)
    for (const char* type : {"DATE", "datetime", "Timestamp"})
      EXPECT_EQ(value(type, text), '"' + std::string(expected) + '"') << text;
  const std::pair<std::int64_t, const char*> numbers[] = {
      {0, "\"1970-01-01T00:00:00Z\""},
      {-1, "\"1969-12-31T23:59:59Z\""},
      {1577934245, "\"2020-01-02T03:04:05Z\""},
      {1577934245120, "\"2020-01-02T03:04:05.12Z\""},
      {-1577934245001, "\"1919-12-31T20:55:54.999Z\""},
      {1'000'000'000'000, "1000000000000"},  // the year 33658
      {INT64_MAX, "9223372036854775807"},
      {INT64_MIN, "-9223372036854775808"},
  };
  for (const auto& [number, expected] : numbers) EXPECT_EQ(value("DATETIME", number), expected);
  EXPECT_EQ(value("DATETIME", Value()), "null");
  EXPECT_EQ(value("DATETIME", 1.5), "1.5");
}

TEST_F(ResultsTest, RowsAreWithdrawnWhenTheirStatementFails) {
  writer_.begin();
  writer_.executed(1, 1, {});
  writer_.begin_rows(kIdAndName);
  writer_.row(std::vector<Value>{std::int64_t{1}, "fiona"});
  writer_.rows_failed("interrupted", {});
  writer_.begin_rows(kIdAndName);
  writer_.rows_failed("interrupted", {});
  EXPECT_EQ(finished(),
            R"({"results":[{"last_insert_id":1,"rows_affected":1},{"error":"interrupted"},{"error":"interrupted"}]})");
}

TEST_F(ResultsTest, RowsThatAreOnTheirWayAreFollowedByTheError) {
  writer_.begin();
  writer_.begin_rows(kIdAndName);
  writer_.row(std::vector<Value>{std::int64_t{1}, "fiona"});
  const std::string sent = writer_.take();
  writer_.row(std::vector<Value>{std::int64_t{2}, "declan"});
  writer_.rows_failed("interrupted", {});
  EXPECT_EQ(sent + finished(), R"({"results":[{"columns":["id","name"],"types":["integer","text"],)"
                               R"("values":[[1,"fiona"],[2,"declan"]],"error":"interrupted"}]})");
}

TEST_F(ResultsTest, MayBeTakenInPiecesOfAnySize) {
  writer_.begin();
  std::string pieces;
  writer_.begin_rows(kIdAndName);
  for (std::int64_t i = 0; i < 3; ++i) {
    writer_.row(std::vector<Value>{i, Value()});
    pieces += writer_.take();
  }
  writer_.end_rows({});
  pieces += writer_.take();
  EXPECT_EQ(pieces + finished(), R"({"results":[{"columns":["id","name"],"types":["integer","text"],)"
                                 R"("values":[[0,null],[1,null],[2,null]]}]})");
}

}  // namespace
}  // namespace quorate::http
