// Answers to SQL, read in pieces of any size.
#include "server/shell/result_reader.hpp"

#include <gtest/gtest.h>

namespace quorate::shell {
namespace {

/// What was read, as text: columns in brackets, rows with their kinds, ends.
std::string read_in_pieces(std::string_view answer, std::size_t piece) {
  std::string told;
  ResultReader reader({.columns =
                           [&told](const std::vector<std::string>& columns) {
                             told += "[";
                             for (const std::string& name : columns) told += name + " ";
                             told += "]";
                           },
                       .row =
                           [&told](const std::vector<Cell>& cells) {
                             told += "(";
                             for (const Cell& cell : cells)
                               told += cell.kind == Cell::Kind::kNull     ? "NULL "
                                       : cell.kind == Cell::Kind::kNumber ? "#" + cell.text + " "
                                                                          : cell.text + " ";
                             told += ")";
                           },
                       .end =
                           [&told](const ResultSummary& summary) {
                             told += summary.error + "/" + std::to_string(summary.rows_affected) + "/" + summary.time +
                                     (summary.has_rows ? "r;" : ";");
                           }});
  for (std::size_t at = 0; at < answer.size(); at += piece)
    if (!reader.read(answer.substr(at, piece))) break;
  const auto failure = reader.finish();
  return told + (!failure ? "broken" : *failure ? **failure : "");
}

constexpr std::string_view kAnswer =
    R"({"results":[{"columns":["id","a name"],"types":["integer","text"],"values":[[9223372036854775807,"f\u00e4"],)"
    R"([1.50,null],[[1,255],true],["\"",-1e5]],"time":0.25},{"last_insert_id":3,"rows_affected":2},{},)"
    R"({"error":"no such table: t"},{"columns":["x"],"types":[""]}],"time":1.5,"raft_index":7})";

TEST(ResultReader, ReadsPiecesOfAnySize) {
  const std::string expected =
      "[id a name ](#9223372036854775807 f\u00e4 )(#1.50 NULL )(#[1,255] #true )(\" #-1e5 )/0/0.25r;/2/;/0/;"
      "no such table: t/0/;[x ]/0/r;";
  for (std::size_t piece = 1; piece <= kAnswer.size(); ++piece)
    ASSERT_EQ(read_in_pieces(kAnswer, piece), expected) << "pieces of " << piece;
}

TEST(ResultReader, TellsTheErrorOfTheWhole) {
  EXPECT_EQ(read_in_pieces(R"({"results":[],"error":"stale read"})", 5), "stale read");
  EXPECT_EQ(read_in_pieces(R"({"results":[]})", 5), "");
}

TEST(ResultReader, WhatIsNoAnswerIsBroken) {
  for (const std::string_view text : {"", "not JSON", "[]", "7", "null", R"({"results":[7]})", R"({"results":[[]]})",
                                      R"({"results":[]} more)", R"({"results":{}})"})
    EXPECT_TRUE(read_in_pieces(text, 3).ends_with("broken")) << text;
  for (std::size_t size = 0; size < kAnswer.size(); ++size)
    ASSERT_TRUE(read_in_pieces(kAnswer.substr(0, size), 7).ends_with("broken")) << size;
}

}  // namespace
}  // namespace quorate::shell
