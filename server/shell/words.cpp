#include "server/shell/words.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include <sqlite3.h>

namespace quorate::shell {

namespace {

bool is_space(char letter) { return std::isspace(static_cast<unsigned char>(letter)) != 0; }

std::string_view skip_blank_and_comments(std::string_view sql) {
  while (!sql.empty()) {
    if (is_space(sql.front())) {
      sql.remove_prefix(1);
    } else if (sql.starts_with("--")) {
      sql.remove_prefix(std::min(sql.find('\n'), sql.size()));
    } else if (sql.starts_with("/*")) {
      const auto end = sql.find("*/", 2);
      sql.remove_prefix(end == std::string_view::npos ? sql.size() : end + 2);
    } else {
      break;
    }
  }
  return sql;
}

/// Takes one word off the front.
std::string take_word(std::string_view& sql) {
  sql = skip_blank_and_comments(sql);
  std::string word;
  while (!sql.empty() && std::isalpha(static_cast<unsigned char>(sql.front())) != 0) {
    word += static_cast<char>(std::toupper(static_cast<unsigned char>(sql.front())));
    sql.remove_prefix(1);
  }
  return word;
}

/// The same with digits and underscores, as names have them.
std::string take_name(std::string_view& sql) {
  std::string name;
  while (!sql.empty() && (std::isalnum(static_cast<unsigned char>(sql.front())) != 0 || sql.front() == '_')) {
    name += static_cast<char>(std::toupper(static_cast<unsigned char>(sql.front())));
    sql.remove_prefix(1);
  }
  return name;
}

}  // namespace

bool is_blank(std::string_view text) { return std::ranges::all_of(text, is_space); }

std::string first_word(std::string_view sql) { return take_word(sql); }

std::string second_word(std::string_view sql) {
  take_word(sql);
  return take_word(sql);
}

bool reads_only(std::string_view sql) {
  const std::string first = take_word(sql);
  if (first != "WITH") return first == "SELECT" || first == "VALUES" || first == "EXPLAIN";
  // The statement proper is the first one outside of the brackets that the common tables stand in.
  static constexpr std::array<std::string_view, 6> kVerbs = {"SELECT",  "VALUES", "INSERT",
                                                             "REPLACE", "UPDATE", "DELETE"};
  for (int depth = 0; !(sql = skip_blank_and_comments(sql)).empty();) {
    const char letter = sql.front();
    const char closing = letter == '[' ? ']' : letter;
    if (letter == '\'' || letter == '"' || letter == '`' || letter == '[') {
      sql.remove_prefix(std::min(sql.find(closing, 1), sql.size() - 1) + 1);
    } else if (std::isalpha(static_cast<unsigned char>(letter)) != 0 || letter == '_') {
      const std::string word = take_name(sql);
      if (depth == 0 && std::ranges::find(kVerbs, word) != kVerbs.end()) return word == "SELECT" || word == "VALUES";
    } else {
      depth += letter == '(' ? 1 : letter == ')' ? -1 : 0;
      sql.remove_prefix(1);
    }
  }
  return false;
}

std::vector<std::string> split(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  bool in_word = false;
  char quote = '\0';
  for (const char letter : line) {
    if (quote != '\0') {
      if (letter == quote)
        quote = '\0';
      else
        word += letter;
    } else if (letter == '"' || letter == '\'') {
      quote = letter;
      in_word = true;
    } else if (is_space(letter)) {
      if (in_word) words.push_back(std::exchange(word, {}));
      in_word = false;
    } else {
      word += letter;
      in_word = true;
    }
  }
  if (in_word) words.push_back(word);
  return words;
}

std::string quoted_text(std::string_view text) {
  std::string sql = "'";
  for (const char letter : text) {
    sql += letter;
    if (letter == '\'') sql += letter;
  }
  return sql + "'";
}

bool is_complete(const std::string& sql) { return is_blank(sql) || sqlite3_complete(sql.c_str()) != 0; }

/// A semicolon ends a statement unless it stands in a string, a comment or the body of a trigger.
std::vector<std::string> split_statements(const std::string& text) {
  std::vector<std::string> statements;
  std::size_t begin = 0;
  for (std::size_t end = text.find(';'); end != std::string::npos; end = text.find(';', end + 1)) {
    std::string statement = text.substr(begin, end + 1 - begin);
    if (sqlite3_complete(statement.c_str()) == 0) continue;
    begin = end + 1;
    if (!is_blank(statement.substr(0, statement.size() - 1))) statements.push_back(std::move(statement));
  }
  if (!is_blank(text.substr(begin))) statements.push_back(text.substr(begin));
  return statements;
}

}  // namespace quorate::shell
