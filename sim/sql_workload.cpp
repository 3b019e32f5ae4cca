#include "sim/sql_workload.hpp"

#include <array>

#include <fmt/format.h>

#include "consensus/assert.hpp"
#include "sim/sql_file.hpp"
#include "statemachine/sqlite/bytes.hpp"
#include "statemachine/sqlite/request_codec.hpp"

namespace quorate::sim {

namespace {

using sqlite::StatementResult;
using Step = SqlCommand::Step;
using Meaning = SqlCommand::Meaning;

enum Kind : std::uint16_t {
  kPut,
  kCompareAndSet,
  kAppend,
  kDelete,
  kTransaction,
  kTransfer,
  kInsertOnce,
  kNoise,
  kLarge,
  kSchema,
  kVacuum,
  kInteractive,
  kLoad,
  kReadThroughLog,
  kCheck,
  kRead,
  kFollowerRead,
  kStaleRead,
  kReadOfLoaded,
};
constexpr std::array kKinds{OperationKind{"put", 16, Access::kCommand},
                            OperationKind{"cas", 10, Access::kCommand},
                            OperationKind{"append", 14, Access::kCommand},
                            OperationKind{"delete", 4, Access::kCommand},
                            OperationKind{"txn", 8, Access::kCommand},
                            OperationKind{"transfer", 12, Access::kCommand},
                            OperationKind{"insert-once", 6, Access::kCommand},
                            OperationKind{"noise", 6, Access::kCommand},
                            OperationKind{"large", 2, Access::kCommand},
                            OperationKind{"schema", 2, Access::kCommand},
                            OperationKind{"vacuum", 1, Access::kCommand},
                            OperationKind{"interactive", 6, Access::kCommand},
                            OperationKind{"load", 2, Access::kCommand},
                            OperationKind{"get-log", 6, Access::kCommand},
                            OperationKind{"check", 1, Access::kCommand},
                            OperationKind{"get", 20, Access::kRead},
                            OperationKind{"get-follower", 10, Access::kFollowerRead},
                            OperationKind{"get-stale", 4, Access::kStaleRead},
                            OperationKind{"get-loaded", 3, Access::kFollowerRead}};

/// Requests of one entry, in the order in which they stand there; reads come behind them.
constexpr std::uint64_t kPositionsMax = std::uint64_t{1} << 20;
constexpr std::uint32_t kAccounts = 8;

/// Every request brings the tables along; whoever comes first creates them.
constexpr std::array kTables{
    "CREATE TABLE IF NOT EXISTS register(k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS list(id INTEGER PRIMARY KEY AUTOINCREMENT, k TEXT, element TEXT)",
    "CREATE INDEX IF NOT EXISTS list_by_key ON list(k, id)",
    "CREATE TABLE IF NOT EXISTS account(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL DEFAULT 0)",
    "CREATE TABLE IF NOT EXISTS once(u INTEGER UNIQUE, at TEXT DEFAULT CURRENT_TIMESTAMP, r DEFAULT (random()))",
    "CREATE TABLE IF NOT EXISTS noise(r INTEGER, b BLOB, at TEXT DEFAULT CURRENT_TIMESTAMP)",
    "CREATE TABLE IF NOT EXISTS audit(n INTEGER PRIMARY KEY, r INTEGER)",
    "CREATE TRIGGER IF NOT EXISTS noted AFTER INSERT ON noise WHEN new.r % 4 = 0 BEGIN INSERT INTO audit(r) "
    "VALUES(random()); END",
};
constexpr const char* kReadRegister = "SELECT v FROM register WHERE k = ?";
constexpr const char* kReadList =
    "SELECT group_concat(element, '') FROM (SELECT element FROM list WHERE k = ? ORDER BY id)";
constexpr const char* kSumOfAccounts = "SELECT coalesce(sum(balance), 0) FROM account";

std::string register_name(std::uint32_t key) { return fmt::format("r{}", key); }
std::string list_name(std::uint32_t key) { return fmt::format("l{}", key); }
/// Transactions stay within pairs of keys: the checker must search keys together that one transaction touches.
std::uint32_t partner(std::uint32_t key) { return key ^ 1; }

class Builder {
 public:
  explicit Builder(sqlite::RequestKind kind) { command_.request.kind = kind; }

