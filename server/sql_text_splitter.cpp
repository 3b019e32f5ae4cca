#include "server/sql_text_splitter.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include <fmt/format.h>

namespace quorate::server {

namespace {

constexpr std::string_view kBlanks = " \t\r\n";
/// What a dump may begin with and that is not part of its content.
constexpr std::string_view kBeginnings[] = {"PRAGMA FOREIGN_KEYS=OFF;", "BEGIN TRANSACTION;", "BEGIN;"};
constexpr std::string_view kEnds[] = {"COMMIT;", "END;", "COMMIT TRANSACTION;"};

bool is_equal(std::string_view text, std::string_view upper_case) {
  return std::ranges::equal(text, upper_case,
                            [](char a, char b) { return (a >= 'a' && a <= 'z' ? a - 'a' + 'A' : a) == b; });
}

bool is_one_of(std::span<const std::string_view> statements, std::string_view statement) {
  statement.remove_prefix(std::min(statement.find_first_not_of(kBlanks), statement.size()));
  return std::ranges::any_of(statements, [&](std::string_view known) { return is_equal(statement, known); });
}

}  // namespace

Result<void> SqlTextSplitter::add(std::string_view text) {
  const std::size_t unfinished_bytes = text_.size() - (ends_.empty() ? 0 : ends_.back());
  if (unfinished_bytes + text.size() > kDumpStatementBytesMax) {
    return fail(ErrorKind::kInvalidArgument,
                fmt::format("a statement of the file has more than {} bytes", kDumpStatementBytesMax));
  }
  const std::size_t known = ends_.size();
  scanner_.read(text, ends_);
  for (std::size_t i = known; i < ends_.size(); ++i) ends_[i] += text_.size();
  text_.append(text);
  leave_out_beginning();
  return {};
}

void SqlTextSplitter::leave_out_beginning() {
  while (!has_begun_) {
    remove(std::min(text_.find_first_not_of(kBlanks), text_.size()));
    if (ends_.empty()) return;
    if (is_one_of(kBeginnings, std::string_view(text_).substr(0, ends_.front())))
      remove(ends_.front());
    else
      has_begun_ = true;
  }
}

void SqlTextSplitter::remove(std::size_t bytes) {
  text_.erase(0, bytes);
  std::erase_if(ends_, [bytes](std::size_t end) { return end <= bytes; });
  for (std::size_t& end : ends_) end -= bytes;
}

std::optional<std::string> SqlTextSplitter::take() {
  if (ends_.size() < 2) return std::nullopt;
  const std::size_t end = ends_[ends_.size() - 2];
  std::string statements = text_.substr(0, end);
  remove(end);
  return statements;
}

std::string SqlTextSplitter::finish() {
  text_.erase(text_.find_last_not_of(kBlanks) + 1);
  if (!ends_.empty() && ends_.back() == text_.size()) {
    const std::size_t begin = ends_.size() == 1 ? 0 : ends_[ends_.size() - 2];
    if (is_one_of(kEnds, std::string_view(text_).substr(begin))) text_.resize(begin);
  }
  ends_.clear();
  return std::exchange(text_, {});
}

}  // namespace quorate::server
