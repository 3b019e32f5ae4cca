#include "server/shell/csv_reader.hpp"

#include <string_view>
#include <utility>

namespace quorate::shell {

namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

}  // namespace

Result<std::vector<CsvField>> CsvReader::complain(const char* what) const {
  return fail(ErrorKind::kInvalidArgument, "line " + std::to_string(line_) + ": " + what);
}

Result<std::vector<CsvField>> CsvReader::next() {
  using Traits = std::istream::traits_type;
  line_ = next_line_;
  std::vector<CsvField> record;
  std::size_t bytes = 0;
  bool is_inside_quotes = false;
  bool is_behind_quotes = false;
  std::streambuf& source = *in_.rdbuf();
  for (int letter = source.sbumpc();; letter = source.sbumpc()) {
    if (letter == Traits::eof()) {
      if (is_inside_quotes) return complain("the quotes that begin here have no end");
      break;
    }
    if (record.empty()) record.emplace_back();
    if (letter == '\n') ++next_line_;
    CsvField& field = record.back();
    if (is_inside_quotes) {
      if (letter != '"') {
        field.text += Traits::to_char_type(letter);
      } else if (source.sgetc() == '"') {
        field.text += Traits::to_char_type(source.sbumpc());
      } else {
        is_inside_quotes = false;
        is_behind_quotes = true;
      }
    } else if (letter == separator_) {
      record.emplace_back();
      is_behind_quotes = false;
    } else if (letter == '\n' || (letter == '\r' && source.sgetc() == '\n')) {
      if (letter == '\r') {
        source.sbumpc();
        ++next_line_;
      }
      break;
    } else if (is_behind_quotes) {
      return complain("something follows the closing quotes of a field");
    } else if (letter == '"' && field.text.empty()) {
      is_inside_quotes = true;
      field.is_quoted = true;
    } else {
      field.text += Traits::to_char_type(letter);
      const bool is_mark = line_ == 1 && record.size() == 1 && field.text == kByteOrderMark;
      if (is_mark) field.text.clear();
    }
    if (++bytes > kCsvRecordBytesMax) return complain("the record is longer than 16 MiB; are its quotes closed?");
  }
  return record;
}

/// By the table of well-formed byte sequences (Unicode 3.9, table 3-7).
bool is_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  for (std::size_t i = 0; i < text.size();) {
    const unsigned char first = byte(i);
    if (first >= 0x80 && (first < 0xC2 || first > 0xF4)) return false;
    const std::size_t more = first < 0x80 ? 0U : first < 0xE0 ? 1U : first < 0xF0 ? 2U : 3U;
    if (i + more >= text.size()) return false;
    for (std::size_t j = 1; j <= more; ++j)
      if ((byte(i + j) & 0xC0) != 0x80) return false;
    if (more >= 2) {
      const unsigned char second = byte(i + 1);
      const bool is_overlong = (first == 0xE0 && second < 0xA0) || (first == 0xF0 && second < 0x90);
      const bool is_surrogate = first == 0xED && second > 0x9F;
      const bool is_too_large = first == 0xF4 && second > 0x8F;
      if (is_overlong || is_surrogate || is_too_large) return false;
    }
    i += more + 1;
  }
  return true;
}

}  // namespace quorate::shell