  Builder& add(Step step, std::string sql, std::vector<sqlite::Value> parameters = {}) {
    command_.steps.push_back(std::move(step));
    command_.request.statements.push_back({std::move(sql), std::move(parameters)});
    return *this;
  }
  Builder& run(std::string sql, std::vector<sqlite::Value> parameters = {}) {
    return add({}, std::move(sql), std::move(parameters));
  }
  Builder& with_tables() {
    for (const char* table : kTables) run(table);
    return *this;
  }
  Builder& read_all(std::uint32_t key) {
    add({Meaning::kRead, register_name(key), {}, {}}, kReadRegister, {register_name(key)});
    return add({Meaning::kRead, list_name(key), {}, {}}, kReadList, {list_name(key)});
  }
  Builder& check_accounts() { return add({Meaning::kInvariant, {}, "0", {}}, kSumOfAccounts); }
  SqlCommand as_transaction() {
    command_.request.atomicity = sqlite::Atomicity::kTransaction;
    return std::move(command_);
  }
  SqlCommand each_alone() { return std::move(command_); }

 private:
  SqlCommand command_;
};

sqlite::Value value_of(const std::optional<std::string>& text) {
  return text ? sqlite::Value(*text) : sqlite::Value(std::monostate{});
}

SqlCommand change_schema(const PlannedOperation& operation, Builder& builder) {
  switch (operation.argument % 5) {
    case 0: builder.run("CREATE INDEX IF NOT EXISTS noise_by_r ON noise(r)"); break;
    case 1: builder.run("DROP INDEX IF EXISTS noise_by_r"); break;
    case 2: builder.run(fmt::format("ALTER TABLE noise ADD COLUMN c{} DEFAULT {}", operation.id, operation.id)); break;
    case 3: builder.run(fmt::format("CREATE TABLE IF NOT EXISTS extra{} AS SELECT * FROM noise", operation.key)); break;
    default: builder.run(fmt::format("DROP TABLE IF EXISTS extra{}", operation.key)); break;
  }
  return builder.as_transaction();
}

SqlCommand transfer(const PlannedOperation& operation, Builder& builder) {
  const std::int64_t from = operation.key % kAccounts;
  const std::int64_t to = operation.argument % kAccounts;
  const std::int64_t amount = operation.argument % 97;
  builder.run("INSERT OR IGNORE INTO account(id) VALUES(?), (?)", {from, to});
  builder.add({Meaning::kOneRow, {}, {}, {}}, "UPDATE account SET balance = balance - ? WHERE id = ?", {amount, from});
  builder.add({Meaning::kOneRow, {}, {}, {}}, "UPDATE account SET balance = balance + ? WHERE id = ?", {amount, to});
  return builder.check_accounts().as_transaction();
}

/// Statement by statement, in a session (sql_session.hpp). The row that may be inserted only once tells a client that
/// asks again whether it has been heard before.
SqlCommand interactive_command(const PlannedOperation& operation) {
  const std::string element = fmt::format("{},", operation.id);
  const std::string other = register_name(partner(operation.key));
  const std::string value = fmt::format("v{}", operation.id);
  std::string tables;
  for (const char* table : kTables) tables += fmt::format("{};", table);
  Builder builder(sqlite::RequestKind::kMixed);
  builder.run(kBeginOfSession).run(tables);
  builder.add({Meaning::kOneRow, {}, {}, {}}, "INSERT INTO once(u) VALUES(?)",
              {static_cast<std::int64_t>(operation.id)});
  builder.read_all(operation.key);
  builder.add({Meaning::kWrite, other, value, {}}, "INSERT OR REPLACE INTO register VALUES(?, ?)", {other, value});
  builder.add({Meaning::kAppend, list_name(operation.key), element, {}}, "INSERT INTO list(k, element) VALUES(?, ?)",
              {list_name(operation.key), element});
  return builder.check_accounts().each_alone();
}

/// Which file is there, if any, and whether it is whole.
SqlCommand read_of_loaded() {
  Builder builder(sqlite::RequestKind::kQuery);
  builder.run("ATTACH 'loaded' AS l");
  builder.add({Meaning::kRead, "loaded", {}, {}}, "SELECT min(mark) FROM l.loaded");
  builder.add({Meaning::kInvariant, {}, "1", {}},
              fmt::format("SELECT count(*) = {} AND count(DISTINCT mark) = 1 FROM l.loaded", kFileRows));
  return builder.each_alone();
}

SqlCommand write_command(const PlannedOperation& operation, const SqlTraits::Memory& seen) {
  const std::string name = register_name(operation.key);
  const std::string value = fmt::format("v{}", operation.id);
  Builder builder(sqlite::RequestKind::kMixed);
  builder.with_tables();
  switch (static_cast<Kind>(operation.kind)) {
    case kPut:
      builder.add({Meaning::kWrite, name, value, {}},
                  "INSERT INTO register VALUES(?, ?) ON CONFLICT(k) DO UPDATE SET v = excluded.v", {name, value});
      break;
    case kCompareAndSet: {
      const auto found = seen.find(name);
      const std::optional<std::string> expected = found == seen.end() ? std::nullopt : found->second;
      builder.add({Meaning::kCompareAndSet, name, value, expected},
                  "INSERT INTO register SELECT ?1, ?2 WHERE (SELECT v FROM register WHERE k = ?1) IS ?3 "
                  "ON CONFLICT(k) DO UPDATE SET v = excluded.v",
                  {name, value, value_of(expected)});
      break;
    }
    case kAppend: {
      const std::string element = fmt::format("{},", operation.id);
      builder.add({Meaning::kAppend, list_name(operation.key), element, {}},
                  "INSERT INTO list(k, element) VALUES(?, ?)", {list_name(operation.key), element});
      break;
    }
    case kDelete: builder.add({Meaning::kDelete, name, {}, {}}, "DELETE FROM register WHERE k = ?", {name}); break;
    case kTransaction: {
      const std::string element = fmt::format("{},", operation.id);
      const std::string other = register_name(partner(operation.key));
      builder.read_all(operation.key);
      builder.add({Meaning::kWrite, other, value, {}}, "INSERT OR REPLACE INTO register VALUES(?, ?)", {other, value});
      builder.add({Meaning::kAppend, list_name(operation.key), element, {}},
                  "INSERT INTO list(k, element) VALUES(?, ?)", {list_name(operation.key), element});
      break;
    }
    case kTransfer: return transfer(operation, builder);
    case kInsertOnce:
      builder.add({Meaning::kOneRow, {}, {}, {}}, "INSERT INTO once(u) VALUES(?)",
                  {static_cast<std::int64_t>(operation.id)});
      break;
    case kNoise:
      builder.run("INSERT INTO noise(r, b) VALUES(random(), randomblob(?))",
                  {static_cast<std::int64_t>(operation.argument % 2000)});
      break;
    case kLarge:
      builder.run(
          "INSERT INTO noise(r, b) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40) "
          "SELECT random(), randomblob(400) FROM n");
      builder.run("DELETE FROM noise WHERE rowid < (SELECT max(rowid) - 80 FROM noise)");
      break;
    case kSchema: return change_schema(operation, builder);
    default: QUORATE_ASSERT(false);
  }
  return builder.as_transaction();
}

/// A storage that could not, a time that ran out: it says nothing about the database.
bool is_about_the_node(const sqlite::SqlError& error) {
  return error.kind != sqlite::SqlErrorKind::kSql && error.kind != sqlite::SqlErrorKind::kRefused;
}

const sqlite::SqlError* error_of(const sqlite::Response& response) {
  if (response.error) return &*response.error;
  for (const StatementResult& result : response.results) {
    if (result.kind == StatementResult::Kind::kError) return &result.error;
  }
  return nullptr;
}

std::optional<std::string> first_value(const StatementResult& result) {
  if (result.rows.empty() || result.rows.front().empty()) return std::nullopt;
  const sqlite::Value& value = result.rows.front().front();
  if (const auto* number = std::get_if<std::int64_t>(&value)) return fmt::format("{}", *number);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  return std::nullopt;
}

checker::ValueId id_of(const std::optional<std::string>& value, checker::Values& values) {
  return value ? values.intern({*value}) : checker::kNil;
}

checker::Function function_of(Meaning meaning) {
  switch (meaning) {
    case Meaning::kWrite: return checker::Function::kWrite;
    case Meaning::kAppend: return checker::Function::kAppend;
    case Meaning::kCompareAndSet: return checker::Function::kCompareAndSet;
    case Meaning::kDelete: return checker::Function::kDelete;
    case Meaning::kRead:
    case Meaning::kInvariant:
    case Meaning::kOneRow:
    case Meaning::kNothing: break;
  }
  return checker::Function::kRead;
}

/// What the statement's result says about its entry of the model.
std::optional<checker::ValueId> result_of(const Step& step, const StatementResult& result, checker::Values& values) {
  switch (step.meaning) {
    case Meaning::kRead: return id_of(first_value(result), values);
    case Meaning::kCompareAndSet:
    case Meaning::kDelete: return checker::truth(result.rows_affected > 0);
    case Meaning::kInvariant: {
      if (result.kind == StatementResult::Kind::kError) return std::nullopt;  // there are no tables yet
      const std::optional<std::string> found = first_value(result);
      // A damaged page of this node's base file: integrity_check reports what it could not read as one of its findings.
      if (found && found->find("unable to get the page") != std::string::npos) return std::nullopt;
      return found == step.value ? checker::kNil : values.intern({found.value_or("nothing")});
    }
    case Meaning::kOneRow:
      return result.rows_affected == 1 ? checker::kNil : values.intern({fmt::format("{} rows", result.rows_affected)});
    case Meaning::kWrite:
    case Meaning::kAppend:
    case Meaning::kNothing: break;
  }
  return std::nullopt;
}

/// What touches nothing that others touch must not tie them together: the checker searches an order for all entries
/// that operations tie.
std::string own_key(const SqlCommand& command, std::size_t step) { return fmt::format("{}.{}", command.id, step); }

checker::Action action_of(const SqlCommand& command, std::size_t at, checker::Values& values) {
  const Step& step = command.steps[at];
  checker::Action action;
  action.function = function_of(step.meaning);
  action.key = values.intern({step.key.empty() ? own_key(command, at) : step.key});
  if (action.function != checker::Function::kRead && step.value) action.argument = values.intern({*step.value});
  action.expected = id_of(step.expected, values);
  return action;
}

SqlCommand command_without_id(const PlannedOperation& operation, const SqlTraits::Memory& seen) {
  switch (static_cast<Kind>(operation.kind)) {
    case kInteractive: return interactive_command(operation);
    case kLoad: {
      const std::string mark = fmt::format("v{}", operation.id);
      return Builder(sqlite::RequestKind::kMixed)
          .add({Meaning::kWrite, "loaded", mark, {}}, kLoadOfFile, {mark})
          .each_alone();
    }
    case kReadOfLoaded: return read_of_loaded();
    case kVacuum: return Builder(sqlite::RequestKind::kExecute).run("VACUUM").each_alone();
    case kCheck:
    case kReadThroughLog: {
      Builder builder(sqlite::RequestKind::kMixed);
      builder.with_tables().read_all(operation.key).check_accounts();
      if (operation.kind == kCheck || operation.key == 0) {
        builder.add({Meaning::kInvariant, {}, "ok", {}}, "PRAGMA integrity_check");
      }
      return builder.as_transaction();
    }
    case kRead:
    case kFollowerRead:
    case kStaleRead: return Builder(sqlite::RequestKind::kQuery).read_all(operation.key).check_accounts().each_alone();
    default: return write_command(operation, seen);
  }
}

}  // namespace

std::span<const OperationKind> sql_operation_kinds() { return kKinds; }

SqlCommand SqlTraits::command_of(const PlannedOperation& operation, const Memory& seen) {
  SqlCommand command = command_without_id(operation, seen);
  command.id = operation.id;
  return command;
}

/// Where nothing can be said, something that says nothing: a history has no operation without an action.
bool SqlTraits::record(const SqlCommand& command, const std::optional<SqlReply>& reply, checker::Values& values,
                       Memory& seen, std::vector<checker::Action>& actions) {
  // Answered before, and the answer was not kept: nothing is known but its place in the log.
  if (reply && reply->response.results.empty() && !reply->response.error) {
    return record(command, std::nullopt, values, seen, actions);
  }
  const sqlite::SqlError* error = reply ? error_of(reply->response) : nullptr;
  const bool is_query = command.request.kind == sqlite::RequestKind::kQuery;
  if (error != nullptr && is_query && error->message.find("no such table") != std::string::npos) error = nullptr;
  if (error != nullptr) {
    checker::Action action;
    action.key = values.intern({own_key(command, 0)});
    action.result = is_about_the_node(*error) ? checker::kNil : values.intern({error->message});
    actions.push_back(action);
    return true;
  }
  QUORATE_ASSERT(!reply || reply->response.results.size() == command.steps.size());
  for (std::size_t at = 0; at < command.steps.size(); ++at) {
    const Step& step = command.steps[at];
    if (step.meaning == Meaning::kNothing && !(actions.empty() && at + 1 == command.steps.size())) continue;
    checker::Action action = action_of(command, at, values);
    if (reply) action.result = result_of(step, reply->response.results[at], values);
    if (reply && step.meaning == Meaning::kRead) seen[step.key] = first_value(reply->response.results[at]);
    actions.push_back(action);
  }
  return true;
}

Index SqlTraits::place(const SqlReply& reply) {
  return Index{reply.log_index.value * kPositionsMax + std::min<std::uint64_t>(reply.position, kPositionsMax - 1)};
}

PlannedOperation SqlTraits::final_read(std::uint32_t key) { return {.kind = kReadThroughLog, .key = key}; }

Payload SqlApp::encode(const Command& command) { return sqlite::encode(command.request); }

Payload SqlApp::encode(const Reply& reply) {
  sqlite::ByteWriter out;
  out.fixed(reply.log_index.value);
  out.fixed(reply.position);
  out.raw(sqlite::encode(reply.response).bytes());
  return Payload::copy_of(out.bytes());
}

Result<SqlReply> SqlApp::decode_reply(std::span<const std::byte> bytes) {
  sqlite::ByteReader in(bytes);
  SqlReply reply;
  reply.log_index = Index{in.fixed<std::uint64_t>()};
  reply.position = in.fixed<std::uint32_t>();
  Result<sqlite::Response> response = sqlite::decode_response(in.raw(in.left()));
  if (!response) return tl::unexpected(response.error());
  reply.response = std::move(*response);
  return reply;
}

std::string SqlApp::describe(const Command& command) {
  const std::string& last = command.request.statements.back().sql;
  std::string text = last;
  for (const Step& step : command.steps) {
    if (step.meaning == Meaning::kNothing || step.meaning == Meaning::kInvariant) continue;
    text = fmt::format("{} {}{}", checker::name_of(function_of(step.meaning)), step.key,
                       step.value ? " " + *step.value : "");
  }
  return text;
}

std::string SqlApp::describe(const Reply& reply) {
  std::string text = fmt::format("@{}.{}", reply.log_index.value, reply.position);
  if (const sqlite::SqlError* error = error_of(reply.response)) return text + " error: " + error->message;
  for (const StatementResult& result : reply.response.results) {
    if (result.kind == StatementResult::Kind::kRows) text += " " + first_value(result).value_or("nil");
  }
  return text;
}

}  // namespace quorate::sim
