// The scanner says of every beginning of a text what sqlite3_complete() says of it, however the text is cut.
#include "server/statement_scanner.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <sqlite3.h>

namespace quorate::server {
namespace {

/// Behind a semicolon, which counts as the end of a statement, nothing at all is complete.
bool is_complete(const std::string& text) { return sqlite3_complete((";" + text).c_str()) != 0; }

RC_GTEST_PROP(StatementScannerProperty, AgreesWithSqlite, ()) {
  const auto tokens = *rc::gen::container<std::vector<std::string>>(rc::gen::element<std::string>(
      ";", ";", " ", "\n", "\f", "create", "CREATE", "Temp", "temporary", "trigger", "begin", "end", "END", "explain",
      "ending", "temporaryx", "x", "7", "'", "\"", "`", "[", "]", "-", "--", "/", "*", "/*", "*/", "(", "\xc3\xa4",
      "create trigger t begin", ";end;", "select ';'"));
  std::string text;
  StatementScanner scanner;
  for (const std::string& token : tokens) {
    std::vector<std::size_t> ends;
    scanner.read(token, ends);
    for (const std::size_t end : ends) RC_ASSERT(is_complete(text + token.substr(0, end)));
    text += token;
    RC_ASSERT(scanner.is_between_statements() == is_complete(text));
  }
  std::vector<std::size_t> ends;
  StatementScanner at_once;
  at_once.read(text, ends);
  RC_ASSERT(at_once.is_between_statements() == scanner.is_between_statements());
  std::size_t complete = 0;
  for (std::size_t i = 0; i < text.size(); ++i)
    complete += text[i] == ';' && is_complete(text.substr(0, i + 1)) ? 1U : 0U;
  // A comment may end with a semicolon, too, and is complete before it as well.
  RC_ASSERT(ends.size() <= complete);
}

TEST(StatementScanner, FindsTheEndsOfStatements) {
  StatementScanner scanner;
  std::vector<std::size_t> ends;
  scanner.read("SELECT ';'; CREATE TEMP TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END; SELECT 2", ends);
  EXPECT_EQ(ends, (std::vector<std::size_t>{11, 72}));
  EXPECT_FALSE(scanner.is_between_statements());
}

}  // namespace
}  // namespace quorate::server
