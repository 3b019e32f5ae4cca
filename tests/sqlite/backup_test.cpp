// Backups and dumps: what comes out is opened by SQLite as it comes.
#include "statemachine/sqlite/backup.hpp"

#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "statemachine/sqlite/dump.hpp"
#include "tests/scratch_directory.hpp"
#include "tests/sqlite/sql_harness.hpp"
#include "tests/sqlite/stock_sqlite.hpp"

namespace quorate::sqlite {
namespace {

using testing::query;
using testing::SqlStore;
using testing::StockSqlite;

class BackupTest : public ::testing::Test {
 protected:
  void execute(std::string_view sql) { ASSERT_EQ(store_.execute(*writer_, sql), ""); }
  void fill(int rows) {
    execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c REAL)");
    execute("CREATE INDEX i ON t(b)");
    execute(
        fmt::format("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n WHERE x<{}) "
                    "INSERT INTO t SELECT x, hex(randomblob(40)), x/7.0 FROM n",
                    rows));
  }
  [[nodiscard]] std::string path(const std::string& name) const { return scratch_.below(name); }
  template <class AnyBackup>
  std::string save(const AnyBackup& backup, std::size_t piece) {
    std::vector<std::byte> bytes(piece);
    std::ofstream file(path("backup.db"), std::ios::binary | std::ios::trunc);
    for (std::uint64_t at = 0;;) {
      const Result<std::size_t> read = backup.read(at, bytes);
      EXPECT_TRUE(read.has_value()) << read.error().message;
      file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(*read));
      at += *read;
      if (*read < piece) break;
    }
    return path("backup.db");
  }
  std::unique_ptr<Connection> reader() { return store_.connect(ConnectionRole::kReader); }

  std::string dump(DumpOptions options = {}, std::size_t piece = 100) {
    ConnectionOptions connection;
    connection.vfs.unix_time_ms = [] { return std::int64_t{0}; };
    connection.now = [] { return Instant{}; };
    ReaderPool pool(*store_, connection);
    SqlResult<Dump> dump = Dump::open(*pool.take(), std::move(options));
    EXPECT_TRUE(dump.has_value()) << dump.error().message;
    std::string text;
    for (;;) {
      SqlResult<Dump::Piece> next = dump->next(piece);
      EXPECT_TRUE(next.has_value()) << next.error().message;
      text += next->text;
      if (next->end == Dump::Piece::End::kReached) return text;
    }
  }
  /// Stock SQLite, with what a dump made in it.
  std::unique_ptr<StockSqlite> loaded(const std::string& text) {
    auto stock = std::make_unique<StockSqlite>(":memory:", "");
    EXPECT_EQ(stock->query(text), "") << text;
    return stock;
  }

  quorate::testing::ScratchDirectory scratch_;
  SqlStore store_;
  std::unique_ptr<Connection> writer_ = store_.connect(ConnectionRole::kWriter);
};

constexpr const char* kSchema = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name";

TEST_F(BackupTest, IsAnOrdinaryDatabase) {
  fill(3000);
  execute("PRAGMA user_version=17");
  const Result<Backup> backup = Backup::open(*store_, "main");
  ASSERT_TRUE(backup.has_value());
  StockSqlite stock(save(*backup, 1000), "");
  EXPECT_EQ(stock.query("PRAGMA integrity_check"), "'ok'");
  EXPECT_EQ(stock.query("PRAGMA journal_mode"), "'delete'");
  EXPECT_EQ(stock.query("PRAGMA user_version"), "17");
  EXPECT_EQ(stock.query(kSchema), query(*reader(), kSchema));
  EXPECT_EQ(stock.query("SELECT * FROM t"), query(*reader(), "SELECT * FROM t"));
}

TEST_F(BackupTest, IsOfOneVersionWhileWritesGoOn) {
  fill(3000);
  store_.store().fold();
  const std::string before = query(*reader(), "SELECT * FROM t");
  const Result<Backup> backup = Backup::open(*store_, "main");
  ASSERT_TRUE(backup.has_value());
  std::vector<std::byte> head(5000);
  ASSERT_EQ(*backup->read(0, head), head.size());
  execute("UPDATE t SET b = hex(randomblob(40))");
  execute("DELETE FROM t WHERE a > 1000");
  execute("VACUUM");
  store_.store().fold();
  StockSqlite stock(save(*backup, 777), "");
  EXPECT_EQ(stock.query("PRAGMA integrity_check"), "'ok'");
  EXPECT_EQ(stock.query("SELECT * FROM t"), before);
}

TEST_F(BackupTest, OfNothingIsNothing) {
  const Result<Backup> backup = Backup::open(*store_, "main");
  ASSERT_TRUE(backup.has_value());
  EXPECT_EQ(backup->size(), 0U);
  StockSqlite stock(save(*backup, 1000), "");
  EXPECT_EQ(stock.query("PRAGMA integrity_check"), "'ok'");
}

TEST_F(BackupTest, ACompactOneHasNoEmptyPages) {
  fill(3000);
  execute("DELETE FROM t WHERE a % 10 <> 0");
  const Result<Backup> backup = Backup::open(*store_, "main");
  ASSERT_TRUE(backup.has_value());
  {
    const Result<std::unique_ptr<CompactBackup>> compact =
        CompactBackup::make(*backup, storage::AnyFileSystem(store_.disk()), "compact");
    ASSERT_TRUE(compact.has_value()) << compact.error().message;
    EXPECT_LT((*compact)->size(), backup->size() / 2);
    StockSqlite stock(save(**compact, 1000), "");
    EXPECT_EQ(stock.query("PRAGMA integrity_check"), "'ok'");
    EXPECT_EQ(stock.query("PRAGMA freelist_count"), "0");
    EXPECT_EQ(stock.query("SELECT * FROM t"), query(*reader(), "SELECT * FROM t"));
  }
  EXPECT_TRUE(store_.disk().list("compact")->empty());
}

