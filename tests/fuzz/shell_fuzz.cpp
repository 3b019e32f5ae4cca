// Any bytes as what the shell reads: a CSV file, the answer of a node, a text of statements.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>

#include "consensus/assert.hpp"
#include "server/shell/csv_reader.hpp"
#include "server/shell/result_reader.hpp"
#include "server/shell/words.hpp"

using namespace quorate;
using namespace quorate::shell;

namespace {

void read_csv(const std::string& text) {
  std::istringstream in(text);
  CsvReader reader(in, ',');
  std::size_t bytes = 0;
  for (;;) {
    const auto record = reader.next();
    if (!record) QUORATE_ASSERT(record.error().message.starts_with("line "));
    if (!record || record->empty()) break;
    for (const CsvField& field : *record) bytes += field.text.size();
  }
  QUORATE_ASSERT(bytes <= text.size());
  QUORATE_ASSERT(reader.line() <= text.size() + 2);
}

/// How many rows there are; nothing if it is no answer.
std::optional<std::size_t> read_answer(std::string_view text, std::size_t piece_bytes) {
  std::size_t rows = 0;
  ResultReader reader({.columns = [](const auto&) {}, .row = [&](const auto&) { ++rows; }, .end = [](const auto&) {}});
  for (; !text.empty(); text.remove_prefix(std::min(piece_bytes, text.size()))) {
    if (!reader.read(text.substr(0, piece_bytes))) break;
  }
  return reader.finish() ? std::optional(rows) : std::nullopt;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  read_csv(text);
  QUORATE_ASSERT(read_answer(text, 3) == read_answer(text, size + 1));
  std::size_t bytes = 0;
  for (const std::string& statement : split_statements(text)) bytes += statement.size();
  QUORATE_ASSERT(bytes <= size);
  for (const std::string& word : split(text)) QUORATE_ASSERT(word.size() <= size);
  static_cast<void>(reads_only(text));
  return 0;
}
