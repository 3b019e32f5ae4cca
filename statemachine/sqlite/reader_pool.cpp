#include "statemachine/sqlite/reader_pool.hpp"

#include <utility>

#include <sqlite3.h>

#include "statemachine/sqlite/request_runner.hpp"
#include "statemachine/sqlite/statement_runner.hpp"

namespace quorate::sqlite {
namespace {

constexpr std::size_t kValueOverheadBytes = sizeof(Value);

ConnectionOptions as_reader(ConnectionOptions options) {
  options.vfs.role = ConnectionRole::kReader;
  return options;
}

}  // namespace

// --- ReaderPool ---

ReaderPool::ReaderPool(PageStore& store, ConnectionOptions options, std::size_t idle_max)
    : store_(store), options_(as_reader(std::move(options))), idle_max_(idle_max) {}

SqlResult<Reader> ReaderPool::take() {
  {
    const std::lock_guard lock(mutex_);
    while (!idle_.empty()) {
      std::unique_ptr<Connection> connection = std::move(idle_.back());
      idle_.pop_back();
      if (!connection->is_outdated()) return Reader(*this, std::move(connection));
    }
  }
  SqlResult<std::unique_ptr<Connection>> opened = Connection::open(store_, options_);
  if (!opened) return sql_fail(std::move(opened.error()));
  return Reader(*this, std::move(*opened));
}

void ReaderPool::give_back(std::unique_ptr<Connection> connection) {
  roll_back(*connection);
  if (connection->is_outdated() || connection->has_attached()) return;
  connection->set_deadline(std::nullopt);
  connection->set_stop_flag(nullptr);
  const std::lock_guard lock(mutex_);
  if (idle_.size() < idle_max_) idle_.push_back(std::move(connection));
}

// --- Reader ---

Reader::~Reader() {
  if (connection_ != nullptr) pool_->give_back(std::move(connection_));
}

Response Reader::run(const Request& request) {
  Response response;
  Request query = request;
  query.kind = RequestKind::kQuery;
  query.atomicity = Atomicity::kEach;
  // One transaction, so that all statements see the same version; they are independent of each other otherwise.
  if (SqlResult<void> begun = connection_->run("BEGIN"); !begun) {
    response.error = std::move(begun.error());
    return response;
  }
  RequestRunner runner(*connection_, query, pool_->options_.now);
  runner.run_alone(response, OpenEnd::kKeep);
  roll_back(*connection_);
  response.depends_on = connection_->vfs().newest_seen();
  return response;
}

// --- RowCursor ---

SqlResult<RowCursor> RowCursor::open(Reader reader, const SqlStatement& sql) {
  SqlResult<Connection::Prepared> prepared = reader.connection().prepare(sql.sql);
  if (!prepared) return sql_fail(std::move(prepared.error()));
  Statement statement = std::move(prepared->statement);
  if (statement.is_empty() || !is_blank(prepared->rest) || !is_harmless_query(statement)) {
    return sql_fail({SqlErrorKind::kRefused, SQLITE_MISUSE, "only a single statement that reads can be streamed"});
  }
  if (SqlResult<void> bound = bind_all(statement, sql.parameters); !bound) return sql_fail(std::move(bound.error()));
  std::vector<ColumnDescription> columns;
  for (std::size_t column = 0; column < statement.column_count(); ++column) columns.push_back(statement.column(column));
  return RowCursor(std::move(reader), std::move(statement), std::move(columns));
}

SqlResult<RowCursor::Piece> RowCursor::next(std::size_t bytes) {
  Piece piece;
  for (std::size_t size = 0; size < bytes;) {
    const SqlResult<Statement::Progress> progress = statement_.step();
    if (!progress) return sql_fail(progress.error());
    if (*progress == Statement::Progress::kDone) {
      piece.end = Piece::End::kReached;
      break;
    }
    std::vector<Value> row;
    row.reserve(columns_.size());
    for (std::size_t column = 0; column < columns_.size(); ++column) {
      size += statement_.value_bytes(column) + kValueOverheadBytes;
      row.push_back(statement_.value(column));
    }
    piece.rows.push_back(std::move(row));
  }
  return piece;
}

}  // namespace quorate::sqlite