// --- Dumps ---

TEST_F(BackupTest, ADumpMakesTheSameDatabaseAgain) {
  fill(500);
  execute("CREATE TABLE \"odd \"\"name\"(\"a b\", 'c''d', [select])");
  execute("INSERT INTO \"odd \"\"name\" VALUES('it''s', x'00ff', NULL), (char(0), 'a'||char(0)||'b', '')");
  execute("CREATE TABLE k(id INTEGER PRIMARY KEY AUTOINCREMENT, v)");
  execute("INSERT INTO k(v) VALUES(1),(2),(3)");
  execute("DELETE FROM k WHERE id=3");
  execute("CREATE TABLE w(a TEXT, b INT, g AS (b*2) STORED, h AS (b*3), PRIMARY KEY(b, a)) WITHOUT ROWID");
  execute("INSERT INTO w VALUES('x', 1), ('y', 2)");
  execute("CREATE TABLE parent(id INTEGER PRIMARY KEY); CREATE TABLE child(p REFERENCES parent)");
  execute("INSERT INTO child VALUES(99)");
  execute("CREATE VIEW v AS SELECT a+1 AS b FROM t");
  execute("CREATE TRIGGER r AFTER INSERT ON k BEGIN INSERT INTO child VALUES(new.id); END");
  execute("CREATE TRIGGER s INSTEAD OF INSERT ON v BEGIN SELECT 1; END");
  execute("CREATE TABLE n(v)");
  execute(
      "INSERT INTO n VALUES(1.0),(-0.5),(9e999),(-9e999),(1e300),(0.1),(9223372036854775807),"
      "(-9223372036854775807-1),(123456789012345680000.0),('5'),(x''),('\xC3\xA4')");
  execute("CREATE TABLE empty(a)");
  execute("ANALYZE");
  const std::unique_ptr<StockSqlite> stock = loaded(dump());
  EXPECT_EQ(stock->query("PRAGMA integrity_check"), "'ok'");
  EXPECT_EQ(stock->query(kSchema), query(*reader(), kSchema));
  for (const char* rows : {"SELECT * FROM t", "SELECT * FROM \"odd \"\"name\"", "SELECT * FROM k", "SELECT * FROM w",
                           "SELECT * FROM child", "SELECT v, typeof(v), hex(v) FROM n", "SELECT * FROM v",
                           "SELECT * FROM sqlite_sequence", "SELECT * FROM sqlite_stat1 ORDER BY tbl, idx"}) {
    EXPECT_EQ(stock->query(rows), query(*reader(), rows)) << rows;
  }
}

TEST_F(BackupTest, ADumpHoldsVirtualTables) {
  execute("CREATE VIRTUAL TABLE f USING fts5(body)");
  execute("INSERT INTO f VALUES('the quick fox'), ('the lazy dog')");
  const std::string text = dump();
  quorate::testing::ScratchDirectory scratch;
  const std::string path = scratch.below("a.db");
  { EXPECT_EQ(StockSqlite(path, "").query(text), ""); }
  StockSqlite stock(path, "");
  EXPECT_EQ(stock.query("SELECT rowid FROM f WHERE f MATCH 'dog'"), "2");
  EXPECT_EQ(stock.query("PRAGMA integrity_check"), "'ok'");
}

TEST_F(BackupTest, ADumpOfSomeTablesHasWhatBelongsToThem) {
  fill(5);
  execute("CREATE TABLE other(a); INSERT INTO other VALUES(1); CREATE VIEW v AS SELECT 1");
  const std::unique_ptr<StockSqlite> stock = loaded(dump({.tables = {"t"}}));
  EXPECT_EQ(stock->query("SELECT name FROM sqlite_schema ORDER BY name"), "'i';'t'");
  EXPECT_EQ(stock->query("SELECT count(*) FROM t"), "5");
}

TEST_F(BackupTest, ADumpIsOfOneVersionAndInPieces) {
  fill(2000);
  ConnectionOptions connection;
  connection.vfs.unix_time_ms = [] { return std::int64_t{0}; };
  connection.now = [] { return Instant{}; };
  ReaderPool pool(*store_, connection);
  const std::string before = query(*reader(), "SELECT * FROM t");
  SqlResult<Dump> dump = Dump::open(*pool.take());
  ASSERT_TRUE(dump.has_value());
  std::string text = dump->next(2000)->text;
  EXPECT_LT(text.size(), 2200U);
  execute("DELETE FROM t");
  for (;;) {
    const SqlResult<Dump::Piece> next = dump->next(2000);
    ASSERT_TRUE(next.has_value());
    EXPECT_LT(next->text.size(), 2200U);
    text += next->text;
    if (next->end == Dump::Piece::End::kReached) break;
  }
  EXPECT_EQ(loaded(text)->query("SELECT * FROM t"), before);
}

TEST_F(BackupTest, ADumpOfNothingIsAnEmptyTransaction) {
  EXPECT_EQ(dump(), "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCOMMIT;\n");
}

}  // namespace
}  // namespace quorate::sqlite
