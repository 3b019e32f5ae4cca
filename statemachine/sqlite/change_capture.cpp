// The preupdate hook is there only for those who say so before they include sqlite3.h.
#define SQLITE_ENABLE_PREUPDATE_HOOK 1

#include "statemachine/sqlite/change_capture.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

#include "consensus/assert.hpp"
#include "statemachine/sqlite/change_queue.hpp"
#include "statemachine/sqlite/value_codec.hpp"

namespace quorate::sqlite {
namespace {

/// SQLite keeps names with this beginning from clients' tables.
constexpr const char* kTransactionTable = "sqlite_quorate_changes";
constexpr std::string_view kOwnTables = "sqlite_";
constexpr std::string_view kMain = "main";

std::string_view text_or_nothing(const unsigned char* text) {
  return text == nullptr ? std::string_view{} : std::string_view(reinterpret_cast<const char*>(text));
}

char upper(char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; }

std::string in_capitals(std::string_view text) {
  std::string capitals(text);
  std::ranges::transform(capitals, capitals.begin(), upper);
  return capitals;
}

/// SQLite's rules for the affinity of a declared type, as far as they lead to REAL.
bool is_real_type(std::string_view declared) {
  const std::string type = in_capitals(declared);
  const auto has = [&type](const char* part) { return type.find(part) != std::string::npos; };
  if (has("INT") || has("CHAR") || has("CLOB") || has("TEXT") || has("BLOB")) return false;
  return has("REAL") || has("FLOA") || has("DOUB");
}

void put_sqlite_value(ByteWriter& out, sqlite3_value* value, bool is_real) {
  switch (value == nullptr ? SQLITE_NULL : sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
      // Columns of reals keep whole numbers as integers, to save space.
      if (is_real) return put_real(out, static_cast<double>(sqlite3_value_int64(value)));
      return put_integer(out, sqlite3_value_int64(value));
    case SQLITE_FLOAT: return put_real(out, sqlite3_value_double(value));
    case SQLITE_TEXT: {
      const unsigned char* text = sqlite3_value_text(value);
      if (text == nullptr) throw std::bad_alloc();
      return put_text(out, {reinterpret_cast<const char*>(text), static_cast<std::size_t>(sqlite3_value_bytes(value))});
    }
    case SQLITE_BLOB: {
      const auto* bytes = static_cast<const std::byte*>(sqlite3_value_blob(value));
      const auto size = static_cast<std::size_t>(sqlite3_value_bytes(value));
      if (bytes == nullptr && size > 0) throw std::bad_alloc();
      return put_blob(out, {bytes, size});
    }
    default: return put_null(out);
  }
}

}  // namespace

// --- The virtual table through which SQLite tells what becomes of the transaction ---

struct ChangeCapture::Transaction : sqlite3_vtab {
  ChangeCapture* capture;

  static Transaction& of(sqlite3_vtab* table) { return *static_cast<Transaction*>(table); }

  /// Runs what may allocate; nothing may be thrown through SQLite.
  template <class F>
  static int tell(sqlite3_vtab* table, F&& what) {
    try {
      what(*of(table).capture);
      return SQLITE_OK;
    } catch (const std::bad_alloc&) {
      return SQLITE_NOMEM;
    }
  }

  static int connect(sqlite3* database, void* capture, int, const char* const*, sqlite3_vtab** out, char**) {
    auto* table = new (std::nothrow) Transaction{};
    if (table == nullptr) return SQLITE_NOMEM;
    table->capture = static_cast<ChangeCapture*>(capture);
    *out = table;
    return sqlite3_declare_vtab(database, "CREATE TABLE changes(none)");
  }
  static int disconnect(sqlite3_vtab* table) {
    delete static_cast<Transaction*>(table);
    return SQLITE_OK;
  }
  static int begin(sqlite3_vtab* table) {
    of(table).capture->is_joined_ = true;
    return SQLITE_OK;
  }
  static int end(sqlite3_vtab* table) {
    of(table).capture->is_joined_ = false;
    return SQLITE_OK;
  }
  static int begin_savepoint(sqlite3_vtab* table, int number) {
    return tell(table, [number](ChangeCapture& capture) { capture.savepoint(number); });
  }
  static int end_savepoint(sqlite3_vtab* table, int number) {
    return tell(table, [number](ChangeCapture& capture) { capture.release(number); });
  }
  static int undo_to_savepoint(sqlite3_vtab* table, int number) {
    return tell(table, [number](ChangeCapture& capture) { capture.roll_back_to(number); });
  }

