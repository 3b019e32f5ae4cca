#include "statemachine/sqlite/request_runner.hpp"

#include <algorithm>
#include <utility>

#include <sqlite3.h>

#include "consensus/assert.hpp"

namespace quorate::sqlite {

bool is_error(const StatementResult& result) { return result.kind == StatementResult::Kind::kError; }

bool has_error(const Response& response) {
  return response.error.has_value() || std::ranges::any_of(response.results, is_error);
}

void fail_at_end(Response& response, SqlError error) {
  if (response.results.empty()) response.results.emplace_back();
  response.results.back() = {};
  response.results.back().kind = StatementResult::Kind::kError;
  response.results.back().error = std::move(error);
}

void roll_back(Connection& connection) {
  if (!connection.in_transaction()) return;
  // Whatever it reports, SQLite has left the transaction afterwards.
  static_cast<void>(connection.run("ROLLBACK"));
  QUORATE_ASSERT(!connection.in_transaction());
}

void RequestRunner::limit_connection() {
  if (request_.time_max) latest_ = std::min(latest_, now_() + *request_.time_max);
  if (latest_ != Instant::max()) connection_.set_deadline(latest_);
  connection_.set_stop_flag(request_.stop);
}

void RequestRunner::release_connection() {
  connection_.set_deadline(std::nullopt);
  connection_.set_stop_flag(nullptr);
}

void RequestRunner::run_statements(Response& response, Company company) {
  limit_connection();
  const bool is_transaction = request_.atomicity == Atomicity::kTransaction;
  const bool was_in_transaction = connection_.in_transaction();
  StatementRunner runner(connection_, request_.kind, company, request_.result_bytes_max);
  for (const SqlStatement& statement : request_.statements) {
    const Instant begin = now_();
    if (is_raised(request_.stop)) {
      response.results.emplace_back();
      fail_at_end(response, {SqlErrorKind::kCancelled, SQLITE_INTERRUPT, "the request was cancelled"});
      break;
    }
    std::optional<StatementResult> result = runner.run(statement);
    if (!result) continue;
    if (company == Company::kShared && !is_transaction) connection_.end_change_group();
    result->elapsed = now_() - begin;
    response.results.push_back(std::move(*result));
    if (runner.needs_to_be_alone()) break;
    if (is_transaction && is_error(response.results.back())) break;
    // What was to be one transaction with the rest has been rolled back.
    if (company == Company::kShared && was_in_transaction && !connection_.in_transaction()) break;
    // Alone, the statement would have failed at its own commit.
    if (company == Company::kShared && !is_transaction && connection_.violates_deferred_keys()) break;
  }
  if (company == Company::kShared) connection_.end_change_group();
  needs_to_be_alone_ = runner.needs_to_be_alone();
  has_changed_connection_ = runner.has_changed_connection();
  release_connection();
}

/// A connection under which so much has changed is not used again.
void RequestRunner::run_action(Response& response) {
  limit_connection();
  if (SqlResult<void> done = request_.action(connection_); !done) response.error = std::move(done.error());
  has_changed_connection_ = true;
  release_connection();
}

void RequestRunner::run_shared(Response& response) { run_statements(response, Company::kShared); }

void RequestRunner::run_as_transaction(Response& response) {
  // Within a session's transaction, all or nothing means a part of it.
  const bool is_part = connection_.in_transaction();
  if (SqlResult<void> begun = connection_.run(is_part ? "SAVEPOINT quorate_request" : "BEGIN IMMEDIATE"); !begun) {
    response.error = std::move(begun.error());
    return;
  }
  run_statements(response, Company::kAlone);
  if (!connection_.in_transaction()) return;
  if (is_part) {
    // Unless the request itself has released it.
    static_cast<void>(connection_.run(has_error(response) ? "ROLLBACK TO quorate_request; RELEASE quorate_request"
                                                          : "RELEASE quorate_request"));
    return;
  }
  if (!has_error(response)) {
    if (SqlResult<void> committed = connection_.run("COMMIT"); !committed) {
      fail_at_end(response, std::move(committed.error()));
    }
  }
  roll_back(connection_);
}

void RequestRunner::run_alone(Response& response, OpenEnd open_end) {
  response = {};
  if (request_.action) {
    run_action(response);
  } else if (request_.atomicity == Atomicity::kTransaction) {
    run_as_transaction(response);
  } else {
    run_statements(response, Company::kAlone);
  }
  if (open_end == OpenEnd::kKeep || !connection_.in_transaction()) return;
  roll_back(connection_);
  fail_at_end(response, {SqlErrorKind::kRefused, SQLITE_MISUSE,
                         "the request left a transaction open, which was rolled back: end it within the request, or "
                         "open a session"});
}

}  // namespace quorate::sqlite
