#include "statemachine/sqlite/connection.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <sqlite3.h>

#include "consensus/assert.hpp"

namespace quorate::sqlite {
namespace {

/// Instructions of SQLite's virtual machine between two looks at the clock: some microseconds.
constexpr int kProgressInstructions = 2000;
constexpr std::size_t kStatementBytesMax = 1'000'000'000;

std::string_view view(const char* text) { return text == nullptr ? std::string_view{} : std::string_view(text); }

int index_of(std::size_t position) { return static_cast<int>(position); }

}  // namespace

// --- Statement ---

Statement& Statement::operator=(Statement&& other) noexcept {
  std::swap(connection_, other.connection_);
  std::swap(loan_, other.loan_);
  return *this;
}

Statement::~Statement() {
  if (!loan_.empty()) connection_->cache_.put(std::move(loan_));
}

// SQLite judges an EXPLAIN by what it explains.
bool Statement::is_readonly() const { return is_explain() || sqlite3_stmt_readonly(handle()) != 0; }
bool Statement::is_explain() const { return sqlite3_stmt_isexplain(handle()) != 0; }

std::size_t Statement::parameter_count() const {
  return static_cast<std::size_t>(sqlite3_bind_parameter_count(handle()));
}

std::string_view Statement::parameter_name(std::size_t parameter) const {
  const std::string_view name = view(sqlite3_bind_parameter_name(handle(), index_of(parameter) + 1));
  return name.empty() || name.front() == '?' ? std::string_view{} : name.substr(1);
}

SqlResult<void> Statement::bind(std::size_t parameter, const Value& value) {
  QUORATE_ASSERT(parameter < parameter_count());
  const int index = index_of(parameter) + 1;
  struct Binder {
    sqlite3_stmt* handle;
    int index;
    int operator()(std::monostate) const { return sqlite3_bind_null(handle, index); }
    int operator()(std::int64_t number) const { return sqlite3_bind_int64(handle, index, number); }
    int operator()(double number) const { return sqlite3_bind_double(handle, index, number); }
    int operator()(const std::string& text) const {
      return sqlite3_bind_text64(handle, index, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
    }
    int operator()(const Blob& blob) const {
      // A null pointer would bind NULL.
      const void* data = blob.empty() ? "" : static_cast<const void*>(blob.data());
      return sqlite3_bind_blob64(handle, index, data, blob.size(), SQLITE_TRANSIENT);
    }
  };
  const int code = std::visit(Binder{handle(), index}, value);
  if (code == SQLITE_OK) return {};
  return sql_fail(connection_->error_of(code));
}

std::size_t Statement::column_count() const { return static_cast<std::size_t>(sqlite3_column_count(handle())); }

ColumnDescription Statement::column(std::size_t column) const {
  const int index = index_of(column);
  return {.name = std::string(view(sqlite3_column_name(handle(), index))),
          .declared_type = std::string(view(sqlite3_column_decltype(handle(), index))),
          .table = std::string(view(sqlite3_column_table_name(handle(), index)))};
}

SqlResult<Statement::Progress> Statement::step() {
  connection_->is_timed_out_ = false;
  if (const int code = connection_->prepare_capture(*this); code != SQLITE_OK) {
    return sql_fail(connection_->error_of(code));
  }
  const int code = sqlite3_step(handle());
  if (code == SQLITE_ROW) return Progress::kRow;
  if (code == SQLITE_DONE) {
    // Left as it is it would keep its locks.
    sqlite3_reset(handle());
    return Progress::kDone;
  }
  SqlError error = connection_->error_of(code);
  sqlite3_reset(handle());
  return sql_fail(std::move(error));
}

void Statement::rewind() { sqlite3_reset(handle()); }

Value Statement::value(std::size_t column) const {
  const int index = index_of(column);
  switch (sqlite3_column_type(handle(), index)) {
    case SQLITE_INTEGER: return sqlite3_column_int64(handle(), index);
    case SQLITE_FLOAT: return sqlite3_column_double(handle(), index);
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(handle(), index));
      return std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(handle(), index)));
    }
    case SQLITE_BLOB: {
      const auto* bytes = static_cast<const std::byte*>(sqlite3_column_blob(handle(), index));
      return Blob(bytes, bytes + sqlite3_column_bytes(handle(), index));
    }
    default: return std::monostate{};
  }
}

