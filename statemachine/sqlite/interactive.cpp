#include "statemachine/sqlite/interactive.hpp"

#include <algorithm>
#include <utility>

#include <sqlite3.h>

#include "consensus/assert.hpp"
#include "statemachine/sqlite/request_runner.hpp"

namespace quorate::sqlite {

InteractiveSessions::InteractiveSessions(PageStore& store, InteractiveOptions options)
    : store_(store), options_(std::move(options)) {
  QUORATE_ASSERT(options_.random != nullptr);
  options_.connection.vfs.role = ConnectionRole::kWriter;
}

SqlResult<InteractiveToken> InteractiveSessions::open() {
  if (sessions_.size() >= kInteractiveSessionsMax) {
    return sql_fail({SqlErrorKind::kTooLarge, SQLITE_BUSY, "too many sessions are open; close one or try again later"});
  }
  SqlResult<std::unique_ptr<Connection>> connection = Connection::open(store_, options_.connection);
  if (!connection) return sql_fail(std::move(connection.error()));
  InteractiveToken token{options_.random()};
  while (token == InteractiveToken{} || sessions_.contains(token)) token = InteractiveToken{options_.random()};
  sessions_.emplace(token, Session{std::move(*connection), options_.connection.now(), std::nullopt});
  return token;
}

InteractiveSessions::Outcome InteractiveSessions::run(InteractiveToken token, const Request& request) {
  Outcome outcome;
  const Instant begin = options_.connection.now();
  expire(begin);
  const auto found = sessions_.find(token);
  if (found == sessions_.end()) {
    outcome.response.error =
        SqlError{SqlErrorKind::kRefused, SQLITE_MISUSE,
                 "no such session: it was closed, ran out of time or was lost with the leader, and "
                 "its transaction was rolled back; open a new one"};
    return outcome;
  }
  Session& session = found->second;
  const bool was_in_transaction = session.connection->in_transaction();
  RequestRunner runner(*session.connection, request, options_.connection.now);
  runner.end_by(session.transaction_begun.value_or(begin) + options_.transaction_max);
  runner.run_alone(outcome.response, OpenEnd::kKeep);
  outcome.response.depends_on = session.connection->vfs().newest_seen();
  outcome.versions = session.connection->vfs().take_sealed();

  session.last_used = options_.connection.now();
  if (!session.connection->in_transaction()) {
    session.transaction_begun.reset();
  } else if (!session.transaction_begun) {
    session.transaction_begun = begin;
  }
  const bool is_cut_off = was_in_transaction && !session.connection->in_transaction() && has_error(outcome.response);
  if (is_cut_off || session.connection->is_outdated()) sessions_.erase(found);
  return outcome;
}

Instant InteractiveSessions::expiry_of(const Session& session) const {
  const Instant idle = session.last_used + options_.idle_max;
  if (!session.transaction_begun) return idle;
  return std::min(idle, *session.transaction_begun + options_.transaction_max);
}

void InteractiveSessions::expire(Instant now) {
  std::erase_if(sessions_, [&](const auto& entry) { return expiry_of(entry.second) <= now; });
}

std::optional<Instant> InteractiveSessions::next_expiry() const {
  std::optional<Instant> next;
  for (const auto& [token, session] : sessions_) {
    const Instant expiry = expiry_of(session);
    if (!next || expiry < *next) next = expiry;
  }
  return next;
}

bool InteractiveSessions::is_writing() const {
  return std::ranges::any_of(sessions_, [](const auto& entry) { return entry.second.connection->is_writing(); });
}

}  // namespace quorate::sqlite
