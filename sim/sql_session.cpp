#include "sim/sql_session.hpp"

#include <utility>

namespace quorate::sim {

using sqlite::Execution;

void SqlSession::start(sqlite::Executor& executor, sqlite::Request request, Instant deadline, std::size_t silent_before,
                       Done done) {
  std::shared_ptr<SqlSession>(new SqlSession(executor, std::move(request), deadline, silent_before, std::move(done)))
      ->begin();
}

void SqlSession::begin() {
  executor_.begin(deadline_, [self = shared_from_this()](const Execution& execution, std::string token) {
    if (execution.end != Execution::End::kDone) return self->done_(std::move(self->outcome_));
    self->token_ = std::move(token);
    self->outcome_.response.results.emplace_back();  // of BEGIN
    self->go_on();
  });
}

void SqlSession::go_on() {
  if (next_ == request_.statements.size()) return commit();
  if (next_ == silent_before_) return done_(std::move(outcome_));
  sqlite::Submission submission{.deadline = deadline_};
  submission.request.kind = request_.kind;
  submission.request.statements.push_back(request_.statements[next_++]);
  executor_.execute_in(token_, std::move(submission),
                       [self = shared_from_this()](Execution execution) { self->took(std::move(execution)); });
}

/// Without a COMMIT nothing takes effect, whatever became of the statement.
void SqlSession::took(Execution execution) {
  const bool is_whole =
      execution.end == Execution::End::kDone && !execution.response.error && execution.response.results.size() == 1;
  if (!is_whole) return give_up(Outcome::Kind::kRefused);
  sqlite::StatementResult& result = execution.response.results.front();
  if (result.kind == sqlite::StatementResult::Kind::kError) {
    const bool is_there = result.error.message.starts_with("UNIQUE constraint failed: once.u");
    return give_up(is_there ? Outcome::Kind::kCommittedBefore : Outcome::Kind::kRefused);
  }
  outcome_.response.results.push_back(std::move(result));
  go_on();
}

void SqlSession::commit() {
  executor_.end(
      token_, sqlite::TransactionEnd::kCommit, deadline_, [self = shared_from_this()](const Execution& execution) {
        const bool failed = execution.response.error ||
                            (!execution.response.results.empty() &&
                             execution.response.results.front().kind == sqlite::StatementResult::Kind::kError);
        self->outcome_.log_index = execution.log_index;
        self->outcome_.position = execution.position;
        if (execution.end == Execution::End::kUnknown) self->outcome_.kind = Outcome::Kind::kUnknown;
        if (execution.end == Execution::End::kDone && !failed) self->outcome_.kind = Outcome::Kind::kCommitted;
        self->done_(std::move(self->outcome_));
      });
}

void SqlSession::give_up(Outcome::Kind kind) {
  outcome_.kind = kind;
  executor_.end(token_, sqlite::TransactionEnd::kRollBack, deadline_,
                [self = shared_from_this()](const Execution&) { self->done_(std::move(self->outcome_)); });
}

}  // namespace quorate::sim