std::size_t Statement::value_bytes(std::size_t column) const {
  return static_cast<std::size_t>(sqlite3_column_bytes(handle(), index_of(column)));
}

// --- Connection ---

Connection::Connection(PageStore& store, ConnectionOptions options)
    : options_(std::move(options)), vfs_(store, options_.vfs), cache_(options_.statements_cached_max) {}

SqlResult<std::unique_ptr<Connection>> Connection::open(PageStore& store, ConnectionOptions options) {
  QUORATE_ASSERT(options.now != nullptr);
  std::unique_ptr<Connection> connection(new Connection(store, std::move(options)));
  if (SqlResult<void> opened = connection->open_database(); !opened) return sql_fail(std::move(opened.error()));
  return connection;
}

Connection::~Connection() {
  cache_.clear();
  if (capture_ != nullptr) capture_->let_go();
  const int code = sqlite3_close(database_);
  QUORATE_ASSERT(code == SQLITE_OK);
}

SqlResult<void> Connection::open_database() {
  const bool is_writer = options_.vfs.role == ConnectionRole::kWriter;
  const int mode = is_writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
  // One thread at a time is the caller's promise.
  const int code =
      sqlite3_open_v2(options_.database.c_str(), &database_, mode | SQLITE_OPEN_NOMUTEX, vfs_.name().c_str());
  if (code != SQLITE_OK) return sql_fail(error_of(code));
  sqlite3_extended_result_codes(database_, 1);
  if (options_.capture && is_writer) {
    capture_ = std::make_unique<ChangeCapture>(*options_.capture, options_.vfs.unix_time_ms);
    vfs_.set_companion(capture_.get());
    if (const int watched = capture_->watch(database_); watched != SQLITE_OK) return sql_fail(error_of(watched));
  }
  // Clients of this API have always been able to write "text" for 'text'.
  sqlite3_db_config(database_, SQLITE_DBCONFIG_DQS_DML, 1, nullptr);
  sqlite3_db_config(database_, SQLITE_DBCONFIG_DQS_DDL, 1, nullptr);
  if (SqlResult<void> loaded = load_extensions(); !loaded) return loaded;
  // TRUNCATE keeps the journal open from one transaction to the next; both it and NORMAL are what makes SQLite commit
  // several databases atomically.
  const std::string settings = fmt::format(
      "PRAGMA journal_mode=TRUNCATE; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-{}; PRAGMA foreign_keys={};",
      options_.page_cache_bytes >> 10, options_.foreign_keys == ForeignKeys::kEnforced ? "ON" : "OFF");
  if (SqlResult<void> set = run(settings); !set) return set;
  sqlite3_set_authorizer(database_, authorize, this);
  sqlite3_progress_handler(database_, kProgressInstructions, on_progress, this);
  return {};
}

SqlResult<void> Connection::load_extensions() {
  if (options_.extensions.empty()) return {};
  // Through the C interface alone: SQL's load_extension() stays off.
  sqlite3_db_config(database_, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 1, nullptr);
  for (const std::string& path : options_.extensions) {
    char* message = nullptr;
    const int code = sqlite3_load_extension(database_, path.c_str(), nullptr, &message);
    const std::string reason = message == nullptr ? "" : message;
    sqlite3_free(message);
    if (code != SQLITE_OK) {
      return sql_fail({SqlErrorKind::kStorage, code, fmt::format("cannot load the extension {}: {}", path, reason)});
    }
  }
  sqlite3_db_config(database_, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, nullptr);
  return {};
}

