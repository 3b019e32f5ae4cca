// One SQLite connection to the page store: a writer on the leader's newest version, or a reader at what is applied.
// Owns its VFS and its prepared statements. Knows nothing of requests, batches or replication.
//
// Errors are values and carry SQLite's extended code. A connection whose is_outdated() has become true sees a state
// that is no more; close it and open another one.
//
// Threads: one at a time. A stop flag may be raised on any other.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "consensus/types.hpp"
#include "statemachine/sqlite/change_capture.hpp"
#include "statemachine/sqlite/page_store.hpp"
#include "statemachine/sqlite/pragma_rules.hpp"
#include "statemachine/sqlite/statement_cache.hpp"
#include "statemachine/sqlite/value.hpp"
#include "statemachine/sqlite/vfs.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace quorate::sqlite {

/// Raised on any thread, by whoever does not want any more what is running. Null: nobody will.
using StopFlag = std::shared_ptr<const std::atomic<bool>>;
[[nodiscard]] inline bool is_raised(const StopFlag& flag) {
  return flag != nullptr && flag->load(std::memory_order_relaxed);
}

enum class ForeignKeys : std::uint8_t { kIgnored, kEnforced };

struct ConnectionOptions {
  VfsOptions vfs;
  /// Monotonic, for time limits.
  std::function<Instant()> now;
  std::string database = "main";
  ForeignKeys foreign_keys = ForeignKeys::kIgnored;
  std::uint64_t page_cache_bytes = std::uint64_t{8} << 20;
  std::size_t statements_cached_max = 128;
  /// Ends what runs on any of the owner's connections.
  StopFlag stop;
  /// Of a writer: what it does to rows goes into the queue of the change feed.
  std::optional<CaptureOptions> capture;
  /// Shared libraries to load; the leader alone executes, so that replicas need them only for reading.
  std::vector<std::string> extensions;
};

struct ColumnDescription {
  std::string name;
  std::string declared_type;  ///< as written in CREATE TABLE; empty for expressions
  std::string table;          ///< empty for expressions

  friend bool operator==(const ColumnDescription&, const ColumnDescription&) = default;
};

class Connection;

/// A prepared statement on loan from its connection's cache; goes back when it is destroyed.
class Statement {
 public:
  Statement(Statement&& other) noexcept = default;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  /// There was nothing but white space and comments.
  [[nodiscard]] bool is_empty() const { return loan_.empty(); }
  [[nodiscard]] StatementTraits traits() const { return is_empty() ? StatementTraits{} : loan_.front().traits; }
  /// Does not change any database (it may still change the connection).
  [[nodiscard]] bool is_readonly() const;
  [[nodiscard]] bool is_explain() const;

  [[nodiscard]] std::size_t parameter_count() const;
  /// Without its prefix (':', '@', '$'); empty for '?' and '?NNN'. Counted from 0.
  [[nodiscard]] std::string_view parameter_name(std::size_t parameter) const;
  SqlResult<void> bind(std::size_t parameter, const Value& value);

  [[nodiscard]] std::size_t column_count() const;
  [[nodiscard]] ColumnDescription column(std::size_t column) const;

  enum class Progress : std::uint8_t { kRow, kDone };
  /// After an error or the end the statement starts anew with the next call.
  SqlResult<Progress> step();
  /// Gives up the rows that have not been asked for, and the locks with them.
  void rewind();
  /// Of the current row.
  [[nodiscard]] Value value(std::size_t column) const;
  [[nodiscard]] std::size_t value_bytes(std::size_t column) const;

 private:
  friend class Connection;
  Statement(Connection& connection, StatementCache::Loan loan) : connection_(&connection), loan_(std::move(loan)) {}
  [[nodiscard]] sqlite3_stmt* handle() const { return loan_.front().handle; }

  Connection* connection_;
  StatementCache::Loan loan_;
};

class Connection {
 public:
  static SqlResult<std::unique_ptr<Connection>> open(PageStore& store, ConnectionOptions options);
  /// All statements must be gone.
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  struct Prepared {
    Statement statement;
    std::string_view rest;  ///< of the text, behind this statement
  };
  /// Prepares the first statement of `sql`.
  SqlResult<Prepared> prepare(std::string_view sql);
  /// Runs one or more statements for their effect.
  SqlResult<void> run(std::string_view sql);

  /// Statements that run beyond this instant fail as timed out; nullopt: no limit.
  void set_deadline(std::optional<Instant> deadline) { deadline_ = deadline; }
  /// Statements fail as cancelled while this flag is up, or the one of the options; the one that is running included.
  void set_stop_flag(StopFlag flag) { stop_ = std::move(flag); }

  [[nodiscard]] bool in_transaction() const;
  /// Sees more databases than the one that it was opened for.
  [[nodiscard]] bool has_attached() const;
  /// Holds the write slot.
  [[nodiscard]] bool is_writing() const;
  [[nodiscard]] std::int64_t last_insert_rowid() const;
  void set_last_insert_rowid(std::int64_t rowid);
  [[nodiscard]] std::int64_t changes() const;
  [[nodiscard]] std::int64_t total_changes() const;
  /// Whether a COMMIT now would fail for a foreign key.
  [[nodiscard]] bool violates_deferred_keys() const;

  /// What was done since this was called last takes effect at once: a group of the change feed.
  void end_change_group() {
    if (capture_ != nullptr) capture_->end_group();
  }
  /// Null if nothing is captured.
  [[nodiscard]] ChangeCapture* capture() { return capture_.get(); }

  [[nodiscard]] Vfs& vfs() { return vfs_; }
  [[nodiscard]] bool is_outdated() const { return vfs_.is_outdated(); }

 private:
  friend class Statement;
  Connection(PageStore& store, ConnectionOptions options);
  SqlResult<void> open_database();
  SqlResult<void> load_extensions();
  int prepare_capture(const Statement& statement);
  void look_whether_still_empty();
  [[nodiscard]] bool has_content(const char* database);
  [[nodiscard]] SqlError error_of(int code);
  static int authorize(void* self, int code, const char* first, const char* second, const char* database,
                       const char* trigger);
  static int on_progress(void* self);

  ConnectionOptions options_;
  std::unique_ptr<ChangeCapture> capture_;
  Vfs vfs_;
  sqlite3* database_ = nullptr;
  StatementCache cache_;
  std::optional<Instant> deadline_;
  StopFlag stop_;
  bool is_timed_out_ = false;
  /// Databases that were not empty when this connection looked, by the name that they are attached as and their own.
  std::set<std::pair<std::string, std::string>> seen_content_;
  StatementTraits* preparing_ = nullptr;  ///< of the statement that is being prepared
  std::optional<std::string> refusal_;
};

}  // namespace quorate::sqlite
