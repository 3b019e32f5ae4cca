// .import: rows of a CSV file into a table, in requests of bounded size. Each request takes effect wholly or not at
// all, and once even if it has to be repeated; when one fails, the message names the line that is to blame, and how to
// go on behind what is in the table by then.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "consensus/result.hpp"

namespace quorate::shell {

/// Of one request.
inline constexpr std::size_t kImportRowsMax = 1000;
inline constexpr std::size_t kImportBytesMax = std::size_t{4} << 20;

struct ImportWish {
  std::string file;
  std::string table;
  char separator = ',';
  bool has_header = false;          ///< the first record names columns
  std::uint64_t skip = 0;           ///< so many records after it are left out
  std::optional<std::string> null;  ///< what stands for NULL, where it is not quoted
};

/// The words behind .import; the error says how they should have been.
[[nodiscard]] Result<ImportWish> import_wish_of(const std::vector<std::string>& words);

/// "name", with quotes inside doubled.
[[nodiscard]] std::string quoted_name(const std::string& name);

/// One INSERT as an element of a request: ["INSERT ...", "value", null]. A text that the interface would take for a
/// BLOB, like x'00', becomes part of the statement.
class InsertRows {
 public:
  InsertRows(const std::string& table, const std::vector<std::string>& columns);
  /// Nothing stands for NULL.
  [[nodiscard]] std::string element(const std::vector<std::optional<std::string>>& values) const;

 private:
  std::string begin_;
};

}  // namespace quorate::shell
