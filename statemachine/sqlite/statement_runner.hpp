// Runs one element of a request on a connection: prepares, binds, steps to the end, collects. It knows nothing of
// transactions, except that it undoes a statement whose result turns out too large.
//
// Threads: as the connection. Holds nothing between calls.
#pragma once

#include <cstddef>
#include <optional>

#include "statemachine/sqlite/connection.hpp"
#include "statemachine/sqlite/request.hpp"

namespace quorate::sqlite {

enum class Company : std::uint8_t {
  kAlone,   ///< the connection is the request's own while it runs
  kShared,  ///< the statement runs in a transaction together with other requests
};

/// Changes neither a database nor the connection nor its transaction, except that it may attach a database.
[[nodiscard]] bool is_harmless_query(const Statement& statement);

/// Binds all parameters of a statement that is the only one of its text.
SqlResult<void> bind_all(Statement& statement, const Parameters& parameters);

class StatementRunner {
 public:
  /// `result_bytes_left` is what the request may still put into its response.
  StatementRunner(Connection& connection, RequestKind kind, Company company, std::size_t result_bytes_left)
      : connection_(connection), kind_(kind), company_(company), result_bytes_left_(result_bytes_left) {}

  /// The result of the last statement in the text; nullopt if the text is empty.
  std::optional<StatementResult> run(const SqlStatement& statement);

  /// The last statement does not go together with other requests: it was not run; run the whole request alone.
  [[nodiscard]] bool needs_to_be_alone() const { return needs_to_be_alone_; }
  /// The connection is not as it was: attached databases, temporary objects, settings.
  [[nodiscard]] bool has_changed_connection() const { return has_changed_connection_; }
  [[nodiscard]] Company company() const { return company_; }

 private:
  SqlResult<StatementResult> run_prepared(Statement& statement, const Parameters& parameters);
  [[nodiscard]] bool reports_rows(const Statement& statement) const;
  SqlResult<StatementResult> collect(Statement& statement);
  SqlResult<void> take_row(Statement& statement, StatementResult& result);

  Connection& connection_;
  RequestKind kind_;
  Company company_;
  std::size_t result_bytes_left_;
  std::size_t positional_used_ = 0;  ///< parameters taken by earlier statements of the same text
  bool is_last_ = false;             ///< of the statements of the text
  bool needs_to_be_alone_ = false;
  bool has_changed_connection_ = false;
};

}  // namespace quorate::sqlite
