// Connections for reading what is applied on this replica, leader or not, and cursors that stream large results in
// bounded memory. What a cursor reads is one version from its beginning to its end, however long that takes, unless the
// store has to give the version up ("snapshot too old"). A request may attach further databases, which it sees as of
// the same version, until its end.
//
// Threads: the pool hands out connections on any thread (one mutex, never held while SQL runs); a Reader and its
// cursors belong to one thread at a time, and go back to the pool when they are destroyed. The pool outlives its
// readers.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "statemachine/sqlite/connection.hpp"
#include "statemachine/sqlite/page_store.hpp"
#include "statemachine/sqlite/request.hpp"

namespace quorate::sqlite {

class ReaderPool;

/// A connection on loan.
class Reader {
 public:
  Reader(Reader&&) noexcept = default;
  Reader& operator=(Reader&&) = delete;
  ~Reader();

  /// Runs a request of kind kQuery to its end. All its statements see the same version. `depends_on` of the response is
  /// committed already.
  Response run(const Request& request);
  /// The newest entry contained in what was read last.
  [[nodiscard]] LogId last_entry() const { return connection_->vfs().last_entry(); }
  Connection& connection() { return *connection_; }

 private:
  friend class ReaderPool;
  Reader(ReaderPool& pool, std::unique_ptr<Connection> connection) : pool_(&pool), connection_(std::move(connection)) {}

  ReaderPool* pool_;
  std::unique_ptr<Connection> connection_;
};

/// The rows of one statement, piece by piece. Keeps the reader until its end.
class RowCursor {
 public:
  /// Prepares and binds; kRefused if the text is not one statement that only reads.
  static SqlResult<RowCursor> open(Reader reader, const SqlStatement& statement);
  RowCursor(RowCursor&&) noexcept = default;

  [[nodiscard]] const std::vector<ColumnDescription>& columns() const { return columns_; }
  struct Piece {
    std::vector<std::vector<Value>> rows;
    enum class End : std::uint8_t { kMoreFollow, kReached } end = End::kMoreFollow;
  };
  /// The newest entry contained in what is read; known once next() was called.
  [[nodiscard]] LogId last_entry() const { return reader_.last_entry(); }
  /// The next rows: at least one, and no more once they have come to so many bytes. An error ends the cursor.
  SqlResult<Piece> next(std::size_t bytes);

 private:
  RowCursor(Reader reader, Statement statement, std::vector<ColumnDescription> columns)
      : reader_(std::move(reader)), statement_(std::move(statement)), columns_(std::move(columns)) {}

  Reader reader_;
  Statement statement_;  ///< destroyed before the reader that it came from
  std::vector<ColumnDescription> columns_;
};

class ReaderPool {
 public:
  ReaderPool(PageStore& store, ConnectionOptions options, std::size_t idle_max = 16);

  /// A connection that was idle, or a new one.
  SqlResult<Reader> take();

 private:
  friend class Reader;
  void give_back(std::unique_ptr<Connection> connection);

  PageStore& store_;
  const ConnectionOptions options_;
  const std::size_t idle_max_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace quorate::sqlite
