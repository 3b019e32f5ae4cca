#include "server/shell/render.hpp"

#include <sstream>

#include <gtest/gtest.h>

#include "server/shell/session.hpp"
#include "server/shell/words.hpp"

namespace quorate::shell {
namespace {

Rows example() {
  return {{"id", "name"},
          {{{Cell::Kind::kNumber, "1"}, {Cell::Kind::kText, "fiona"}},
           {{Cell::Kind::kNumber, "20"}, {Cell::Kind::kNull, ""}}}};
}

TEST(Render, ColumnsAreAlignedAndNumbersStandRight) {
  EXPECT_EQ(render(example(), Mode::kColumn, Headers::kShown),
            "id  name\n"
            "--  -----\n"
            " 1  fiona\n"
            "20  NULL\n");
}

TEST(Render, ATableHasAFrame) {
  EXPECT_EQ(render(example(), Mode::kTable, Headers::kShown),
            "+----+-------+\n"
            "| id | name  |\n"
            "+----+-------+\n"
            "|  1 | fiona |\n"
            "| 20 | NULL  |\n"
            "+----+-------+\n");
}

TEST(Render, CsvQuotesWhatNeedsIt) {
  const Rows rows{{"a,b", "c"}, {{{Cell::Kind::kText, "say \"hi\""}, {Cell::Kind::kNull, ""}}}};
  EXPECT_EQ(render(rows, Mode::kCsv, Headers::kShown), "\"a,b\",c\r\n\"say \"\"hi\"\"\",\r\n");
}

TEST(Render, JsonKeepsNumbersAndNullApartFromText) {
  EXPECT_EQ(render(example(), Mode::kJson, Headers::kShown),
            "[{\"id\":1,\"name\":\"fiona\"},\n{\"id\":20,\"name\":null}]\n");
  EXPECT_EQ(render({{"x"}, {}}, Mode::kJson, Headers::kShown), "[]\n");
}

TEST(Render, LinesHaveOneValueEach) {
  EXPECT_EQ(render(example(), Mode::kLine, Headers::kShown), "  id = 1\nname = fiona\n\n  id = 20\nname = NULL\n");
}

TEST(Render, ALineBreakDoesNotBreakTheColumns) {
  const Rows rows{{"x"}, {{{Cell::Kind::kText, "a\nb"}}}};
  EXPECT_EQ(render(rows, Mode::kColumn, Headers::kHidden), "a\\nb\n");
}

TEST(Render, RowsBehindTheMeasuredOnesComeAtOnce) {
  std::ostringstream out;
  RowPrinter printer(out, Mode::kColumn, Headers::kShown);
  printer.begin({"n"});
  for (std::size_t i = 0; i + 1 < kMeasuredRows; ++i) printer.row({{Cell::Kind::kNumber, "1"}});
  EXPECT_EQ(out.str(), "");
  printer.row({{Cell::Kind::kNumber, "22"}});
  EXPECT_TRUE(out.str().starts_with("n\n--\n 1\n")) << out.str().substr(0, 20);
  printer.row({{Cell::Kind::kNumber, "333"}});
  EXPECT_TRUE(out.str().ends_with("\n22\n333\n")) << "a wider one sticks out";
  printer.end();
  EXPECT_TRUE(out.str().ends_with("\n333\n"));
}

TEST(Words, QueriesAreToldFromWhatMayWrite) {
  for (const char* query :
       {"SELECT 1", " -- x\n values(1)", "EXPLAIN DELETE FROM t", "WITH a AS (SELECT 1) SELECT * FROM a",
        "WITH RECURSIVE \"delete\"(x) AS (VALUES(1)), [update] AS (SELECT ')') /* INSERT */ SELECT 1"})
    EXPECT_TRUE(reads_only(query)) << query;
  for (const char* other : {"INSERT INTO t SELECT 1", "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a", "PRAGMA x",
                            "WITH a AS (SELECT 1) DELETE FROM t", "WITH", "WITH a AS (SELECT 'open", ""})
    EXPECT_FALSE(reads_only(other)) << other;
}

TEST(Words, CommentsAreSkippedAndQuotesKeepTogether) {
  EXPECT_EQ(first_word("  -- note\n /* x */ begin immediate"), "BEGIN");
  EXPECT_EQ(second_word("rollback to a"), "TO");
  EXPECT_EQ(split(".read 'a file.sql'"), (std::vector<std::string>{".read", "a file.sql"}));
  EXPECT_TRUE(is_complete("SELECT 1;"));
  EXPECT_FALSE(is_complete("SELECT ';"));
  EXPECT_FALSE(is_complete("CREATE TRIGGER t AFTER INSERT ON x BEGIN SELECT 1;"));
}

TEST(Words, StatementsOfALineAreTakenOneByOne) {
  using Statements = std::vector<std::string>;
  EXPECT_EQ(split_statements(""), Statements());
  EXPECT_EQ(split_statements(" ; ;\n"), Statements());
  EXPECT_EQ(split_statements("BEGIN; SELECT ';'; COMMIT"), (Statements{"BEGIN;", " SELECT ';';", " COMMIT"}));
  EXPECT_EQ(split_statements("CREATE TRIGGER t AFTER INSERT ON x BEGIN SELECT 1; SELECT 2; END; SELECT 3;").size(), 2U);
}

}  // namespace
}  // namespace quorate::shell