  // It has no rows, and takes none.
  static int best_index(sqlite3_vtab*, sqlite3_index_info*) { return SQLITE_OK; }
  static int open(sqlite3_vtab*, sqlite3_vtab_cursor** out) {
    *out = new (std::nothrow) sqlite3_vtab_cursor{};
    return *out == nullptr ? SQLITE_NOMEM : SQLITE_OK;
  }
  static int close(sqlite3_vtab_cursor* cursor) {
    delete cursor;
    return SQLITE_OK;
  }
  static int filter(sqlite3_vtab_cursor*, int, const char*, int, sqlite3_value**) { return SQLITE_OK; }
  static int next(sqlite3_vtab_cursor*) { return SQLITE_OK; }
  static int is_at_end(sqlite3_vtab_cursor*) { return 1; }
  static int column(sqlite3_vtab_cursor*, sqlite3_context*, int) { return SQLITE_OK; }
  static int row_id(sqlite3_vtab_cursor*, sqlite3_int64*) { return SQLITE_OK; }
  static int update(sqlite3_vtab*, int, sqlite3_value**, sqlite3_int64*) { return SQLITE_READONLY; }

  static const sqlite3_module kModule;
};

const sqlite3_module ChangeCapture::Transaction::kModule = {
    .iVersion = 2,
    .xCreate = nullptr,
    .xConnect = connect,
    .xBestIndex = best_index,
    .xDisconnect = disconnect,
    .xDestroy = nullptr,
    .xOpen = open,
    .xClose = close,
    .xFilter = filter,
    .xNext = next,
    .xEof = is_at_end,
    .xColumn = column,
    .xRowid = row_id,
    .xUpdate = update,
    .xBegin = begin,
    .xSync = nullptr,
    .xCommit = end,
    .xRollback = end,
    .xFindFunction = nullptr,
    .xRename = nullptr,
    .xSavepoint = begin_savepoint,
    .xRelease = end_savepoint,
    .xRollbackTo = undo_to_savepoint,
    .xShadowName = nullptr,
};

struct ChangeCapture::HookCall {
  ChangeKind kind;
  const char* schema;
  const char* table;
  std::int64_t old_key;
  std::int64_t new_key;
};

void ChangeCapture::Finalize::operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }

ChangeCapture::ChangeCapture(CaptureOptions options, std::function<std::int64_t()> unix_time_ms)
    : options_(std::move(options)), unix_time_ms_(std::move(unix_time_ms)), buffer_(options_.group_bytes) {}

ChangeCapture::~ChangeCapture() { QUORATE_ASSERT(database_ == nullptr); }

int ChangeCapture::watch(sqlite3* database) {
  database_ = database;
  sqlite3_preupdate_hook(
      database,
      [](void* self, sqlite3* connection, int operation, const char* schema, const char* table, sqlite3_int64 old_key,
         sqlite3_int64 new_key) { on_change(self, connection, operation, schema, table, old_key, new_key); },
      this);
  return sqlite3_create_module_v2(database, kTransactionTable, &Transaction::kModule, this, nullptr);
}

void ChangeCapture::let_go() {
  if (database_ == nullptr) return;
  schemas_.clear();
  join_.reset();
  sqlite3_preupdate_hook(database_, nullptr, nullptr);
  database_ = nullptr;
}

