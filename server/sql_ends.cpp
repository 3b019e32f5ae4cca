#include "server/sql_ends.hpp"

#include <utility>

namespace quorate::server {

using sqlite::Execution;
using sqlite::SqlErrorKind;

namespace {

SqlEnd::Kind kind_of(Execution::End end) {
  switch (end) {
    case Execution::End::kDone: return SqlEnd::Kind::kDone;
    case Execution::End::kNotLeader: return SqlEnd::Kind::kNotLeader;
    case Execution::End::kRefused: return SqlEnd::Kind::kRefused;
    case Execution::End::kInvalid: return SqlEnd::Kind::kInvalid;
    case Execution::End::kTooLarge: return SqlEnd::Kind::kTooLarge;
    case Execution::End::kUnknown: break;
  }
  return SqlEnd::Kind::kUnknown;
}

SqlEnd::Kind kind_of(SqlErrorKind error) {
  switch (error) {
    case SqlErrorKind::kSql:
    case SqlErrorKind::kRefused: return SqlEnd::Kind::kInvalid;
    case SqlErrorKind::kTooLarge: return SqlEnd::Kind::kTooLarge;
    case SqlErrorKind::kNotLeader: return SqlEnd::Kind::kNotLeader;
    case SqlErrorKind::kTimeout:
    case SqlErrorKind::kCancelled:
    case SqlErrorKind::kBusy:
    case SqlErrorKind::kStorage: break;
  }
  return SqlEnd::Kind::kRefused;
}

}  // namespace

SqlEnd refused(std::string why) { return {.kind = SqlEnd::Kind::kRefused, .error = std::move(why)}; }

SqlEnd not_leader() { return {.kind = SqlEnd::Kind::kNotLeader, .error = "this node is not the leader"}; }

SqlEnd end_of(const sqlite::SqlError& error, Ran how) {
  return {.kind = kind_of(error.kind), .error = std::string(client_text(error, how))};
}

SqlEnd end_of(const Error& error) {
  const bool is_fault_of_file = error.kind == ErrorKind::kInvalidArgument;
  return {.kind = is_fault_of_file ? SqlEnd::Kind::kInvalid : SqlEnd::Kind::kRefused, .error = error.message};
}

SqlEnd end_of(const Execution& execution) {
  SqlEnd end{.kind = kind_of(execution.end),
             .error = execution.error,
             .log_index = execution.log_index,
             .state_index = execution.state_index};
  if (end.kind == SqlEnd::Kind::kDone && execution.response.error) {
    end.kind = kind_of(execution.response.error->kind);
    end.error = client_text(*execution.response.error, Ran::kToExecute);
  }
  if (end.kind == SqlEnd::Kind::kNotLeader && end.error.empty()) end.error = not_leader().error;
  return end;
}

}  // namespace quorate::server
