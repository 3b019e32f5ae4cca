// Cuts SQL text that comes in pieces into pieces that consist of whole statements, so that a dump of any size can be
// executed in bounded memory. What puts a dump into a transaction of its own (the BEGIN and COMMIT around it, and the
// PRAGMA foreign_keys=OFF before it) is left out: whoever executes it has a transaction already.
//
// A value; any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/result.hpp"
#include "server/statement_scanner.hpp"

namespace quorate::server {

/// No statement of a dump may be longer: it holds one row at most.
inline constexpr std::size_t kDumpStatementBytesMax = std::size_t{256} << 20;

class SqlTextSplitter {
 public:
  /// kInvalidArgument if a statement is longer than allowed.
  Result<void> add(std::string_view text);
  /// Whole statements: all that there are but the last one, which may be the dump's COMMIT.
  [[nodiscard]] std::optional<std::string> take();
  /// What is left behind the last piece.
  [[nodiscard]] std::string finish();

 private:
  void leave_out_beginning();
  void remove(std::size_t bytes);

  std::string text_;
  std::vector<std::size_t> ends_;  ///< of the whole statements in the text
  StatementScanner scanner_;
  bool has_begun_ = false;
};

}  // namespace quorate::server
