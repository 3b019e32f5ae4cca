#include "server/database.hpp"

namespace quorate::server {

std::string_view client_text(const sqlite::SqlError& error, Ran how) {
  if (error.kind != sqlite::SqlErrorKind::kTimeout) return error.message;
  return how == Ran::kAsQuery ? "query timeout" : "execute timeout";
}

/// A sink that is behind is not waited for: the rows are in memory already, and there they stay until it has them all.
void deliver(const sqlite::StatementResult& result, Ran how, ResultSink& sink) {
  using Kind = sqlite::StatementResult::Kind;
  switch (result.kind) {
    case Kind::kNothing: return sink.executed(0, 0, result.elapsed);
    case Kind::kChanges: return sink.executed(result.last_insert_rowid, result.rows_affected, result.elapsed);
    case Kind::kError: return sink.failed(client_text(result.error, how), result.elapsed);
    case Kind::kRows: break;
  }
  sink.begin_rows(result.columns);
  for (const std::vector<sqlite::Value>& row : result.rows)
    if (sink.row(row) == Flow::kStop) return sink.rows_failed("interrupted", result.elapsed);
  sink.end_rows(result.elapsed);
}

}  // namespace quorate::server
