#include "server/shell/import.hpp"

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>

#include "server/shell/words.hpp"

namespace quorate::shell {

namespace {

constexpr const char* kUsage =
    "usage: .import [--header] [--skip N] [--separator C] [--null TEXT] FILE TABLE; --header: the first line names "
    "columns (it is taken for that anyway where there is no such table yet)";

std::string json_of(std::string_view text) { return boost::json::serialize(boost::json::string(text)); }

/// Whether the interface would take it for a BLOB.
bool looks_like_blob(std::string_view text) {
  return text.size() >= 3 && (text.front() == 'x' || text.front() == 'X') && text[1] == '\'' && text.back() == '\'';
}

bool set_separator(const std::string& text, char& separator) {
  const bool is_one = text.size() == 1 && text.front() != '"' && text.front() != '\n' && text.front() != '\r';
  if (text == "\\t")
    separator = '\t';
  else if (is_one)
    separator = text.front();
  return is_one || text == "\\t";
}

}  // namespace

Result<ImportWish> import_wish_of(const std::vector<std::string>& words) {
  ImportWish wish;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const bool has_value = i + 1 < words.size();
    if (word == "--header") {
      wish.has_header = true;
    } else if (word == "--skip" && has_value) {
      const std::string& digits = words[++i];
      const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), wish.skip);
      if (parsed.ec != std::errc{} || parsed.ptr != digits.data() + digits.size())
        return fail(ErrorKind::kInvalidArgument, "--skip takes a number of lines, not \"" + digits + "\"");
    } else if (word == "--separator" && has_value) {
      if (!set_separator(words[++i], wish.separator))
        return fail(ErrorKind::kInvalidArgument, "--separator takes one character, or \\t");
    } else if (word == "--null" && has_value) {
      wish.null = words[++i];
    } else if (word == "--csv") {  // as SQLite's shell has it; there is nothing else here
      continue;
    } else if (word.starts_with("--")) {
      return fail(ErrorKind::kInvalidArgument, kUsage);
    } else {
      names.push_back(word);
    }
  }
  if (names.size() != 2) return fail(ErrorKind::kInvalidArgument, kUsage);
  wish.file = std::move(names[0]);
  wish.table = std::move(names[1]);
  return wish;
}

std::string quoted_name(const std::string& name) {
  std::string quoted = "\"";
  for (const char letter : name) {
    quoted += letter;
    if (letter == '"') quoted += letter;
  }
  return quoted + "\"";
}

InsertRows::InsertRows(const std::string& table, const std::vector<std::string>& columns)
    : begin_("INSERT INTO " + quoted_name(table) + "(") {
  for (std::size_t i = 0; i < columns.size(); ++i) begin_.append(i > 0 ? ", " : "").append(quoted_name(columns[i]));
  begin_ += ") VALUES(";
}

std::string InsertRows::element(const std::vector<std::optional<std::string>>& values) const {
  std::string sql = begin_;
  std::string parameters;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) sql += ", ";
    if (values[i] && looks_like_blob(*values[i])) {
      sql += quoted_text(*values[i]);
      continue;
    }
    sql += '?';
    parameters.append(",").append(values[i] ? json_of(*values[i]) : "null");
  }
  return "[" + json_of(sql + ")") + parameters + "]";
}

}  // namespace quorate::shell
