// What the clients of a simulated SQL database do: registers and lists over tables, transfers between accounts, rows
// that must be inserted once, and what makes replication hard: random(), CURRENT_TIMESTAMP, triggers, large
// transactions, schema changes, VACUUM, files that replace a whole database. Every request is also said in the terms of
// the checker's key-value model: a row of `register` and the elements of a list are one entry each, and what must
// always hold is an entry that nobody writes and that is read as nil.
//
// Replies say where in the log they stand, so that the order of the log can be held against the history.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/checker/models.hpp"
#include "sim/workload.hpp"
#include "statemachine/sqlite/request.hpp"

namespace quorate::sim {

/// The first statement of a request that is sent statement by statement, as an interactive transaction.
inline constexpr const char* kBeginOfSession = "BEGIN";

/// The only statement of a request to make a file (sql_file.hpp) the database `loaded`; its parameter is the mark.
inline constexpr const char* kLoadOfFile = "LOAD";

/// What a client asks, and what it means.
struct SqlCommand {
  enum class Meaning : std::uint8_t {
    kRead,           ///< the first value of the result, nil if there is none
    kWrite,          ///< of `value` under `key`
    kAppend,         ///< the same
    kCompareAndSet,  ///< and the result says whether a row was changed
    kDelete,         ///< the same
    kInvariant,      ///< the first value of the result must be `value`
    kOneRow,         ///< one row must have been changed
    kNothing,        ///< that the model knows of
  };
  struct Step {
    Meaning meaning = Meaning::kNothing;
    std::string key;  ///< empty: an entry of the operation's own
    std::optional<std::string> value;
    std::optional<std::string> expected;
  };

  std::uint32_t id = 0;     ///< of the operation
  std::vector<Step> steps;  ///< one for each statement of the request
  sqlite::Request request;
};

struct SqlReply {
  Index log_index;
  std::uint32_t position = 0;  ///< among the requests of that entry
  sqlite::Response response;
};

/// The face of the SQL database that TypedWorkload expects of an application.
struct SqlApp {
  static constexpr std::string_view kName = "sqlite";
  using Command = SqlCommand;
  using Reply = SqlReply;

  static Payload encode(const Command& command);
  static Payload encode(const Reply& reply);
  static Result<Reply> decode_reply(std::span<const std::byte> bytes);
  static std::string describe(const Command& command);
  static std::string describe(const Reply& reply);
};

struct SqlTraits {
  using App = SqlApp;
  using Model = checker::KeyValue;
  using Memory = std::map<std::string, std::optional<std::string>>;  ///< what a client saw last in a register

  static SqlCommand command_of(const PlannedOperation& operation, const Memory& seen);
  static bool record(const SqlCommand& command, const std::optional<SqlReply>& reply, checker::Values& values,
                     Memory& seen, std::vector<checker::Action>& actions);
  static Index place(const SqlReply& reply);
  static PlannedOperation final_read(std::uint32_t key);
};

[[nodiscard]] std::span<const OperationKind> sql_operation_kinds();

}  // namespace quorate::sim