ChangeCapture::StatementHandle ChangeCapture::prepare(char* sql) {
  sqlite3_stmt* statement = nullptr;
  if (sql != nullptr) sqlite3_prepare_v3(database_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  sqlite3_free(sql);
  return StatementHandle(statement);
}

void ChangeCapture::before_step() {
  ++step_;
  failure_of_step_.reset();
  last_table_ = nullptr;
  if (std::exchange(are_schemas_stale_, false)) schemas_.clear();
}

/// Once for each transaction; a statement that is a transaction of its own is undone as a whole, or not at all.
int ChangeCapture::join_transaction() {
  if (is_joined_ || sqlite3_get_autocommit(database_) != 0) return SQLITE_OK;
  // To delete all of nothing changes nothing, not even last_insert_rowid().
  if (join_ == nullptr) join_ = prepare(sqlite3_mprintf("DELETE FROM %s", kTransactionTable));
  if (join_ == nullptr) return sqlite3_errcode(database_);
  sqlite3_step(join_.get());
  return sqlite3_reset(join_.get());
}

// --- What is undone ---

void ChangeCapture::savepoint(int number) {
  // Whatever was opened before this table took part was opened before there was anything to undo.
  savepoints_.resize(static_cast<std::size_t>(number), 0);
  savepoints_.push_back(buffer_.position());
}

void ChangeCapture::release(int number) {
  savepoints_.resize(std::min(savepoints_.size(), static_cast<std::size_t>(std::max(number, 0))));
}

/// -1 is the savepoint that began the transaction.
void ChangeCapture::roll_back_to(int number) {
  const bool is_known = number >= 0 && static_cast<std::size_t>(number) < savepoints_.size();
  buffer_.cut(is_known ? savepoints_[static_cast<std::size_t>(number)] : 0);
  savepoints_.resize(is_known ? static_cast<std::size_t>(number) + 1 : 0);
  // What was learnt of tables may be undone with them.
  are_schemas_stale_ = true;
}

void ChangeCapture::transaction_ended(TransactionFate fate) {
  buffer_.clear();
  savepoints_.clear();
  failure_.reset();
  if (fate == TransactionFate::kDropped) are_schemas_stale_ = true;
}

Result<std::optional<DatabaseWrite>> ChangeCapture::share(const PageStore& store, const Pin& base) {
  if (failure_) return tl::unexpected(*failure_);
  buffer_.end_group();
  if (buffer_.is_empty()) return std::nullopt;
  Result<ChangeAppender> appender = ChangeAppender::open(store, base);
  if (!appender) return tl::unexpected(appender.error());
  Result<void> appended;
  buffer_.visit(appender->next(), unix_time_ms_(), [&](std::span<const std::byte> group) {
    if (appended) appended = appender->append(group);
  });
  if (!appended) return tl::unexpected(appended.error());
  return appender->finish();
}

// --- What is done ---

void ChangeCapture::fail_with(ErrorKind kind, std::string message) {
  if (!failure_) failure_ = failure_of_step_ = Error{kind, std::move(message)};
}

void ChangeCapture::on_change(void* self, sqlite3*, int operation, const char* schema, const char* table,
                              std::int64_t old_key, std::int64_t new_key) {
  auto& capture = *static_cast<ChangeCapture*>(self);
  const ChangeKind kind = operation == SQLITE_INSERT   ? ChangeKind::kInsert
                          : operation == SQLITE_UPDATE ? ChangeKind::kUpdate
                                                       : ChangeKind::kDelete;
  if (capture.failure_) return;
  try {
    capture.take({kind, schema, table, old_key, new_key});
  } catch (const std::bad_alloc&) {
    capture.fail_with(ErrorKind::kOverloaded, "there is not enough memory for the change feed");
  }
}

void ChangeCapture::take(const HookCall& change) {
  Table* const table = find(change.schema, change.table);
  if (table == nullptr || !table->is_wanted) return;
  const bool was_there = change.kind != ChangeKind::kInsert;
  const bool is_there = change.kind != ChangeKind::kDelete;
  body_.clear();
  if (table->description->has_row_ids) {
    if (was_there) body_.fixed(static_cast<std::uint64_t>(change.old_key));
    if (is_there) body_.fixed(static_cast<std::uint64_t>(change.new_key));
  }
  if (was_there) put_before(*table, change);
  if (is_there) put_after(*table);
  if (failure_) return;
  if (buffer_.position() + body_.size() > options_.transaction_bytes_max) {
    return fail_with(ErrorKind::kDiskFull,
                     fmt::format("the changes of the transaction come to more than the {} MiB that the change feed "
                                 "takes; split it",
                                 options_.transaction_bytes_max >> 20));
  }
  if (table->life != buffer_.life()) {
    table->number = buffer_.add_table(table->description);
    table->life = buffer_.life();
  }
  buffer_.add(table->number, change.kind, body_.bytes());
}

void ChangeCapture::put_before(Table& table, const HookCall& change) {
  if (table.description->columns.empty()) return;
  bool are_originals_read = false;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    sqlite3_value* value = nullptr;
    sqlite3_preupdate_old(database_, static_cast<int>(i), &value);
    const bool is_null = value == nullptr || sqlite3_value_type(value) == SQLITE_NULL;
    if (is_null && table.columns[i].has_default) {
      // The row may be older than the column: then it has the default, which SQLite 3.40 does not tell here.
      if (!are_originals_read && table.original != nullptr) sqlite3_reset(table.original.get());
      value = original_value(table, change, i);
      are_originals_read = true;
      if (failure_) return;
    }
    put_sqlite_value(body_, value, table.columns[i].is_real);
  }
  if (table.original != nullptr) sqlite3_reset(table.original.get());
}