int Connection::prepare_capture(const Statement& statement) {
  if (capture_ == nullptr) return SQLITE_OK;
  capture_->before_step();
  return statement.is_readonly() ? SQLITE_OK : capture_->join_transaction();
}

int Connection::authorize(void* self, int code, const char* first, const char* second, const char*, const char*) {
  auto& connection = *static_cast<Connection*>(self);
  StatementTraits ignored;
  const Action action{.code = code,
                      .first = view(first),
                      .second = view(second),
                      .is_second_given = code == SQLITE_ATTACH ? first != nullptr : second != nullptr,
                      .is_outermost = connection.preparing_ != nullptr};
  StatementTraits& traits = connection.preparing_ != nullptr ? *connection.preparing_ : ignored;
  std::optional<std::string> refusal = judge(action, traits);
  if (!refusal) return SQLITE_OK;
  connection.refusal_ = std::move(refusal);
  return SQLITE_DENY;
}

int Connection::on_progress(void* self) {
  auto& connection = *static_cast<Connection*>(self);
  if (connection.deadline_ && connection.options_.now() >= *connection.deadline_) {
    connection.is_timed_out_ = true;
    return 1;
  }
  const bool has_capture_failed = connection.capture_ != nullptr && connection.capture_->has_failed();
  return has_capture_failed || is_raised(connection.stop_) || is_raised(connection.options_.stop) ? 1 : 0;
}

SqlError Connection::error_of(int code) {
  std::optional<Error> cause = vfs_.take_error();
  std::optional<std::string> refusal = std::exchange(refusal_, std::nullopt);
  const bool is_writer = options_.vfs.role == ConnectionRole::kWriter;
  const int extended = database_ == nullptr ? code : sqlite3_extended_errcode(database_);
  SqlError error{SqlErrorKind::kSql, extended, database_ == nullptr ? sqlite3_errstr(code) : sqlite3_errmsg(database_)};
  switch (extended & 0xFF) {
    case SQLITE_AUTH:
      error.kind = SqlErrorKind::kRefused;
      if (refusal) error.message = std::move(*refusal);
      return error;
    case SQLITE_INTERRUPT:
      if (capture_ != nullptr && capture_->failure_of_step()) {
        return {SqlErrorKind::kTooLarge, SQLITE_FULL, capture_->failure_of_step()->message};
      }
      error.kind = is_timed_out_ ? SqlErrorKind::kTimeout : SqlErrorKind::kCancelled;
      if (is_timed_out_) error.message = "the statement ran into its time limit";
      return error;
    case SQLITE_BUSY: error.kind = SqlErrorKind::kBusy; return error;
    case SQLITE_READONLY:
      if (is_writer) error.kind = SqlErrorKind::kNotLeader;
      return error;
    case SQLITE_TOOBIG: error.kind = SqlErrorKind::kTooLarge; return error;
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_CANTOPEN:
    case SQLITE_NOMEM: break;
    default: return error;
  }
  if (extended == kSqliteNotLeader) {
    error.kind = SqlErrorKind::kNotLeader;
  } else {
    error.kind = (extended & 0xFF) == SQLITE_FULL ? SqlErrorKind::kTooLarge : SqlErrorKind::kStorage;
  }
  if (cause) error.message = std::move(cause->message);
  return error;
}

/// A connection that last saw an empty database takes it for empty in its next transaction, whoever filled it
/// meanwhile: ROLLBACK TO the outermost savepoint then empties it (SQLite 3.40 with a rollback journal). So it looks
/// before.
void Connection::look_whether_still_empty() {
  constexpr int kTemporary = 1;  // between "main" and what is attached
  if (options_.vfs.role != ConnectionRole::kWriter || in_transaction()) return;
  for (int i = 0; const char* name = sqlite3_db_name(database_, i); ++i) {
    if (i == kTemporary) continue;
    std::pair<std::string, std::string> database(name, view(sqlite3_db_filename(database_, name)));
    if (seen_content_.contains(database)) continue;
    if (has_content(name)) seen_content_.insert(std::move(database));
  }
}

