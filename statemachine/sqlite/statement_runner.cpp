#include "statemachine/sqlite/statement_runner.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

namespace quorate::sqlite {
namespace {

/// What a value costs besides its bytes.
constexpr std::size_t kValueOverheadBytes = sizeof(Value);

SqlError refused(int code, std::string message) { return {SqlErrorKind::kRefused, code, std::move(message)}; }

SqlError wrong_count(std::size_t want, std::size_t got) {
  return refused(SQLITE_RANGE, fmt::format("{} args to execute query: want {} got {}",
                                           got < want ? "not enough" : "too many", want, got));
}

StatementResult error_result(SqlError error) {
  StatementResult result;
  result.kind = StatementResult::Kind::kError;
  result.error = std::move(error);
  return result;
}

SqlResult<void> bind_by_name(Statement& statement, const std::vector<std::pair<std::string, Value>>& parameters) {
  const std::size_t count = statement.parameter_count();
  if (parameters.size() < count) return sql_fail(wrong_count(count, parameters.size()));
  for (std::size_t i = 0; i < count; ++i) {
    // A placeholder without a name, or without a value of its name, is NULL.
    const auto named =
        std::ranges::find(parameters, statement.parameter_name(i), &std::pair<std::string, Value>::first);
    if (named == parameters.end() || named->first.empty()) continue;
    if (SqlResult<void> bound = statement.bind(i, named->second); !bound) return bound;
  }
  return {};
}

/// Whether parameters may be left over for a later statement of the same text.
enum class Leftover : std::uint8_t { kRefused, kAllowed };

SqlResult<void> bind_by_position(Statement& statement, std::span<const Value> values, Leftover leftover) {
  const std::size_t count = statement.parameter_count();
  if (values.size() < count || (values.size() > count && leftover == Leftover::kRefused)) {
    return sql_fail(wrong_count(count, values.size()));
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (SqlResult<void> bound = statement.bind(i, values[i]); !bound) return bound;
  }
  return {};
}

}  // namespace

bool is_harmless_query(const Statement& statement) {
  const StatementTraits traits = statement.traits();
  return statement.is_readonly() && !traits.controls_transaction && (traits.attaches || !traits.changes_connection);
}

SqlResult<void> bind_all(Statement& statement, const Parameters& parameters) {
  if (const auto* named = std::get_if<1>(&parameters)) return bind_by_name(statement, *named);
  return bind_by_position(statement, std::get<0>(parameters), Leftover::kRefused);
}

std::optional<StatementResult> StatementRunner::run(const SqlStatement& statement) {
  if (statement.sql.empty()) return std::nullopt;
  positional_used_ = 0;
  StatementResult last;
  for (std::string_view rest = statement.sql; !rest.empty();) {
    SqlResult<Connection::Prepared> prepared = connection_.prepare(rest);
    if (!prepared) return error_result(std::move(prepared.error()));
    rest = prepared->rest;
    if (prepared->statement.is_empty()) continue;
    is_last_ = is_blank(rest);
    SqlResult<StatementResult> result = run_prepared(prepared->statement, statement.parameters);
    if (!result) return error_result(std::move(result.error()));
    last = std::move(*result);
    if (needs_to_be_alone_) return last;
  }
  return last;
}

SqlResult<StatementResult> StatementRunner::run_prepared(Statement& statement, const Parameters& parameters) {
  if (kind_ == RequestKind::kQuery && !is_harmless_query(statement)) {
    return sql_fail(refused(SQLITE_READONLY, "attempt to change database via query operation"));
  }
  const StatementTraits traits = statement.traits();
  has_changed_connection_ = has_changed_connection_ || traits.changes_connection;
  if (company_ == Company::kShared && (traits.controls_transaction || traits.runs_alone || traits.changes_connection)) {
    needs_to_be_alone_ = true;
    return StatementResult{};
  }
  SqlResult<void> bound;
  if (const auto* named = std::get_if<1>(&parameters)) {
    bound = bind_by_name(statement, *named);
  } else {
    const std::span<const Value> left = std::span(std::get<0>(parameters)).subspan(positional_used_);
    bound = bind_by_position(statement, left, is_last_ ? Leftover::kRefused : Leftover::kAllowed);
    positional_used_ += statement.parameter_count();
  }
  if (!bound) return sql_fail(std::move(bound.error()));
  return collect(statement);
}

bool StatementRunner::reports_rows(const Statement& statement) const {
  if (statement.column_count() == 0) return false;
  return kind_ != RequestKind::kExecute || statement.is_explain() || !statement.is_readonly();
}

SqlResult<void> StatementRunner::take_row(Statement& statement, StatementResult& result) {
  std::vector<Value> row;
  row.reserve(result.columns.size());
  for (std::size_t column = 0; column < result.columns.size(); ++column) {
    const std::size_t bytes = statement.value_bytes(column) + kValueOverheadBytes;
    if (bytes > result_bytes_left_) {
      return sql_fail({SqlErrorKind::kTooLarge, SQLITE_TOOBIG,
                       "the result is larger than a response may be; ask for fewer rows (LIMIT) or columns"});
    }
    result_bytes_left_ -= bytes;
    row.push_back(statement.value(column));
  }
  result.rows.push_back(std::move(row));
  return {};
}

SqlResult<StatementResult> StatementRunner::collect(Statement& statement) {
  StatementResult result;
  const bool reports = reports_rows(statement);
  result.kind = reports ? StatementResult::Kind::kRows : StatementResult::Kind::kChanges;
  for (std::size_t column = 0; reports && column < statement.column_count(); ++column) {
    result.columns.push_back(statement.column(column));
  }
  // A statement that changes something and whose rows do not fit must not have changed anything. SQLite has made all
  // changes by the time it returns the first row.
  const bool must_be_undoable = reports && !statement.is_readonly();
  if (must_be_undoable) {
    if (SqlResult<void> begun = connection_.run("SAVEPOINT quorate_statement"); !begun) return sql_fail(begun.error());
  }
  SqlResult<void> done;
  while (done) {
    const SqlResult<Statement::Progress> progress = statement.step();
    if (!progress) {
      done = sql_fail(progress.error());
    } else if (*progress == Statement::Progress::kDone) {
      break;
    } else if (reports) {
      done = take_row(statement, result);
    }
  }
  statement.rewind();
  if (must_be_undoable && connection_.in_transaction()) {
    const SqlResult<void> settled = connection_.run(done ? "RELEASE quorate_statement"
                                                         : "ROLLBACK TO quorate_statement; RELEASE quorate_statement");
    if (done && !settled) done = settled;
  }
  if (!done) return sql_fail(std::move(done.error()));
  result.last_insert_rowid = connection_.last_insert_rowid();
  result.rows_affected = connection_.changes();
  return result;
}

}  // namespace quorate::sqlite
