#include "statemachine/sqlite/reader_pool.hpp"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "consensus/storage/posix_files.hpp"
#include "tests/scratch_directory.hpp"
#include "tests/sqlite/sql_harness.hpp"
#include "tests/sqlite/stock_sqlite.hpp"

namespace quorate::sqlite {
namespace {

using testing::query;
using testing::SqlStore;

class ReaderPoolTest : public ::testing::Test {
 protected:
  ReaderPoolTest() {
    execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)");
    execute(
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n WHERE x<5000) INSERT INTO t SELECT x, "
        "hex(zeroblob(100)) FROM n");
  }
  void execute(std::string_view sql) { EXPECT_EQ(store_.execute(*writer_, sql), ""); }

  static ConnectionOptions options() {
    ConnectionOptions options;
    options.vfs.unix_time_ms = [] { return std::int64_t{0}; };
    options.now = [] { return Instant{}; };
    return options;
  }
  static Request ask(std::vector<std::string> statements) {
    Request request;
    for (std::string& sql : statements) request.statements.push_back({std::move(sql), {}});
    return request;
  }

  SqlStore store_;
  std::unique_ptr<Connection> writer_ = store_.connect(ConnectionRole::kWriter);
  ReaderPool pool_{*store_, options()};
};

TEST_F(ReaderPoolTest, AllStatementsOfARequestSeeTheSameVersion) {
  Reader reader = *pool_.take();
  const Response response = reader.run(ask({"SELECT count(*) FROM t", "SELECT max(a) FROM t", "DELETE FROM t"}));
  ASSERT_EQ(response.results.size(), 3U);
  EXPECT_EQ(std::get<std::int64_t>(response.results[0].rows[0][0]), 5000);
  EXPECT_EQ(std::get<std::int64_t>(response.results[1].rows[0][0]), 5000);
  EXPECT_EQ(response.results[2].error.message, "attempt to change database via query operation");
  EXPECT_EQ(reader.last_entry(), store_->applied());
}

TEST_F(ReaderPoolTest, ConnectionsAreUsedAgain) {
  const Connection* first = nullptr;
  {
    Reader reader = *pool_.take();
    first = &reader.connection();
    EXPECT_EQ(query(reader.connection(), "BEGIN; SELECT 1"), "1");
  }
  execute("DELETE FROM t WHERE a > 10");
  Reader again = *pool_.take();
  EXPECT_EQ(&again.connection(), first);
  EXPECT_FALSE(again.connection().in_transaction());
  EXPECT_EQ(query(again.connection(), "SELECT count(*) FROM t"), "10");
}

