// Reads the answer to SQL while it arrives and says what is in it, element by element, so that no answer is too large:
//
//   {"results":[{"columns":[...],"values":[[...],...]},{"rows_affected":1},{"error":"..."}],"error":"..."}
//
// Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/result.hpp"
#include "server/shell/render.hpp"

namespace quorate::shell {

/// What an element of the results says besides its rows.
struct ResultSummary {
  bool has_rows = false;  ///< it is of a statement that reads
  std::uint64_t rows_affected = 0;
  std::string error;
  std::string time;  ///< as it was sent; empty: it was not
};

struct ResultEvents {
  std::function<void(std::vector<std::string>)> columns;
  std::function<void(std::vector<Cell>)> row;
  std::function<void(const ResultSummary&)> end;
};

class ResultReader {
 public:
  explicit ResultReader(ResultEvents events);
  ~ResultReader();
  ResultReader(const ResultReader&) = delete;
  ResultReader& operator=(const ResultReader&) = delete;

  /// The next piece; false: this is no such answer, and reading on makes no sense.
  bool read(std::string_view piece);
  /// Nothing more comes. The error of the answer as a whole, if it has one; kCorrupt if it is not what it should be or
  /// breaks off.
  [[nodiscard]] Result<std::optional<std::string>> finish();

 private:
  class Parser;
  std::unique_ptr<Parser> parser_;
};

}  // namespace quorate::shell
