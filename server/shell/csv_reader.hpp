// Reads CSV (RFC 4180, with any separator) record by record from a stream, of which no more than one record is ever in
// memory. Knows the line on which each record begins, for complaints. Lines end with LF or CR LF; a byte order mark is
// skipped.
#pragma once

#include <cstddef>
#include <cstdint>
#include <istream>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/result.hpp"

namespace quorate::shell {

/// Of a record: what does not fit into a request cannot be sent.
inline constexpr std::size_t kCsvRecordBytesMax = std::size_t{16} << 20;

struct CsvField {
  std::string text;
  bool is_quoted = false;

  friend bool operator==(const CsvField&, const CsvField&) = default;
};

class CsvReader {
 public:
  CsvReader(std::istream& in, char separator) : in_(in), separator_(separator) {}

  /// The next record; empty at the end. The error's message begins with the line: "line 7: ...".
  [[nodiscard]] Result<std::vector<CsvField>> next();
  /// Of the record that came last, counted from 1.
  [[nodiscard]] std::uint64_t line() const { return line_; }

 private:
  [[nodiscard]] Result<std::vector<CsvField>> complain(const char* what) const;

  std::istream& in_;
  char separator_;
  std::uint64_t line_ = 0;
  std::uint64_t next_line_ = 1;
};

/// Whether it is UTF-8 throughout, which SQL text has to be.
[[nodiscard]] bool is_utf8(std::string_view text);

}  // namespace quorate::shell
