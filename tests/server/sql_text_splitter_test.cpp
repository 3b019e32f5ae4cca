// Text that comes in pieces leaves as whole statements, and all of it does.
#include "server/sql_text_splitter.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace quorate::server {
namespace {

constexpr std::string_view kStatements =
    "CREATE TABLE t(a, b);\n"
    "INSERT INTO t VALUES(1, 'a;\nCOMMIT;\n');\n"
    "CREATE TRIGGER x AFTER INSERT ON t BEGIN\n  UPDATE t SET a = 1;\nEND;\n"
    "-- a remark; with a semicolon\n"
    "INSERT INTO t VALUES(2, 'it''s')\n;\n";

std::string padded(std::string_view text) {
  return std::string(text) + "/*" + std::string(400, '.') + "*/ SELECT 1;\n";
}

struct Split {
  std::vector<std::string> pieces;
  std::string all;
};

Split split(const std::string& text, std::size_t piece_bytes) {
  SqlTextSplitter splitter;
  Split result;
  const auto keep = [&](std::string piece) {
    result.all += piece;
    result.pieces.push_back(std::move(piece));
  };
  for (std::size_t at = 0; at < text.size(); at += piece_bytes) {
    EXPECT_TRUE(splitter.add(std::string_view(text).substr(at, piece_bytes)).has_value());
    if (auto piece = splitter.take()) keep(std::move(*piece));
  }
  keep(splitter.finish());
  while (!result.all.empty() && result.all.find_last_of(" \n") == result.all.size() - 1) result.all.pop_back();
  return result;
}

TEST(SqlTextSplitter, CutsBetweenStatementsOnly) {
  const std::string text = padded(kStatements) + std::string(kStatements);
  for (const std::size_t bytes : {1U, 2U, 3U, 7U, 50U, 300U, 10'000U}) {
    const Split got = split(text, bytes);
    EXPECT_EQ(got.all + "\n", text) << bytes;
    for (const std::string& piece : got.pieces) {
      EXPECT_FALSE(piece.starts_with("COMMIT")) << bytes;
      EXPECT_FALSE(piece.starts_with("END")) << bytes;
    }
  }
}

TEST(SqlTextSplitter, LeavesOutWhatPutsADumpIntoATransaction) {
  const std::string content = padded(kStatements);
  const std::string dump = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n" + content + "COMMIT;\n";
  for (const std::size_t bytes : {1U, 13U, 400U, 10'000U}) EXPECT_EQ(split(dump, bytes).all + "\n", content) << bytes;
  EXPECT_EQ(split("BEGIN;\nSELECT 1;\nCOMMIT;", 5).all, "SELECT 1;");
  EXPECT_EQ(split("SELECT 'x\nCOMMIT;", 5).all, "SELECT 'x\nCOMMIT;");
}

TEST(SqlTextSplitter, TakesNothingFromNothing) {
  EXPECT_EQ(split("", 10).all, "");
  EXPECT_EQ(split("COMMIT;", 10).all, "");
}

}  // namespace
}  // namespace quorate::server
