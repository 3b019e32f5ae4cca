#include "statemachine/sqlite/batch.hpp"

#include <algorithm>
#include <utility>

#include <sqlite3.h>

#include "consensus/assert.hpp"

namespace quorate::sqlite {
namespace {

bool has_ended_by(const Response& response, SqlErrorKind kind) {
  return !response.results.empty() && is_error(response.results.back()) && response.results.back().error.kind == kind;
}

/// Certainly no more than one statement; a savepoint is saved then.
bool is_one_statement(const Request& request) {
  if (request.statements.size() != 1) return false;
  const std::string& sql = request.statements.front().sql;
  const std::size_t semicolon = sql.find(';');
  return semicolon == std::string::npos || sql.find_first_not_of(" \t\r\n;", semicolon) == std::string::npos;
}

}  // namespace

BatchRunner::BatchRunner(PageStore& store, ConnectionOptions options) : store_(store), options_(std::move(options)) {
  options_.vfs.role = ConnectionRole::kWriter;
}

SqlResult<void> BatchRunner::ensure_connection() {
  if (connection_ != nullptr && !is_tainted_ && !connection_->is_outdated()) return {};
  const std::int64_t last_rowid = connection_ == nullptr ? 0 : connection_->last_insert_rowid();
  connection_.reset();
  SqlResult<std::unique_ptr<Connection>> opened = Connection::open(store_, options_);
  if (!opened) return sql_fail(std::move(opened.error()));
  (*opened)->set_last_insert_rowid(last_rowid);
  connection_ = std::move(*opened);
  is_tainted_ = false;
  return {};
}

BatchRunner::Outcome BatchRunner::run(std::span<const Request> requests) {
  Job job{.requests = requests, .plans = {}, .outcome = {}};
  for (const Request& request : requests) job.plans.push_back(request.action ? Plan::kAlone : Plan::kTogether);
  job.outcome.responses.resize(requests.size());
  for (std::size_t next = 0; next < requests.size();) {
    if (SqlResult<void> open = ensure_connection(); !open) {
      for (; next < requests.size(); ++next) job.outcome.responses[next] = {.results = {}, .error = open.error()};
      break;
    }
    if (job.plans[next] == Plan::kTogether) {
      next = run_together(job, next);
    } else {
      if (job.plans[next] == Plan::kAlone) run_alone(requests[next], job.outcome.responses[next]);
      if (job.plans[next] == Plan::kWithoutLast) run_without_last(requests[next], job.outcome.responses[next]);
      job.outcome.responses[next].depends_on = connection_->vfs().newest_seen();
      ++next;
    }
    std::ranges::move(connection_->vfs().take_sealed(), std::back_inserter(job.outcome.versions));
  }
  return std::move(job.outcome);
}

// --- Together ---

std::size_t BatchRunner::run_together(Job& job, std::size_t first) {
  const std::int64_t last_rowid = connection_->last_insert_rowid();
  const auto fail = [&](std::size_t end, const SqlError& error) {
    for (std::size_t i = first; i < end; ++i) job.outcome.responses[i] = {.results = {}, .error = error};
    return end;
  };
  if (const SqlResult<void> begun = connection_->run("BEGIN IMMEDIATE"); !begun) {
    return fail(job.requests.size(), begun.error());
  }
  std::size_t at = first;
  for (; at < job.requests.size() && job.plans[at] == Plan::kTogether; ++at) {
    Response& response = job.outcome.responses[at];
    response = {};
    const Fare fare = run_shared(job.requests[at], response);
    if (fare == Fare::kWell) continue;
    job.plans[at] = fare == Fare::kLost ? after_losing(job.requests[at], response) : Plan::kAlone;
    if (fare == Fare::kNeedsAlone) break;
    roll_back(*connection_);
    connection_->set_last_insert_rowid(last_rowid);
    return first;  // those before it once more, now without it
  }
  const SqlResult<void> committed = connection_->run("COMMIT");
  if (committed) {
    for (std::size_t i = first; i < at; ++i) job.outcome.responses[i].depends_on = connection_->vfs().newest_seen();
    return at;
  }
  roll_back(*connection_);
  if (committed.error().kind == SqlErrorKind::kNotLeader || at - first <= 1) return fail(at, committed.error());
  // Together they were too much for one transaction; one by one they may not be.
  std::fill(job.plans.begin() + static_cast<std::ptrdiff_t>(first), job.plans.begin() + static_cast<std::ptrdiff_t>(at),
            Plan::kAlone);
  return first;
}

/// A statement that was stopped would only take as long once more.
BatchRunner::Plan BatchRunner::after_losing(const Request& request, const Response& response) {
  if (has_ended_by(response, SqlErrorKind::kCancelled)) return Plan::kAnswered;  // nobody is interested any more
  if (!has_ended_by(response, SqlErrorKind::kTimeout)) return Plan::kAlone;
  return request.atomicity == Atomicity::kTransaction ? Plan::kAnswered : Plan::kWithoutLast;
}

BatchRunner::Fare BatchRunner::run_shared(const Request& request, Response& response) {
  const bool is_undoable = !is_one_statement(request) || request.atomicity == Atomicity::kTransaction;
  if (is_undoable) {
    const SqlResult<void> begun = connection_->run("SAVEPOINT quorate_request");
    QUORATE_ASSERT(begun.has_value());
  }
  RequestRunner runner(*connection_, request, options_.now);
  runner.run_shared(response);
  is_tainted_ = is_tainted_ || runner.has_changed_connection();
  if (!connection_->in_transaction()) return Fare::kLost;

  const bool is_transaction = request.atomicity == Atomicity::kTransaction;
  if (connection_->violates_deferred_keys() && !(is_transaction && has_error(response))) {
    // Alone, each statement finds out at its own commit.
    if (!is_transaction) return Fare::kLost;
    fail_at_end(response, {SqlErrorKind::kSql, SQLITE_CONSTRAINT_FOREIGNKEY, "FOREIGN KEY constraint failed"});
  }
  if (is_undoable) {
    const bool is_undone = runner.needs_to_be_alone() || (is_transaction && has_error(response));
    const SqlResult<void> settled = connection_->run(is_undone ? "ROLLBACK TO quorate_request; RELEASE quorate_request"
                                                               : "RELEASE quorate_request");
    if (!settled) return Fare::kLost;
  }
  return runner.needs_to_be_alone() ? Fare::kNeedsAlone : Fare::kWell;
}

void BatchRunner::run_alone(const Request& request, Response& response) {
  RequestRunner runner(*connection_, request, options_.now);
  runner.run_alone(response, OpenEnd::kRollBack);
  is_tainted_ = is_tainted_ || runner.has_changed_connection();
}

void BatchRunner::run_without_last(const Request& request, Response& response) {
  StatementResult last = std::move(response.results.back());
  Request before = request;
  std::erase_if(before.statements, [](const SqlStatement& statement) { return statement.sql.empty(); });
  before.statements.resize(response.results.size() - 1);
  run_alone(before, response);
  response.results.push_back(std::move(last));
}

}  // namespace quorate::sqlite
