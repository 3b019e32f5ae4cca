#include "server/sql_text_splitter.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

namespace quorate::server {

namespace {

constexpr std::string_view kBlanks = " \t\r\n";
/// What a dump may begin with and that is not part of its content.
constexpr std::string_view kBeginnings[] = {"PRAGMA FOREIGN_KEYS=OFF;", "BEGIN TRANSACTION;", "BEGIN;"};
constexpr std::string_view kEnds[] = {"COMMIT;", "END;", "COMMIT TRANSACTION;"};
constexpr std::size_t kBeginningBytesMax = 256;

bool begins_with(std::string_view text, std::string_view upper_case) {
  return text.size() >= upper_case.size() &&
         std::ranges::equal(text.substr(0, upper_case.size()), upper_case,
                            [](char a, char b) { return (a >= 'a' && a <= 'z' ? a - 'a' + 'A' : a) == b; });
}

bool is_complete(std::string& text, std::size_t size) {
  const char saved = text[size];
  text[size] = '\0';
  const bool complete = sqlite3_complete(text.c_str()) != 0;
  text[size] = saved;
  return complete;
}

}  // namespace

Result<void> SqlTextSplitter::add(std::string_view text) {
  if (text_.size() + text.size() > kDumpStatementBytesMax) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("a statement of the file has more than {} bytes", kDumpStatementBytesMax));
  }
  text_.append(text);
  return {};
}

void SqlTextSplitter::leave_out_beginning() {
  if (has_begun_ || text_.size() < kBeginningBytesMax) return;
  has_begun_ = true;
  for (bool is_left_out = true; is_left_out;) {
    text_.erase(0, std::min(text_.find_first_not_of(kBlanks), text_.size()));
    is_left_out = false;
    for (const std::string_view beginning : kBeginnings) {
      if (!begins_with(text_, beginning)) continue;
      text_.erase(0, beginning.size());
      is_left_out = true;
    }
  }
}

/// The end of the last complete statement is looked for from behind: nearly always the last semicolon is it.
std::optional<std::string> SqlTextSplitter::take() {
  leave_out_beginning();
  if (!has_begun_) return std::nullopt;
  for (std::size_t end = text_.size(); end > 0;) {
    const std::size_t semicolon = text_.rfind(";\n", end - 1);
    if (semicolon == std::string::npos) break;
    if (is_complete(text_, semicolon + 1)) {
      // The end of the dump is not known yet: its COMMIT may be the last of these.
      const std::size_t line = text_.rfind('\n', semicolon);
      const bool is_end = std::ranges::any_of(kEnds, [&](std::string_view word) {
        return begins_with(std::string_view(text_).substr(line == std::string::npos ? 0 : line + 1), word);
      });
      if (is_end) {
        end = semicolon;
        continue;
      }
      std::string statements = text_.substr(0, semicolon + 2);
      text_.erase(0, semicolon + 2);
      return statements;
    }
    end = semicolon;
  }
  return std::nullopt;
}

std::string SqlTextSplitter::finish() {
  text_.resize(std::max(text_.size(), kBeginningBytesMax), ' ');
  leave_out_beginning();
  text_.erase(text_.find_last_not_of(kBlanks) + 1);
  for (const std::string_view end : kEnds) {
    if (text_.size() < end.size() || !begins_with(std::string_view(text_).substr(text_.size() - end.size()), end))
      continue;
    const std::size_t begin = text_.size() - end.size();
    const bool is_own_line = begin == 0 || text_[begin - 1] == '\n' || text_[begin - 1] == ';';
    // Within a text or a trigger it is not the end of the dump.
    if (is_own_line && (begin == 0 || is_complete(text_, begin) || text_.find_first_not_of(kBlanks) >= begin))
      text_.resize(begin);
    break;
  }
  return std::exchange(text_, {});
}

}  // namespace quorate::server