void ChangeCapture::put_after(Table& table) {
  if (table.description->columns.empty()) return;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    sqlite3_value* value = nullptr;
    sqlite3_preupdate_new(database_, static_cast<int>(i), &value);
    put_sqlite_value(body_, value, table.columns[i].is_real);
  }
}

/// Reads the row where it still stands. Valid until the statement is reset.
sqlite3_value* ChangeCapture::original_value(Table& table, const HookCall& change, std::size_t column) {
  if (table.original == nullptr) {
    std::string sql = "SELECT ";
    for (const Column& one : table.columns) {
      char* quoted = sqlite3_mprintf("\"%w\",", one.name.c_str());
      sql += one.has_default && quoted != nullptr ? quoted : "NULL,";
      sqlite3_free(quoted);
    }
    sql.back() = ' ';
    char* from = sqlite3_mprintf("FROM \"%w\".\"%w\" WHERE ", change.schema, change.table);
    if (from == nullptr) throw std::bad_alloc();
    sql += from;
    sqlite3_free(from);
    if (!table.row_id.empty()) sql += table.row_id + " = ?1";
    for (const Column& one : table.columns) {
      if (!table.row_id.empty() || one.key_part == 0) continue;
      char* quoted = sqlite3_mprintf("\"%w\" IS ?%d", one.name.c_str(), one.key_part);
      if (quoted == nullptr) throw std::bad_alloc();
      sql += sql.ends_with("WHERE ") ? "" : " AND ";
      sql += quoted;
      sqlite3_free(quoted);
    }
    table.original = prepare(sqlite3_mprintf("%s", sql.c_str()));
  }
  sqlite3_stmt* const statement = table.original.get();
  if (statement != nullptr && sqlite3_stmt_busy(statement) == 0) {
    if (!table.row_id.empty()) {
      sqlite3_bind_int64(statement, 1, change.old_key);
    } else {
      for (std::size_t i = 0; i < table.columns.size(); ++i) {
        sqlite3_value* key = nullptr;
        if (table.columns[i].key_part == 0) continue;
        sqlite3_preupdate_old(database_, static_cast<int>(i), &key);
        sqlite3_bind_value(statement, table.columns[i].key_part, key);
      }
    }
    if (sqlite3_step(statement) != SQLITE_ROW) sqlite3_reset(statement);
  }
  if (statement == nullptr || sqlite3_stmt_busy(statement) == 0) {
    fail_with(ErrorKind::kIo, fmt::format("a row of {} could not be read for the change feed: {}", change.table,
                                          sqlite3_errmsg(database_)));
    return nullptr;
  }
  return sqlite3_column_value(statement, static_cast<int>(column));
}

// --- Of which table ---

ChangeCapture::Table* ChangeCapture::find(std::string_view schema_name, std::string_view name) {
  if (last_table_ != nullptr && last_table_name_ == name && last_schema_name_ == schema_name) return last_table_;
  if (name.starts_with(kOwnTables)) return nullptr;
  auto at = schemas_.find(schema_name);
  if (at == schemas_.end()) at = schemas_.try_emplace(std::string(schema_name)).first;
  Schema& schema = at->second;
  if (schema.checked != step_ && !refresh(schema, at->first)) return nullptr;
  if (schema.database.empty()) return nullptr;
  auto found = schema.tables.find(name);
  if (found == schema.tables.end()) {
    Table table;
    if (!describe(at->first, std::string(name), schema, table)) return nullptr;
    found = schema.tables.try_emplace(std::string(name), std::move(table)).first;
  }
  last_schema_name_ = schema_name;
  last_table_name_ = name;
  last_table_ = &found->second;
  return last_table_;
}

