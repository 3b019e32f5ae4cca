// Runs one request on a connection, statement by statement, within its time limit. Whether the request is the only one
// in its transaction is the caller's affair, as is the connection.
//
// Threads: as the connection. Holds nothing between requests.
#pragma once

#include <functional>

#include "statemachine/sqlite/connection.hpp"
#include "statemachine/sqlite/request.hpp"
#include "statemachine/sqlite/statement_runner.hpp"

namespace quorate::sqlite {

/// What becomes of a transaction that the request leaves open.
enum class OpenEnd : std::uint8_t {
  kRollBack,  ///< it is rolled back, and the request has failed
  kKeep,      ///< it goes on with the next request of the session
};

class RequestRunner {
 public:
  /// All of them outlive the runner.
  RequestRunner(Connection& connection, const Request& request, const std::function<Instant()>& now)
      : connection_(connection), request_(request), now_(now) {}

  /// However much time the request itself allows.
  void end_by(Instant latest) { latest_ = latest; }

  /// In the transaction that is open: some part of the requests of others. The caller looks after the outcome.
  void run_shared(Response& response);
  /// The connection belongs to the request while it runs, and maybe longer.
  void run_alone(Response& response, OpenEnd open_end);

  [[nodiscard]] bool needs_to_be_alone() const { return needs_to_be_alone_; }
  [[nodiscard]] bool has_changed_connection() const { return has_changed_connection_; }

 private:
  void limit_connection();
  void release_connection();
  void run_statements(Response& response, Company company);
  void run_action(Response& response);
  void run_as_transaction(Response& response);

  Connection& connection_;
  const Request& request_;
  const std::function<Instant()>& now_;
  Instant latest_ = Instant::max();
  bool needs_to_be_alone_ = false;
  bool has_changed_connection_ = false;
};

[[nodiscard]] bool is_error(const StatementResult& result);
[[nodiscard]] bool has_error(const Response& response);
/// The error of the request's end takes the place of what its last statement had to say.
void fail_at_end(Response& response, SqlError error);
/// Rolls the connection's transaction back, unless that has happened already.
void roll_back(Connection& connection);

}  // namespace quorate::sqlite
