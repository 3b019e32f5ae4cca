// Values as SQLite has them, and how an operation on SQL ends when it does not succeed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <tl/expected.hpp>

namespace quorate::sqlite {

using Blob = std::vector<std::byte>;
/// NULL, INTEGER, REAL, TEXT (bytes as stored, normally UTF-8), BLOB.
using Value = std::variant<std::monostate, std::int64_t, double, std::string, Blob>;

enum class SqlErrorKind : std::uint8_t {
  kSql,        ///< SQLite's own verdict on the statement
  kRefused,    ///< the statement is not allowed here; the message says why
  kTimeout,    ///< it ran into its time limit
  kCancelled,  ///< somebody interrupted it
  kNotLeader,  ///< this node does not lead, or not any more; there was no effect
  kBusy,       ///< the write slot was taken, or the transaction's snapshot too old to write; there was no effect
  kTooLarge,   ///< a named limit of this program was reached
  kStorage,    ///< the page store could not do its part
};

struct SqlError {
  SqlErrorKind kind = SqlErrorKind::kSql;
  int code = 0;  ///< SQLite's extended result code
  std::string message;

  friend bool operator==(const SqlError&, const SqlError&) = default;
};

template <class T>
using SqlResult = tl::expected<T, SqlError>;

[[nodiscard]] inline tl::unexpected<SqlError> sql_fail(SqlError error) {
  return tl::unexpected<SqlError>(std::move(error));
}

}  // namespace quorate::sqlite