/// What is known of its tables holds as long as its schema is the same.
bool ChangeCapture::refresh(Schema& schema, const std::string& alias) {
  schema.checked = step_;
  const char* file = sqlite3_db_filename(database_, alias.c_str());
  const std::string database = file == nullptr || !is_attachable_name(file) ? std::string() : std::string(file);
  if (database != schema.database) {
    schema.tables.clear();
    schema.ask_cookie.reset();
    schema.database = database;
  }
  if (database.empty()) return true;
  if (schema.ask_cookie == nullptr)
    schema.ask_cookie = prepare(sqlite3_mprintf("PRAGMA \"%w\".schema_version", alias.c_str()));
  sqlite3_stmt* const ask = schema.ask_cookie.get();
  if (ask == nullptr || sqlite3_step(ask) != SQLITE_ROW) {
    fail_with(ErrorKind::kIo, fmt::format("the schema of {} could not be read for the change feed: {}", alias,
                                          sqlite3_errmsg(database_)));
    return false;
  }
  const std::int64_t cookie = sqlite3_column_int64(ask, 0);
  sqlite3_reset(ask);
  if (std::exchange(schema.cookie, cookie) != cookie) schema.tables.clear();
  return true;
}

bool ChangeCapture::describe(const std::string& alias, const std::string& name, const Schema& schema, Table& table) {
  const bool is_main = schema.database == kMain;
  table.is_wanted = !options_.wants || options_.wants(is_main ? name : schema.database + "." + name);
  if (!table.is_wanted) return true;
  if (!read_columns(alias, name, table)) {
    fail_with(ErrorKind::kIo,
              fmt::format("table {} could not be described for the change feed: {}", name, sqlite3_errmsg(database_)));
    return false;
  }
  // A column may have one of the names that a row id goes by.
  for (const char* row_id : {"rowid", "_rowid_", "oid"}) {
    const auto is_column = [row_id](const Column& column) { return in_capitals(column.name) == in_capitals(row_id); };
    if (std::ranges::any_of(table.columns, is_column)) continue;
    const int code = sqlite3_table_column_metadata(database_, alias.c_str(), name.c_str(), row_id, nullptr, nullptr,
                                                   nullptr, nullptr, nullptr);
    if (code == SQLITE_OK) table.row_id = row_id;
    break;
  }
  ChangedTable description{
      .database = schema.database, .name = name, .has_row_ids = !table.row_id.empty(), .columns = {}};
  if (options_.rows == CaptureOptions::Rows::kWithValues) {
    for (const Column& column : table.columns) description.columns.push_back(column.name);
  }
  table.description = std::make_shared<const ChangedTable>(std::move(description));
  return true;
}

/// In the order in which SQLite numbers them for the hook, none if it confuses that.
bool ChangeCapture::read_columns(const std::string& alias, const std::string& name, Table& table) {
  enum Field { kName = 1, kType = 2, kDefault = 4, kKeyPart = 5, kHidden = 6 };
  constexpr int kNotStored = 2;
  const StatementHandle info =
      prepare(sqlite3_mprintf("PRAGMA \"%w\".table_xinfo(\"%w\")", alias.c_str(), name.c_str()));
  if (info == nullptr) return false;
  int code = SQLITE_ROW;
  bool is_one_left_out = false;
  bool is_order_broken = false;
  while ((code = sqlite3_step(info.get())) == SQLITE_ROW) {
    if (sqlite3_column_int(info.get(), kHidden) == kNotStored) {
      is_one_left_out = true;
      continue;
    }
    is_order_broken = is_order_broken || is_one_left_out;
    const std::string default_text = in_capitals(text_or_nothing(sqlite3_column_text(info.get(), kDefault)));
    table.columns.push_back({.name = std::string(text_or_nothing(sqlite3_column_text(info.get(), kName))),
                             .is_real = is_real_type(text_or_nothing(sqlite3_column_text(info.get(), kType))),
                             .has_default = !default_text.empty() && default_text != "NULL",
                             .key_part = sqlite3_column_int(info.get(), kKeyPart)});
  }
  if (is_order_broken) table.columns.clear();
  return code == SQLITE_DONE;
}

}  // namespace quorate::sqlite
