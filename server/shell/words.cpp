#include "server/shell/words.hpp"

#include <algorithm>
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

}  // namespace

bool is_blank(std::string_view text) { return std::ranges::all_of(text, is_space); }

std::string first_word(std::string_view sql) { return take_word(sql); }

std::string second_word(std::string_view sql) {
  take_word(sql);
  return take_word(sql);
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
