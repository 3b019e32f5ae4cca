// Watches a connection and collects what its transactions do to the rows of tables; with every commit the changes go
// into the queue of the change feed (change_queue.hpp), sealed together with the pages.
//
// SQLite's preupdate hook tells of every row, those included that triggers, foreign keys and conflict clauses change.
// What is undone afterwards, by ROLLBACK, ROLLBACK TO or a statement that fails, SQLite tells as well, to tables that
// take part in the transaction: so an eponymous virtual table (kTransactionTable) without rows or contents does. It
// joins with the first statement of a transaction that may write, which takes the write lock and sets changes() back.
//
// What is not told: tables of SQLite's own, temporary tables and databases that are no replicated ones, schema changes,
// and the rows of CREATE TABLE ... AS. Values of generated columns are told if they are stored; if a column behind one
// that is not stored is, no values of that table are told: SQLite 3.40 mixes them up.
//
// Errors: what cannot be collected fails the transaction. Threads: the connection's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/result.hpp"
#include "statemachine/sqlite/change_buffer.hpp"
#include "statemachine/sqlite/limits.hpp"
#include "statemachine/sqlite/value.hpp"
#include "statemachine/sqlite/vfs.hpp"

struct sqlite3;
struct sqlite3_stmt;
struct sqlite3_value;

namespace quorate::sqlite {

struct CaptureOptions {
  enum class Rows : std::uint8_t { kWithValues, kIdsOnly };

  /// Whether to tell of a table: by its name in "main", as "database.table" elsewhere. Null: of all.
  std::function<bool(std::string_view table)> wants;
  Rows rows = Rows::kWithValues;
  /// A group that has grown so large is continued in the next one.
  std::size_t group_bytes = kChangeGroupBytes;
  /// Of one transaction, which fails beyond it.
  std::uint64_t transaction_bytes_max = kChangesBytesMax;
};

class ChangeCapture final : public CommitCompanion {
 public:
  ChangeCapture(CaptureOptions options, std::function<std::int64_t()> unix_time_ms);
  ~ChangeCapture() override;
  ChangeCapture(const ChangeCapture&) = delete;
  ChangeCapture& operator=(const ChangeCapture&) = delete;

  /// From now on, before anything is prepared. An SQLite result code.
  int watch(sqlite3* database);
  /// Before the connection is closed.
  void let_go();

  /// Before every step of a statement.
  void before_step();
  /// Before every step of a statement that may write. An SQLite result code.
  int join_transaction();

  /// What was done since the last end takes effect at once, whatever else the transaction does.
  void end_group() { buffer_.end_group(); }
  /// A file takes the place of a database, in the transaction that is written next.
  void add_replacement(std::string database) { buffer_.add_replacement(std::move(database)); }
  /// The transaction cannot be committed any more.
  [[nodiscard]] bool has_failed() const { return failure_.has_value(); }
  /// Why it could not in this step, though it may be over by now.
  [[nodiscard]] const std::optional<Error>& failure_of_step() const { return failure_of_step_; }

  [[nodiscard]] Result<std::optional<DatabaseWrite>> share(const PageStore& store, const Pin& base) override;
  void transaction_ended(TransactionFate fate) override;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  using StatementHandle = std::unique_ptr<sqlite3_stmt, Finalize>;

  struct Column {
    std::string name;
    bool is_real = false;
    bool has_default = false;
    int key_part = 0;  ///< counted from 1; 0: not in the primary key
  };
  struct Table {
    bool is_wanted = false;
    std::shared_ptr<const ChangedTable> description;
    std::vector<Column> columns;  ///< as far as they are stored
    std::string row_id;           ///< what SQL calls it; empty if there is none
    StatementHandle original;     ///< reads the columns that have a default
    std::uint64_t life = 0;       ///< of the buffer that knows the table as ...
    std::size_t number = 0;
  };
  struct Schema {
    std::string database;  ///< empty: not a replicated one
    std::int64_t cookie = -1;
    std::uint64_t checked = 0;  ///< in which step
    StatementHandle ask_cookie;
    std::map<std::string, Table, std::less<>> tables;
  };
  struct Transaction;  // the virtual table
  struct HookCall;     // what the hook is called with

  static void on_change(void* self, sqlite3* database, int operation, const char* schema, const char* table,
                        std::int64_t old_key, std::int64_t new_key);
  void take(const HookCall& change);
  void put_before(Table& table, const HookCall& change);
  void put_after(Table& table);
  sqlite3_value* original_value(Table& table, const HookCall& change, std::size_t column);
  Table* find(std::string_view schema, std::string_view table);
  bool refresh(Schema& schema, const std::string& alias);
  bool describe(const std::string& alias, const std::string& name, const Schema& schema, Table& table);
  bool read_columns(const std::string& alias, const std::string& name, Table& table);
  StatementHandle prepare(char* sql);
  void fail_with(ErrorKind kind, std::string message);

  void savepoint(int number);
  void release(int number);
  void roll_back_to(int number);

  CaptureOptions options_;
  std::function<std::int64_t()> unix_time_ms_;
  sqlite3* database_ = nullptr;
  StatementHandle join_;
  bool is_joined_ = false;

  ChangeBuffer buffer_;
  std::vector<std::size_t> savepoints_;  ///< where the buffer stood, by number
  ByteWriter body_;                      ///< of the change at hand
  std::optional<Error> failure_;
  std::optional<Error> failure_of_step_;

  std::map<std::string, Schema, std::less<>> schemas_;  ///< by the name that SQL has for them
  bool are_schemas_stale_ = false;
  std::uint64_t step_ = 0;
  Table* last_table_ = nullptr;  ///< that was looked up, in this step
  std::string last_schema_name_;
  std::string last_table_name_;
};

}  // namespace quorate::sqlite
