// CSV as it comes from everywhere, and the statements that become of it.
#include "server/shell/csv_reader.hpp"

#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "server/shell/import.hpp"

namespace quorate::shell {
namespace {

struct Read {
  std::vector<std::vector<std::string>> records;
  std::vector<std::uint64_t> lines;
  std::string error;
};

Read read_all(const std::string& text, char separator = ',') {
  std::istringstream in(text);
  CsvReader reader(in, separator);
  Read read;
  while (true) {
    auto record = reader.next();
    if (!record) read.error = record.error().message;
    if (!record || record->empty()) return read;
    std::vector<std::string>& fields = read.records.emplace_back();
    for (CsvField& field : *record) fields.push_back(std::move(field.text));
    read.lines.push_back(reader.line());
  }
}

using Records = std::vector<std::vector<std::string>>;

TEST(CsvReader, ReadsRecords) {
  EXPECT_EQ(read_all("a,b\n1,2\n").records, (Records{{"a", "b"}, {"1", "2"}}));
  EXPECT_EQ(read_all("a,b\r\n1,2").records, (Records{{"a", "b"}, {"1", "2"}})) << "the last line needs no end";
  EXPECT_EQ(read_all(",\n").records, (Records{{"", ""}}));
  EXPECT_EQ(read_all("a\tb c\n", '\t').records, (Records{{"a", "b c"}}));
  EXPECT_EQ(read_all("\xEF\xBB\xBFid,x\n").records, (Records{{"id", "x"}})) << "a byte order mark";
  EXPECT_EQ(read_all("a\rb\n").records, (Records{{"a\rb"}})) << "a lone CR is no end of a line";
  EXPECT_TRUE(read_all("").records.empty());
  EXPECT_EQ(read_all("\n").records, (Records{{""}}));
}

TEST(CsvReader, QuotesKeepSeparatorsLinesAndQuotes) {
  const Read read = read_all("\"a,b\",\"say \"\"hi\"\"\",\"two\r\nlines\"\nnext,\"\",x\"y\n");
  EXPECT_EQ(read.records, (Records{{"a,b", "say \"hi\"", "two\r\nlines"}, {"next", "", "x\"y"}}));
  EXPECT_EQ(read.lines, (std::vector<std::uint64_t>{1, 3})) << "a record begins where its first line does";
}

TEST(CsvReader, SaysOnWhichLineSomethingIsWrong) {
  EXPECT_EQ(read_all("a\nb\n\"open\n\n").error, "line 3: the quotes that begin here have no end");
  EXPECT_EQ(read_all("a\n\"b\"c\n").error, "line 2: something follows the closing quotes of a field");
  EXPECT_EQ(read_all("a\n\"" + std::string(kCsvRecordBytesMax + 10, 'x')).error,
            "line 2: the record is longer than 16 MiB; are its quotes closed?");
}

TEST(CsvReader, KnowsUtf8) {
  for (const char* good : {"", "plain", "\xC3\xA4", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "a\xC3\xA4z"})
    EXPECT_TRUE(is_utf8(good)) << good;
  for (const char* bad : {"\x80", "\xC3", "\xC0\x80", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                          "\xF5\x80\x80\x80", "\xC3(", "\xE2\x82", "\xFF"})
    EXPECT_FALSE(is_utf8(bad)) << bad;
}

TEST(Import, UnderstandsItsWords) {
  const auto wish =
      import_wish_of({"--csv", "--header", "--skip", "7", "--separator", ";", "--null", "", "f.csv", "t"});
  ASSERT_TRUE(wish);
  EXPECT_EQ(wish->file, "f.csv");
  EXPECT_EQ(wish->table, "t");
  EXPECT_TRUE(wish->has_header);
  EXPECT_EQ(wish->skip, 7U);
  EXPECT_EQ(wish->separator, ';');
  EXPECT_EQ(wish->null, "");
  EXPECT_EQ(import_wish_of({"--separator", "\\t", "f", "t"})->separator, '\t');
  using Words = std::vector<std::string>;
  for (const Words& words : {Words{},
                             {"f"},
                             {"f", "t", "x"},
                             {"--what", "f", "t"},
                             {"f", "t", "--skip"},
                             {"--skip", "-1", "f", "t"},
                             {"--separator", "ab", "f", "t"},
                             {"--separator", "\"", "f", "t"}})
    EXPECT_FALSE(import_wish_of(words));
}

TEST(Import, MakesStatements) {
  const InsertRows rows("my \"t\"", {"a", "b c"});
  const std::string begin = R"x(["INSERT INTO \"my \"\"t\"\"\"(\"a\", \"b c\") VALUES()x";
  EXPECT_EQ(rows.element({"1", std::nullopt}), begin + R"x(?, ?)","1",null])x");
  EXPECT_EQ(rows.element({"x'00'", "it's"}), begin + R"x('x''00''', ?)","it's"])x")
      << "what the interface would take for a BLOB stays text";
  EXPECT_EQ(rows.element({"x'0", "\n"}), begin + R"x(?, ?)","x'0","\n"])x");
}

}  // namespace
}  // namespace quorate::shell
