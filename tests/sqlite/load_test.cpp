// Loading database files that stock SQLite has made, and files that nobody should believe.
#include "statemachine/sqlite/load.hpp"

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "statemachine/sqlite/reader_pool.hpp"
#include "tests/scratch_directory.hpp"
#include "tests/sqlite/sql_harness.hpp"
#include "tests/sqlite/stock_sqlite.hpp"

namespace quorate::sqlite {
namespace {

using testing::query;
using testing::SqlStore;
using testing::StockSqlite;

using Bytes = std::vector<std::byte>;

Bytes read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

constexpr std::string_view kContent =
    "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT); CREATE INDEX i ON t(b);"
    "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n WHERE x<2000) "
    "INSERT INTO t SELECT x, hex(x*x) FROM n;"
    "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END";
constexpr std::string_view kSums = "SELECT count(*), sum(a), sum(length(b)), max(b) FROM t";

/// As the loader does it, in pieces that end where they end.
SqlResult<void> replace(Load& load, Connection& writer) {
  for (PageNumber next{1}; next.value <= load.page_count().value;) {
    Result<StagedPages> pages = load.read(next, 10'000);
    EXPECT_TRUE(pages.has_value()) << pages.error().message;
    next.value += pages->pages.size();
    if (SqlResult<void> staged = stage(writer, "main", std::move(*pages)); !staged) return staged;
  }
  return adopt(writer, "main", load.page_count());
}

/// The bytes of a database that stock SQLite makes.
Bytes made_by_stock(std::string_view settings, std::string_view content = kContent) {
  const quorate::testing::ScratchDirectory scratch;
  const std::string path = scratch.below("a.db");
  { EXPECT_EQ(StockSqlite(path, settings).query(content), ""); }
  return read_file(path);
}

class LoadTest : public ::testing::Test {
 protected:
  LoadTest() { EXPECT_EQ(store_.execute(*writer_, "CREATE TABLE old(a); INSERT INTO old VALUES(1),(2)"), ""); }

  std::unique_ptr<Load> begin(std::uint64_t bytes_max = std::uint64_t{1} << 30) {
    Result<std::unique_ptr<Load>> load =
        Load::begin(storage::AnyFileSystem(store_.disk()), {.directory = "load", .bytes_max = bytes_max});
    EXPECT_TRUE(load.has_value()) << load.error().message;
    return std::move(*load);
  }
  std::unique_ptr<Load> collected(const Bytes& file, const Bytes& log = {}) {
    std::unique_ptr<Load> load = begin();
    for (std::size_t at = 0; at < file.size(); at += 10'000) {
      EXPECT_TRUE(load->append(std::span(file).subspan(at, std::min<std::size_t>(10'000, file.size() - at))));
    }
    EXPECT_TRUE(log.empty() || load->append_log(log).has_value());
    return load;
  }
  void load(const Bytes& file, const Bytes& log = {}) {
    const std::unique_ptr<Load> load = collected(file, log);
    const Result<void> verified = load->verify();
    ASSERT_TRUE(verified.has_value()) << verified.error().message;
    const SqlResult<void> replaced = replace(*load, *writer_);
    ASSERT_TRUE(replaced.has_value()) << replaced.error().message;
    ASSERT_GT(store_.commit(*writer_).size(), 1U);
    writer_ = store_.connect(ConnectionRole::kWriter);
  }
  /// The message with which a file is refused; the database stays as it is.
  std::string refusal(const Bytes& file, const Bytes& log = {}) {
    const StateDigest before = store_->digest();
    const Result<void> verified = collected(file, log)->verify();
    EXPECT_EQ(store_->digest(), before);
    EXPECT_EQ(query(*writer_, "SELECT * FROM old"), "1;2");
    if (verified) return "";
    EXPECT_EQ(verified.error().kind, ErrorKind::kInvalidArgument);
    return verified.error().message;
  }

  SqlStore store_;
  std::unique_ptr<Connection> writer_ = store_.connect(ConnectionRole::kWriter);
};

TEST_F(LoadTest, ReplacesWhatThereWas) {
  const Bytes file = made_by_stock("");
  const std::unique_ptr<Connection> reader = store_.connect(ConnectionRole::kReader);
  EXPECT_EQ(query(*reader, "SELECT * FROM old"), "1;2");
  ASSERT_EQ(query(*reader, "BEGIN; SELECT count(*) FROM old"), "2");
  load(file);
  EXPECT_EQ(query(*reader, "SELECT * FROM old"), "1;2") << "a reader keeps its version";
  EXPECT_EQ(query(*reader, "COMMIT"), "");
  EXPECT_EQ(query(*reader, kSums), StockSqlite(":memory:", kContent).query(kSums));
  EXPECT_EQ(query(*reader, "SELECT name FROM sqlite_schema ORDER BY 1"), "'i';'r';'t'");
  EXPECT_EQ(query(*reader, "PRAGMA integrity_check"), "'ok'");
  EXPECT_EQ(store_.execute(*writer_, "INSERT INTO t VALUES(-1, 'more')"), "");
  EXPECT_EQ(query(*reader, "SELECT b FROM t WHERE a=-1"), "'more'");
  EXPECT_TRUE(store_.disk().list("load")->empty());
}

TEST_F(LoadTest, IsReplicatedLikeAnyTransaction) {
  const std::unique_ptr<Load> load = collected(made_by_stock(""));
  ASSERT_TRUE(load->verify().has_value());
  EXPECT_GT(load->page_count().value, 10U);
  sim::SimFiles disk{Random(5)};
  testing::Store follower(disk);
  SqlStore leader;
  const std::unique_ptr<Connection> writer = leader.connect(ConnectionRole::kWriter);
  ASSERT_TRUE(replace(*load, *writer).has_value());
  for (const SealedVersion& version : leader.commit(*writer)) {
    ASSERT_TRUE(follower->apply(follower.next_entry(), version.parts).has_value());
  }
  EXPECT_EQ(follower->digest(), leader->digest());
}

TEST_F(LoadTest, TwiceTheSameChangesTheSchemaForWhoeverKnewIt) {
  const Bytes one = made_by_stock("", "CREATE TABLE t(a); INSERT INTO t VALUES('one')");
  const Bytes two = made_by_stock("", "CREATE TABLE t(b, c); INSERT INTO t VALUES('two', 'more')");
  const std::unique_ptr<Connection> reader = store_.connect(ConnectionRole::kReader);
  for (int i = 0; i < 3; ++i) {
    load(one);
    EXPECT_EQ(query(*reader, "SELECT * FROM t"), "'one'");
    load(two);
    EXPECT_EQ(query(*reader, "SELECT * FROM t"), "'two','more'");
    EXPECT_EQ(query(*writer_, "SELECT * FROM t"), "'two','more'");
  }
}

TEST_F(LoadTest, TakesAnyPageSize) {
  const std::unique_ptr<Connection> reader = store_.connect(ConnectionRole::kReader);
  for (const auto& [settings, page_size] : {std::pair{"PRAGMA page_size=512", "512"},
                                            {"PRAGMA page_size=65536", "65536"},
                                            {"PRAGMA auto_vacuum=FULL", "4096"},
                                            {"PRAGMA journal_mode=WAL", "4096"}}) {
    SCOPED_TRACE(settings);
    load(made_by_stock(settings));
    for (Connection* connection : {writer_.get(), reader.get()}) {
      EXPECT_EQ(query(*connection, kSums), StockSqlite(":memory:", kContent).query(kSums));
      EXPECT_EQ(query(*connection, "PRAGMA integrity_check"), "'ok'");
      EXPECT_EQ(query(*connection, "PRAGMA page_size"), page_size);
    }
    EXPECT_EQ(store_.execute(*writer_, "DELETE FROM t WHERE a % 2 = 0; VACUUM"), "");
    EXPECT_EQ(query(*reader, "SELECT count(*) FROM t"), "1000");
    store_.store().fold();
  }
}

TEST_F(LoadTest, TakesAnyTextEncoding) {
  ReaderPool readers(*store_,
                     {.vfs = {.unix_time_ms = [] { return std::int64_t{0}; }}, .now = [] { return Instant{}; }}, 1);
  const auto read = [&](std::string_view sql) {
    SqlResult<Reader> reader = readers.take();
    return query(reader->connection(), sql);
  };
  EXPECT_EQ(read("SELECT count(*) FROM old"), "2");
  for (const char* encoding : {"UTF-16le", "UTF-8", "UTF-16be"}) {
    load(made_by_stock(fmt::format("PRAGMA encoding='{}'", encoding)));
    EXPECT_EQ(read("PRAGMA encoding"), fmt::format("'{}'", encoding));
    EXPECT_EQ(read("SELECT max(b) FROM t"), StockSqlite(":memory:", kContent).query("SELECT max(b) FROM t"));
    EXPECT_EQ(store_.execute(*writer_, "INSERT INTO t VALUES(-1, 'caf\u00e9')"), "");
    EXPECT_EQ(read("SELECT b FROM t WHERE a=-1"), "'caf\u00e9'");
  }
}

TEST_F(LoadTest, TakesTheWriteAheadLogIn) {
  const quorate::testing::ScratchDirectory scratch;
  const std::string path = scratch.below("a.db");
  StockSqlite stock(path, "PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0");
  ASSERT_EQ(stock.query(kContent), "");
  const Bytes log = read_file(path + "-wal");
  ASSERT_GT(log.size(), 10'000U);
  load(read_file(path), log);
  EXPECT_EQ(query(*writer_, kSums), stock.query(kSums));
  EXPECT_EQ(query(*writer_, "PRAGMA integrity_check"), "'ok'");
}

TEST_F(LoadTest, RefusesWhatIsNoSoundDatabase) {
  const Bytes good = made_by_stock("");
  EXPECT_NE(refusal({}).find("not a SQLite database"), std::string::npos);
  EXPECT_NE(refusal(Bytes(5000, std::byte{'x'})).find("not a SQLite database"), std::string::npos);
  Bytes random(8192);
  Random generator(1);
  for (std::byte& byte : random) byte = static_cast<std::byte>(generator.next());
  EXPECT_NE(refusal(random).find("encrypted"), std::string::npos);
  EXPECT_NE(refusal({good.begin(), good.begin() + 50}).find("not a SQLite database"), std::string::npos);
  EXPECT_NE(refusal({good.begin(), good.end() - 4096}).find("cut short"), std::string::npos);

  Bytes bad = good;
  bad[16] = std::byte{3};
  EXPECT_NE(refusal(bad).find("pages have 768 bytes"), std::string::npos);
  bad = good;
  bad[19] = std::byte{9};
  EXPECT_NE(refusal(bad).find("version 9"), std::string::npos);
  bad = good;
  std::fill(bad.begin() + 5 * 4096, bad.begin() + 6 * 4096, std::byte{0x5A});
  EXPECT_NE(refusal(bad).find("damaged"), std::string::npos);
  bad = good;
  std::fill(bad.begin() + 100, bad.begin() + 4096, std::byte{0});
  EXPECT_NE(refusal(bad), "");
}

TEST_F(LoadTest, RefusesWhatIsTooLarge) {
  const Bytes good = made_by_stock("");
  const std::unique_ptr<Load> load = begin(good.size() - 1);
  const Result<void> appended = load->append(good);
  ASSERT_FALSE(appended.has_value());
  EXPECT_EQ(appended.error().kind, ErrorKind::kInvalidArgument);
}

TEST_F(LoadTest, IsNotSeenBeforeItsEnd) {
  const std::unique_ptr<Load> load = collected(made_by_stock(""));
  ASSERT_TRUE(load->verify().has_value());
  ASSERT_TRUE(stage(*writer_, "main", *load->read(PageNumber{1}, 10'000)).has_value());
  store_.commit(*writer_);
  EXPECT_TRUE(store_->has_hidden());
  EXPECT_EQ(query(*writer_, "SELECT * FROM old"), "1;2");
  EXPECT_EQ(store_.execute(*writer_, "INSERT INTO old VALUES(3)"), "") << "everything else goes on";
  EXPECT_TRUE(query(*writer_, "ATTACH '.main' AS m").starts_with("23:")) << "not authorized";
  // Neither can a piece that is not the next be staged, nor what is not whole be adopted.
  EXPECT_EQ(stage(*writer_, "main", *load->read(PageNumber{5}, 10'000)).error().kind, SqlErrorKind::kBusy);
  EXPECT_EQ(adopt(*writer_, "main", load->page_count()).error().kind, SqlErrorKind::kBusy);
  ASSERT_TRUE(drop_staged(*writer_).has_value());
  store_.commit(*writer_);
  EXPECT_FALSE(store_->has_hidden());
  EXPECT_EQ(query(*writer_, "SELECT * FROM old"), "1;2;3");
}

TEST_F(LoadTest, AFullDiskIsReportedAsSuch) {
  const Bytes file = made_by_stock("PRAGMA page_size=512");
  const std::unique_ptr<Load> load = begin();
  store_.disk().set_capacity(store_.disk().used_bytes() + 4096);
  EXPECT_EQ(load->append(file).error().kind, ErrorKind::kDiskFull);
}

TEST_F(LoadTest, RemovesWhatACrashLeft) {
  {
    auto file = store_.disk().open("load/database-wal", storage::OpenMode::kCreate);
    ASSERT_FALSE(file.has_value());
  }
  static_cast<void>(begin());
  { auto file = store_.disk().open("load/database-wal", storage::OpenMode::kCreate); }
  load(made_by_stock(""));
  EXPECT_EQ(query(*writer_, "SELECT count(*) FROM t"), "2000");
}

RC_GTEST_FIXTURE_PROP(LoadTest, DamagedFilesAreRefusedOrSound, ()) {
  static const Bytes kGood = made_by_stock("PRAGMA page_size=1024");
  Random random(*rc::gen::arbitrary<std::uint64_t>());
  Bytes file = kGood;
  for (std::uint64_t i = 0; i <= random.below(8); ++i) {
    // The header and the beginnings of pages are where it hurts.
    const std::size_t at = random.below(3) == 0 ? random.below(100) : random.below(file.size() / 1024) * 1024;
    file[at + random.below(std::min<std::size_t>(16, file.size() - at))] = static_cast<std::byte>(random.next());
  }
  if (random.below(4) == 0) file.resize(random.below(file.size()));
  const std::unique_ptr<Load> load = collected(file);
  const StateDigest before = store_->digest();
  if (!load->verify()) {
    RC_ASSERT(store_->digest() == before);
    return;
  }
  RC_ASSERT(replace(*load, *writer_).has_value());
  store_.commit(*writer_);
  // A connection that has known another text encoding is of no use any more.
  RC_ASSERT(query(*store_.connect(ConnectionRole::kWriter), "PRAGMA integrity_check") == "'ok'");
}

}  // namespace
}  // namespace quorate::sqlite