/// What fails here fails again in the statement that is to be prepared, and is told there.
bool Connection::has_content(const char* database) {
  bool is_seen = false;
  const auto seen = [](void* flag, int, char**, char**) {
    *static_cast<bool*>(flag) = true;
    return 0;
  };
  char* sql = sqlite3_mprintf("SELECT 1 FROM \"%w\".sqlite_schema LIMIT 1", database);
  if (sql != nullptr) static_cast<void>(sqlite3_exec(database_, sql, seen, &is_seen, nullptr));
  sqlite3_free(sql);
  return is_seen;
}

SqlResult<Connection::Prepared> Connection::prepare(std::string_view sql) {
  look_whether_still_empty();
  if (StatementCache::Loan cached = cache_.take(sql); !cached.empty()) {
    const std::string_view rest = sql.substr(cached.front().length);
    return Prepared{Statement(*this, std::move(cached)), rest};
  }
  if (sql.size() > kStatementBytesMax) {
    return sql_fail({SqlErrorKind::kTooLarge, SQLITE_TOOBIG, "the statement is too long"});
  }
  // SQLite takes it for the end of the text, and what is behind it would never be reached.
  if (sql.find('\0') != std::string_view::npos) {
    return sql_fail({SqlErrorKind::kSql, SQLITE_ERROR, "the statement contains a NUL character"});
  }
  StatementTraits traits;
  traits.runs_alone = begins_with_keyword(sql, "VACUUM");
  sqlite3_stmt* handle = nullptr;
  const char* tail = nullptr;
  refusal_.reset();
  preparing_ = &traits;
  const int code = sqlite3_prepare_v3(database_, sql.data(), static_cast<int>(sql.size()), SQLITE_PREPARE_PERSISTENT,
                                      &handle, &tail);
  preparing_ = nullptr;
  if (code != SQLITE_OK) return sql_fail(error_of(code));
  const auto length = static_cast<std::size_t>(tail - sql.data());
  StatementCache::Loan loan;
  if (handle != nullptr) {
    loan.push_back({.sql = std::string(sql), .handle = handle, .traits = traits, .length = length});
  }
  return Prepared{Statement(*this, std::move(loan)), sql.substr(length)};
}

SqlResult<void> Connection::run(std::string_view sql) {
  while (!sql.empty()) {
    SqlResult<Prepared> prepared = prepare(sql);
    if (!prepared) return sql_fail(std::move(prepared.error()));
    sql = prepared->rest;
    if (prepared->statement.is_empty()) continue;
    for (;;) {
      const SqlResult<Statement::Progress> progress = prepared->statement.step();
      if (!progress) return sql_fail(progress.error());
      if (*progress == Statement::Progress::kDone) break;
    }
  }
  return {};
}

bool Connection::in_transaction() const { return sqlite3_get_autocommit(database_) == 0; }
bool Connection::has_attached() const { return sqlite3_db_name(database_, 2) != nullptr; }  // after main and temp
bool Connection::is_writing() const { return sqlite3_txn_state(database_, nullptr) == SQLITE_TXN_WRITE; }
std::int64_t Connection::last_insert_rowid() const { return sqlite3_last_insert_rowid(database_); }
void Connection::set_last_insert_rowid(std::int64_t rowid) { sqlite3_set_last_insert_rowid(database_, rowid); }
std::int64_t Connection::changes() const { return sqlite3_changes64(database_); }
std::int64_t Connection::total_changes() const { return sqlite3_total_changes64(database_); }

bool Connection::violates_deferred_keys() const {
  int pending = 0;
  int unused = 0;
  sqlite3_db_status(database_, SQLITE_DBSTATUS_DEFERRED_FKS, &pending, &unused, 0);
  return pending != 0;
}

}  // namespace quorate::sqlite