TEST_F(ReaderPoolTest, ACursorStreamsOneVersionInPieces) {
  SqlResult<RowCursor> cursor = RowCursor::open(
      *pool_.take(), {"SELECT a, b FROM t WHERE a > ? ORDER BY a", std::vector<Value>{std::int64_t{10}}});
  ASSERT_TRUE(cursor.has_value()) << cursor.error().message;
  EXPECT_EQ(cursor->columns()[1].name, "b");
  EXPECT_EQ(cursor->columns()[1].declared_type, "TEXT");
  std::int64_t expected = 11;
  std::size_t pieces = 0;
  for (;;) {
    const SqlResult<RowCursor::Piece> piece = cursor->next(10'000);
    ASSERT_TRUE(piece.has_value()) << piece.error().message;
    ++pieces;
    EXPECT_LE(piece->rows.size(), 40U);
    for (const std::vector<Value>& row : piece->rows) EXPECT_EQ(std::get<std::int64_t>(row[0]), expected++);
    if (pieces == 3) execute("DELETE FROM t WHERE a % 2 = 0");
    if (piece->end == RowCursor::Piece::End::kReached) break;
  }
  EXPECT_EQ(expected, 5001);
  EXPECT_GT(pieces, 100U);
}

TEST_F(ReaderPoolTest, AnswersQuestionsAboutTheSchema) {
  for (const char* sql : {"PRAGMA table_info(t)", "PRAGMA main.table_xinfo('t')", "PRAGMA index_list=t",
                          "PRAGMA foreign_key_list(t)", "PRAGMA table_list(t)", "PRAGMA quick_check(5)",
                          "SELECT * FROM pragma_table_info('t')", "PRAGMA user_version", "PRAGMA database_list"}) {
    const SqlResult<RowCursor> cursor = RowCursor::open(*pool_.take(), {sql, {}});
    EXPECT_TRUE(cursor.has_value()) << sql << ": " << cursor.error().message;
  }
  for (const char* sql : {"PRAGMA user_version=5", "PRAGMA foreign_keys=ON", "PRAGMA cache_size(5)"}) {
    EXPECT_FALSE(RowCursor::open(*pool_.take(), {sql, {}})) << sql;
  }
}

TEST_F(ReaderPoolTest, CursorsOnlyRead) {
  for (const char* sql : {"DELETE FROM t", "SELECT 1; SELECT 2", "BEGIN", "", "-- nothing", "PRAGMA foreign_keys=ON"}) {
    const SqlResult<RowCursor> cursor = RowCursor::open(*pool_.take(), {sql, {}});
    EXPECT_EQ(cursor.error().kind, SqlErrorKind::kRefused) << sql;
  }
  EXPECT_EQ(RowCursor::open(*pool_.take(), {"SELECT ?", {}}).error().message,
            "not enough args to execute query: want 1 got 0");
}

/// On real files, which may be used from several threads.
class ReaderThreadsTest : public ::testing::Test {
 protected:
  static ConnectionOptions options(ConnectionRole role) {
    ConnectionOptions options;
    options.vfs.role = role;
    options.vfs.unix_time_ms = [] { return std::int64_t{0}; };
    options.now = [] { return Instant{}; };
    return options;
  }
  void execute(std::string_view sql) {
    ASSERT_EQ(query(*writer_, sql), "");
    for (const SealedVersion& version : writer_->vfs().take_sealed()) {
      store_->commit(version.name, {Term{1}, store_->applied().index + 1});
    }
  }

  quorate::testing::ScratchDirectory directory_;
  storage::PosixFiles files_ = *storage::PosixFiles::below(directory_.path());
  std::unique_ptr<PageStore> store_ = *PageStore::open(storage::AnyFileSystem(files_), {});
  std::unique_ptr<Connection> writer_;
};

TEST_F(ReaderThreadsTest, GoOnWhileOneWritesAndOneFolds) {
  store_->begin_epoch(Epoch{1});
  writer_ = *Connection::open(*store_, options(ConnectionRole::kWriter));
  ReaderPool pool(*store_, options(ConnectionRole::kReader));
  execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b); CREATE TABLE u(a); INSERT INTO u VALUES(0)");
  execute(
      "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n WHERE x<2000) INSERT INTO t SELECT x, "
      "hex(zeroblob(100)) FROM n");

  Request sums;
  sums.statements = {{"SELECT sum(a) FROM u", {}}, {"SELECT sum(a) FROM u", {}}, {"SELECT count(b) FROM t", {}}};
  std::atomic<bool> is_done = false;
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  // Every transaction keeps the sum; a reader that saw half of one, or pages of two versions, would not.
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!is_done) {
        Reader reader = *pool.take();
        const Response response = reader.run(sums);
        for (const StatementResult& result : response.results) {
          if (result.kind != StatementResult::Kind::kRows) ++failures;
        }
        if (std::get<std::int64_t>(response.results[0].rows[0][0]) != 0) ++failures;
        if (std::get<std::int64_t>(response.results[1].rows[0][0]) != 0) ++failures;
      }
    });
  }
  threads.emplace_back([&] {
    while (!is_done) {
      Result<Fold> fold = Fold::begin(*store_, {});
      if (!fold || !fold->run()) ++failures;
    }
  });
  for (int i = 1; i <= 150; ++i) {
    const std::string value = std::to_string(i);
    execute("BEGIN; INSERT INTO u VALUES(" + value + "), (-" + value + "); DELETE FROM t WHERE a = " + value +
            "; COMMIT");
  }
  is_done = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(query(*writer_, "SELECT count(*), sum(a) FROM u; PRAGMA integrity_check"), "301,0;'ok'");
}

}  // namespace
}  // namespace quorate::sqlite
