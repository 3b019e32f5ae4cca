#include "statemachine/sqlite/vfs.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "tests/sqlite/sql_harness.hpp"

namespace quorate::sqlite {
namespace {

using testing::query;
using testing::SqlStore;

class VfsTest : public ::testing::Test {
 protected:
  std::unique_ptr<Connection> writer() { return store_.connect(ConnectionRole::kWriter); }
  std::unique_ptr<Connection> reader() { return store_.connect(ConnectionRole::kReader); }

  SqlStore store_;
};

TEST_F(VfsTest, StoresAndReadsBack) {
  const auto connection = writer();
  EXPECT_EQ(store_.execute(*connection, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)"), "");
  EXPECT_EQ(store_.execute(*connection, "INSERT INTO t(b) VALUES('one'), (2.5), (x'00ff'), (NULL)"), "");
  EXPECT_EQ(query(*connection, "SELECT * FROM t"), "1,'one';2,2.5;3,x'00ff';4,NULL");
  EXPECT_EQ(query(*reader(), "SELECT count(*) FROM t"), "4");
  EXPECT_EQ(query(*connection, "PRAGMA integrity_check"), "'ok'");
  EXPECT_EQ(query(*connection, "PRAGMA journal_mode"), "'truncate'");
}

TEST_F(VfsTest, ASavepointOfAConnectionThatSawAnEmptyDatabaseDoesNotEmptyIt) {
  const auto early = writer();
  EXPECT_EQ(store_.execute(*writer(), "CREATE TABLE t(a INTEGER PRIMARY KEY, b UNIQUE); INSERT INTO t VALUES(1, 1)"),
            "");
  EXPECT_EQ(query(*early, "SAVEPOINT s; CREATE TABLE IF NOT EXISTS t(a); INSERT INTO t VALUES(2, 2); ROLLBACK TO s"),
            "");
  EXPECT_EQ(query(*early, "SELECT * FROM t; COMMIT"), "1,1");
}

TEST_F(VfsTest, NorAnAttachedDatabase) {
  const auto early = writer();
  EXPECT_EQ(store_.execute(*early, "ATTACH 'x' AS a; SELECT * FROM a.sqlite_schema"), "");
  EXPECT_EQ(store_.execute(*writer(), "ATTACH 'x' AS a; CREATE TABLE a.t(a, b UNIQUE); INSERT INTO t VALUES(1, 1)"),
            "");
  EXPECT_EQ(store_.execute(*early,
                           "SAVEPOINT s; CREATE TABLE IF NOT EXISTS a.t(a); INSERT INTO t VALUES(2, 2); ROLLBACK TO s"),
            "");
  EXPECT_EQ(store_.execute(*early, "SELECT * FROM t; COMMIT"), "1,1");
  // Another one by the same name.
  EXPECT_EQ(store_.execute(*early, "DETACH a; ATTACH 'y' AS a; SELECT * FROM a.sqlite_schema"), "");
  EXPECT_EQ(store_.execute(*writer(), "ATTACH 'y' AS a; CREATE TABLE a.u(a, b UNIQUE); INSERT INTO u VALUES(1, 1)"),
            "");
  EXPECT_EQ(store_.execute(*early,
                           "SAVEPOINT s; CREATE TABLE IF NOT EXISTS a.u(a); INSERT INTO u VALUES(2, 2); ROLLBACK TO s"),
            "");
  EXPECT_EQ(store_.execute(*early, "SELECT * FROM u; COMMIT"), "1,1");
}

TEST_F(VfsTest, OneTransactionIsOneVersion) {
  const auto connection = writer();
  store_.execute(*connection, "CREATE TABLE t(a)");
  query(*connection, "INSERT INTO t VALUES(1)");
  query(*connection, "BEGIN; INSERT INTO t VALUES(2); INSERT INTO t VALUES(3); COMMIT");
  query(*connection, "SELECT * FROM t; BEGIN IMMEDIATE; COMMIT; BEGIN; INSERT INTO t VALUES(4); ROLLBACK");
  EXPECT_EQ(store_.commit(*connection).size(), 2U);
}

TEST_F(VfsTest, ReadersSeeWhatIsAppliedAndNothingElse) {
  const auto connection = writer();
  const auto other = reader();
  store_.execute(*connection, "CREATE TABLE t(a); INSERT INTO t VALUES(1)");
  query(*connection, "INSERT INTO t VALUES(2)");
  EXPECT_EQ(query(*connection, "SELECT a FROM t"), "1;2");
  EXPECT_EQ(query(*other, "SELECT a FROM t"), "1") << "speculation";
  EXPECT_EQ(query(*other, "BEGIN; SELECT a FROM t"), "1");
  store_.commit(*connection);
  EXPECT_EQ(query(*other, "SELECT a FROM t"), "1") << "the transaction's snapshot";
  EXPECT_EQ(query(*other, "COMMIT; SELECT a FROM t"), "1;2");
}

TEST_F(VfsTest, ReadersCannotWrite) {
  store_.execute(*writer(), "CREATE TABLE t(a)");
  EXPECT_EQ(query(*reader(), "INSERT INTO t VALUES(1)"), "8: attempt to write a readonly database");
}

TEST_F(VfsTest, AWriterOnAnOldSnapshotIsToldSo) {
  const auto first = writer();
  const auto second = writer();
  store_.execute(*first, "CREATE TABLE t(a)");
  EXPECT_EQ(query(*second, "BEGIN; SELECT * FROM t"), "");
  store_.execute(*first, "INSERT INTO t VALUES(1)");
  EXPECT_EQ(query(*second, "INSERT INTO t VALUES(2)"), "517: database is locked");
  EXPECT_EQ(query(*second, "ROLLBACK; BEGIN IMMEDIATE; INSERT INTO t VALUES(2)"), "");
  EXPECT_EQ(query(*first, "BEGIN IMMEDIATE"), "5: database is locked");
  EXPECT_EQ(query(*first, "SELECT a FROM t"), "1");
  EXPECT_EQ(store_.execute(*second, "COMMIT"), "");
  EXPECT_EQ(query(*first, "SELECT a FROM t"), "1;2");
}

TEST_F(VfsTest, RollsBackWhatTheCacheSpilled) {
  const auto connection = writer();
  store_.execute(*connection, "CREATE TABLE t(a INTEGER PRIMARY KEY, b); CREATE INDEX i ON t(b)");
  store_.execute(*connection,
                 "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n WHERE x<500)"
                 "INSERT INTO t SELECT x, randomblob(700) FROM n; DELETE FROM t WHERE a % 3 = 0");
  const std::string before = query(*connection, "SELECT count(*), sum(a), max(b) FROM t");
  EXPECT_EQ(query(*connection, "PRAGMA cache_size=5"), "");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(query(*connection,
                    "BEGIN; UPDATE t SET b = randomblob(900); DELETE FROM t WHERE a % 2 = 0;"
                    "INSERT INTO t(b) SELECT randomblob(3000) FROM t LIMIT 200; ROLLBACK"),
              "");
    EXPECT_TRUE(store_.commit(*connection).empty()) << "a rollback sealed a version";
    EXPECT_EQ(query(*connection, "SELECT count(*), sum(a), max(b) FROM t; PRAGMA integrity_check"), before + ";'ok'");
  }
}

TEST_F(VfsTest, CommitsWhatTheCacheSpilled) {
  const auto connection = writer();
  query(*connection, "PRAGMA cache_size=5");
  EXPECT_EQ(
      store_.execute(*connection,
                     "CREATE TABLE t(a INTEGER PRIMARY KEY, b); BEGIN;"
                     "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n WHERE x<2000)"
                     "INSERT INTO t SELECT x, randomblob(2500) FROM n;"
                     "UPDATE t SET b = 'short' WHERE a % 2 = 0; SAVEPOINT s; DELETE FROM t; ROLLBACK TO s; COMMIT"),
      "");
  EXPECT_EQ(query(*connection, "SELECT count(*), sum(b='short') FROM t; PRAGMA integrity_check"), "2000,1000;'ok'");
  EXPECT_EQ(query(*reader(), "SELECT count(*) FROM t; PRAGMA integrity_check"), "2000;'ok'");
}

TEST_F(VfsTest, ShrinksByVacuumAndAutoVacuum) {
  const auto connection = writer();
  EXPECT_EQ(store_.execute(*connection, "PRAGMA auto_vacuum=FULL; CREATE TABLE t(a)"), "");
  EXPECT_EQ(query(*connection, "PRAGMA auto_vacuum"), "1");
  const std::string fill =
      "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n WHERE x<300) INSERT INTO t SELECT randomblob(3000) "
      "FROM n";
  store_.execute(*connection, fill);
  const auto pages = [&] { return std::stoi(query(*reader(), "PRAGMA page_count")); };
  const int full = pages();
  EXPECT_GT(full, 200);
  store_.execute(*connection, "DELETE FROM t");
  EXPECT_LT(pages(), 10);
  EXPECT_EQ(query(*reader(), "PRAGMA integrity_check"), "'ok'");
  EXPECT_EQ(store_.execute(*connection, "PRAGMA auto_vacuum=NONE; VACUUM"), "");
  EXPECT_EQ(query(*connection, "PRAGMA auto_vacuum"), "0");
  store_.execute(*connection, fill);
  store_.execute(*connection, "DELETE FROM t");
  EXPECT_GE(pages(), full - 10) << "free pages stay";
  EXPECT_EQ(store_.execute(*connection, "VACUUM"), "");
  EXPECT_LT(pages(), 10);
  EXPECT_EQ(query(*reader(), "PRAGMA integrity_check"), "'ok'");
}

/// What pragma_rules.hpp keeps from clients: a VACUUM that gives the database another page size.
TEST_F(VfsTest, ADatabaseKeepsThePageSizeThatItWasCreatedWith) {
  const auto connection = writer();
  store_.execute(*connection, "CREATE TABLE t(a); INSERT INTO t VALUES(randomblob(9000))");
  for (const char* size : {"1024", "16384"}) {
    Vfs vfs(*store_, {.role = ConnectionRole::kWriter, .unix_time_ms = [] { return std::int64_t{0}; }});
    sqlite3* raw = nullptr;
    ASSERT_EQ(sqlite3_open_v2("main", &raw, SQLITE_OPEN_READWRITE, vfs.name().c_str()), SQLITE_OK);
    const std::string sql = fmt::format("PRAGMA page_size={}; VACUUM", size);
    EXPECT_EQ(sqlite3_exec(raw, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_IOERR);
    EXPECT_NE(vfs.take_error().value_or(Error{}).message.find("page size"), std::string::npos);
    EXPECT_TRUE(vfs.take_sealed().empty());
    sqlite3_close(raw);
    EXPECT_EQ(query(*reader(), "PRAGMA integrity_check; SELECT length(a) FROM t"), "'ok';9000");
  }
}

TEST_F(VfsTest, CommitsAttachedDatabasesAsOneVersion) {
  const auto connection = writer();
  EXPECT_EQ(store_.execute(*connection, "CREATE TABLE t(a); ATTACH 'archive' AS x; CREATE TABLE x.u(a)"), "");
  EXPECT_EQ(query(*connection, "BEGIN; INSERT INTO t VALUES(1); INSERT INTO u VALUES(2); COMMIT"), "");
  const std::vector<SealedVersion> sealed = store_.commit(*connection);
  ASSERT_EQ(sealed.size(), 1U);
  EXPECT_EQ(parse_delta_part(sealed[0].parts[0].bytes())->sections.size(), 2U);
  EXPECT_EQ(query(*connection, "BEGIN; INSERT INTO t VALUES(3); INSERT INTO u VALUES(4); ROLLBACK"), "");
  EXPECT_TRUE(store_.commit(*connection).empty());
  const auto other = reader();
  EXPECT_EQ(query(*other, "ATTACH 'archive' AS y; SELECT t.a, u.a FROM t, y.u"), "1,2");
}

TEST_F(VfsTest, AFailedCommitOfSeveralDatabasesRollsAllOfThemBack) {
  const auto connection = writer();
  store_.execute(*connection, "CREATE TABLE t(a); ATTACH 'archive' AS x; CREATE TABLE x.u(a)");
  EXPECT_EQ(query(*connection, "BEGIN; INSERT INTO t VALUES(1); INSERT INTO u VALUES(2)"), "");
  store_->drop_speculation();
  EXPECT_EQ(query(*connection, "COMMIT").substr(0, 6), "10250:");
  EXPECT_FALSE(connection->in_transaction());
  EXPECT_TRUE(connection->is_outdated());
  EXPECT_EQ(query(*connection, "SELECT * FROM t").substr(0, 6), "10250:") << "an outdated connection says so";
  store_->begin_epoch(Epoch{2});
  const auto fresh = writer();
  EXPECT_EQ(query(*fresh, "ATTACH 'archive' AS x; SELECT count(*) FROM t; SELECT count(*) FROM u"), "0;0");
  EXPECT_EQ(store_.execute(*fresh, "BEGIN; INSERT INTO t VALUES(5); INSERT INTO u VALUES(6); COMMIT"), "");
  EXPECT_EQ(query(*fresh, "SELECT t.a, u.a FROM t, u; PRAGMA integrity_check; PRAGMA x.integrity_check"),
            "5,6;'ok';'ok'");
}

TEST_F(VfsTest, TheSameDatabaseAttachedTwiceHasOneWriter) {
  const auto connection = writer();
  store_.execute(*connection, "CREATE TABLE t(a)");
  EXPECT_EQ(query(*connection, "ATTACH 'main' AS again; BEGIN; INSERT INTO main.t VALUES(1)"), "");
  EXPECT_EQ(query(*connection, "INSERT INTO again.t VALUES(2)"), "5: database is locked");
  EXPECT_EQ(query(*connection, "COMMIT"), "");
}

TEST_F(VfsTest, LosingLeadershipFailsTheCommitAndTheConnection) {
  const auto connection = writer();
  store_.execute(*connection, "CREATE TABLE t(a)");
  EXPECT_EQ(query(*connection, "BEGIN; INSERT INTO t VALUES(1)"), "");
  store_->drop_speculation();
  EXPECT_EQ(query(*connection, "COMMIT").substr(0, 6), "10250:");
  EXPECT_EQ(query(*connection, "INSERT INTO t VALUES(1)").substr(0, 6), "10250:");
  const auto follower = writer();
  EXPECT_EQ(query(*follower, "INSERT INTO t VALUES(1)").substr(0, 2), "8:") << "no epoch: not the leader";
  EXPECT_EQ(query(*follower, "SELECT count(*) FROM t"), "0");
}

TEST_F(VfsTest, TemporaryObjectsStayLocal) {
  const auto connection = writer();
  store_.execute(*connection, "CREATE TABLE t(a); INSERT INTO t VALUES(3),(1),(2)");
  EXPECT_EQ(query(*connection,
                  "CREATE TEMP TABLE s AS SELECT a FROM t; INSERT INTO s VALUES(9);"
                  "SELECT a FROM s ORDER BY a"),
            "1;2;3;9");
  EXPECT_TRUE(store_.commit(*connection).empty());
}

TEST_F(VfsTest, ScratchSpaceAndTransactionsAreBounded) {
  ConnectionOptions options;
  options.vfs.transaction_bytes_max = 64 << 10;
  const auto small = store_.connect(ConnectionRole::kWriter, options);
  store_.execute(*small, "CREATE TABLE t(a)");
  EXPECT_EQ(query(*small, "INSERT INTO t VALUES(randomblob(100000))").substr(0, 3), "13:");
  EXPECT_EQ(query(*small, "SELECT count(*) FROM t; PRAGMA integrity_check"), "0;'ok'");
  EXPECT_EQ(store_.execute(*small, "INSERT INTO t VALUES(randomblob(40000))"), "");
  options = {};
  options.vfs.scratch_bytes_max = 1 << 20;
  const auto tight = store_.connect(ConnectionRole::kReader, options);
  EXPECT_EQ(query(*tight,
                  "PRAGMA temp.cache_size=5; CREATE TEMP TABLE x AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
                  "SELECT i+1 FROM n WHERE i<5000) SELECT randomblob(1000) FROM n")
                .substr(0, 3),
            "13:");
}

TEST_F(VfsTest, TimeComesFromTheOwner) {
  store_.unix_time_ms = 1'000'000'000'123;
  const auto connection = writer();
  EXPECT_EQ(query(*connection, "SELECT datetime('now'), strftime('%f','now'), CURRENT_TIMESTAMP"),
            "'2001-09-09 01:46:40','40.123','2001-09-09 01:46:40'");
}

TEST_F(VfsTest, ALargeTransactionIsCutIntoPartsThatAReplicaAppliesAsOne) {
  sim::SimFiles other_disk{Random(2)};
  testing::Store replica(other_disk);
  const auto connection = writer();
  for (const char* sql : {"CREATE TABLE t(a)",
                          "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM n WHERE x<900)"
                          "INSERT INTO t SELECT randomblob(4000) FROM n"}) {
    EXPECT_EQ(query(*connection, sql), "");
    for (const SealedVersion& sealed : store_.commit(*connection)) {
      const Result<void> applied = replica->apply(replica.next_entry(), sealed.parts);
      ASSERT_TRUE(applied.has_value()) << applied.error().message;
      EXPECT_EQ(replica->digest(), sealed.digest);
      EXPECT_EQ(sealed.parts.size() > 2, sql[0] == 'W');
    }
  }
}

}  // namespace
}  // namespace quorate::sqlite
