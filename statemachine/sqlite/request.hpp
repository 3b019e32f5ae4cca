// What a client asks of SQL, and what it gets: plain values between the server's protocols and the executor. Shaped
// after the HTTP contract that the server speaks: a request is a list of statements, an answer has one element for
// each.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "consensus/types.hpp"
#include "statemachine/sqlite/connection.hpp"
#include "statemachine/sqlite/page.hpp"
#include "statemachine/sqlite/value.hpp"

namespace quorate::sqlite {

/// By position, or by name without the prefix.
using Parameters = std::variant<std::vector<Value>, std::vector<std::pair<std::string, Value>>>;

/// One element of a request. The text may hold several statements: all run, the last one's result is reported, and
/// positional parameters are used up from one to the next.
struct SqlStatement {
  std::string sql;
  Parameters parameters;
};

enum class RequestKind : std::uint8_t {
  kExecute,  ///< rows only of RETURNING and EXPLAIN, otherwise counts
  kQuery,    ///< rows only; refuses to change anything
  kMixed,    ///< whichever the statement yields
};
enum class Atomicity : std::uint8_t {
  kEach,         ///< every statement for itself; an error does not keep the next from running
  kTransaction,  ///< all or nothing; ends with the first error
};

struct Request {
  std::vector<SqlStatement> statements;
  RequestKind kind = RequestKind::kExecute;
  Atomicity atomicity = Atomicity::kEach;
  /// For the whole request, once it has begun to run; nullopt: no limit.
  std::optional<Duration> time_max;
  /// Ends it as cancelled, at the latest before its next statement. No part of what is asked.
  StopFlag stop;
  /// If set, it is run instead of statements, alone, in a transaction of its own. It exists on this node only.
  std::function<SqlResult<void>(Connection&)> action;
  /// Rows and what describes them, in memory; beyond it the statement fails and is undone.
  std::size_t result_bytes_max = std::size_t{64} << 20;
};

struct StatementResult {
  enum class Kind : std::uint8_t {
    kNothing,  ///< only comments
    kChanges,
    kRows,
    kError,
  };
  Kind kind = Kind::kNothing;
  // As the connection has them, and therefore those of an earlier statement after one that neither inserts nor changes.
  std::int64_t last_insert_rowid = 0;
  std::int64_t rows_affected = 0;
  std::vector<ColumnDescription> columns;
  std::vector<std::vector<Value>> rows;
  SqlError error;
  Duration elapsed{};
};

/// One element for each statement that was reached and whose text is not empty.
struct Response {
  std::vector<StatementResult> results;
  /// The request as a whole failed, whatever its statements had done by then is undone.
  std::optional<SqlError> error;
  /// Nobody may see the response before this version is committed.
  VersionId depends_on;
};

}  // namespace quorate::sqlite
