#include "server/sql_database.hpp"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "server/sql_ends.hpp"
#include "server/sql_reader.hpp"
#include "statemachine/sqlite/executor.hpp"

namespace quorate::server {

using sqlite::Execution;
using sqlite::RequestKind;

namespace {

/// A repeated request whose first answer was too large to keep: it is done, and that is all there is to say.

void deliver_all(const Execution& execution, ResultSink& sink) {
  if (execution.answer == Execution::Answer::kNotKept) return sink.failed(kResultNotKept, {});
  for (const sqlite::StatementResult& result : execution.response.results) deliver(result, Ran::kToExecute, sink);
}

sqlite::Executor::Done hand_over_to(std::shared_ptr<ResultSink> sink, SqlDone done) {
  return [sink = std::move(sink), done = std::move(done)](const Execution& execution) {
    SqlEnd end = end_of(execution);
    if (end.kind == SqlEnd::Kind::kDone && sink != nullptr) deliver_all(execution, *sink);
    done(std::move(end));
  };
}

/// What a statement begins with. Those that may only read are tried by the readers, which look more closely.
bool may_only_read(std::string_view sql) {
  const std::size_t start = sql.find_first_not_of(" \t\r\n\f(");
  if (start == std::string_view::npos) return true;
  sql.remove_prefix(start);
  const auto begins_with = [&](std::string_view word) {
    return sql.size() >= word.size() && std::ranges::equal(sql.substr(0, word.size()), word, [](char a, char b) {
             return (a >= 'a' && a <= 'z' ? static_cast<char>(a - 'a' + 'A') : a) == b;
           });
  };
  return begins_with("SELECT") || begins_with("WITH") || begins_with("VALUES") || begins_with("EXPLAIN") ||
         begins_with("PRAGMA") || begins_with("--") || begins_with("/*");
}

}  // namespace

void SqlDatabase::run(SqlRequest request, std::shared_ptr<ResultSink> sink, SqlDone done) {
  if (replica_ == nullptr) return done(refused(absence_));
  SlowStatements::Watched watched = slow_.watch(request.sql, std::move(sink), std::move(done));
  sink = std::move(watched.sink);
  done = std::move(watched.done);
  const Instant deadline = transport::AsioRuntime::now() + request.options.timeout;
  if (!request.options.transaction.empty()) {
    if (!replica_->is_leader()) return done(not_leader());
    std::string token = std::move(request.options.transaction);
    replica_->executor().execute_in(std::move(token), {.request = std::move(request.sql), .deadline = deadline},
                                    hand_over_to(std::move(sink), std::move(done)));
    return replica_->watch_executor();
  }
  const auto may_read = [](const sqlite::SqlStatement& statement) { return may_only_read(statement.sql); };
  const bool is_read =
      request.sql.kind == RequestKind::kQuery ||
      (request.sql.kind == RequestKind::kMixed && std::ranges::all_of(request.sql.statements, may_read));
  const bool goes_through_log = request.options.level == ReadLevel::kStrong || !request.options.idempotency_key.empty();
  if (is_read && !goes_through_log) return read(std::move(request), deadline, std::move(sink), std::move(done));
  execute(std::move(request), deadline, std::move(sink), std::move(done));
}

/// What turns out to write after all runs on the leader like any other write.
void SqlDatabase::read(SqlRequest request, Instant deadline, std::shared_ptr<ResultSink> sink, SqlDone done) {
  const auto shared = std::make_shared<SqlRequest>(std::move(request));
  SqlDone failed = done;
  await_level(
      shared->options, deadline,
      [this, shared, deadline, sink = std::move(sink), done = std::move(done)] {
        const bool is_mixed = shared->sql.kind == RequestKind::kMixed;
        SqlDone ended = !is_mixed ? done : [this, shared, deadline, sink, done](SqlEnd end) {
          if (end.kind != SqlEnd::Kind::kNotLeader) return done(std::move(end));
          execute(std::move(*shared), deadline, sink, done);
        };
        replica_->reader().run(is_mixed ? shared->sql : std::move(shared->sql), deadline, sink, std::move(ended));
      },
      std::move(failed));
}

void SqlDatabase::execute(SqlRequest request, Instant deadline, std::shared_ptr<ResultSink> sink, SqlDone done) {
  if (!replica_->is_leader()) return done(not_leader());
  if (!replica_->executor().can_write()) {
    const auto shared = std::make_shared<SqlRequest>(std::move(request));
    return replica_->await_executor(deadline, [this, shared, deadline, sink = std::move(sink), done = std::move(done)] {
      if (!replica_->executor().can_write()) return done(not_leader());
      execute(std::move(*shared), deadline, sink, done);
    });
  }
  const bool is_strong = request.sql.kind != RequestKind::kMixed || request.options.level == ReadLevel::kStrong ||
                         request.options.level == ReadLevel::kLinearizable;
  sqlite::Submission submission{.request = std::move(request.sql),
                                .idempotency_key = std::move(request.options.idempotency_key),
                                .deadline = deadline,
                                .proof = is_strong ? sqlite::Proof::kLog : sqlite::Proof::kHead};
  replica_->executor().execute(std::move(submission), hand_over_to(std::move(sink), std::move(done)));
  replica_->watch_executor();
}

void SqlDatabase::await_level(const SqlOptions& options, Instant deadline, Ready ready, SqlDone failed) {
  switch (options.level) {
    case ReadLevel::kAuto:
    case ReadLevel::kNone:
      if (options.freshness && !is_fresh(*options.freshness)) return failed(refused("stale read"));
      break;
    case ReadLevel::kWeak:
    case ReadLevel::kStrong: {
      const LeaderState* leading = replica_->core().leading();
      if (leading == nullptr) return failed(not_leader());
      return await_index(std::max(leading->term_start, options.min_index), deadline, std::move(ready),
                         std::move(failed));
    }
    case ReadLevel::kLinearizable: {
      const Instant patience = std::min(deadline, transport::AsioRuntime::now() + options.linearizable_timeout);
      return replica_->read(patience, [this, index = options.min_index, deadline, ready = std::move(ready),
                                       failed = std::move(failed)](ReadResult result) {
        if (result.refusal == Refusal::kNone) return await_index(index, deadline, ready, failed);
        failed(refused(describe(result.refusal)));
      });
    }
  }
  await_index(options.min_index, deadline, std::move(ready), std::move(failed));
}

void SqlDatabase::await_index(Index index, Instant deadline, Ready ready, SqlDone failed) {
  if (replica_->core().applied() >= index) return ready();
  replica_->wait_applied(index, deadline, [ready = std::move(ready), failed = std::move(failed)](ReadResult result) {
    if (result.refusal == Refusal::kNone) return ready();
    failed(refused("the state asked for has not arrived here in time"));
  });
}

/// By contact: how long ago the leader was heard of. By appending: how much log time passed between what is applied
/// here and what is known to be committed, on top of that.
bool SqlDatabase::is_fresh(const Freshness& freshness) const {
  const std::optional<Duration> silence = replica_->since_contact();
  if (!silence || *silence > freshness.limit) return false;
  if (freshness.measure == Freshness::Measure::kSinceContact) return true;
  const Core& core = replica_->core();
  if (core.applied() >= core.commit()) return true;
  const std::uint64_t behind_ms = core.time_at(core.commit()).value - core.time_at(core.applied()).value;
  return *silence + std::chrono::milliseconds(behind_ms) <= freshness.limit;
}

void SqlDatabase::begin(Duration timeout, std::function<void(TransactionBegun)> done) {
  if (replica_ == nullptr || !replica_->is_leader()) return done({.end = not_leader()});
  const Instant deadline = transport::AsioRuntime::now() + timeout;
  replica_->await_executor(deadline, [this, deadline, done = std::move(done)] {
    replica_->executor().begin(deadline, [options = options_, done](const Execution& execution, std::string token) {
      done({.end = end_of(execution),
            .token = std::move(token),
            .idle_timeout = options.transaction_idle_max,
            .total_timeout = options.transaction_max});
    });
    replica_->watch_executor();
  });
}

void SqlDatabase::end(std::string token, TransactionEnd how, Duration timeout, SqlDone done) {
  if (replica_ == nullptr || !replica_->is_leader()) return done(not_leader());
  const auto ending =
      how == TransactionEnd::kCommit ? sqlite::TransactionEnd::kCommit : sqlite::TransactionEnd::kRollBack;
  replica_->executor().end(std::move(token), ending, transport::AsioRuntime::now() + timeout,
                           hand_over_to(nullptr, std::move(done)));
  replica_->watch_executor();
}

}  // namespace quorate::server
