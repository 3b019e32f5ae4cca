// Whole files on their way through the log: on the leader, on followers, through checkpoints, snapshots and losses of
// leadership.
#include "statemachine/sqlite/loader.hpp"

#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

#include "tests/scratch_directory.hpp"
#include "tests/sqlite/log_harness.hpp"
#include "tests/sqlite/stock_sqlite.hpp"

namespace quorate::sqlite {
namespace {

using testing::Leader;
using testing::ManualJobs;
using testing::Replica;
using testing::StockSqlite;

/// So many rows of 100 characters, all of them with the same mark.
std::string file_with(std::string_view mark, int rows) {
  const quorate::testing::ScratchDirectory scratch;
  const std::string path = scratch.below("a.db");
  const std::string sql = fmt::format(
      "CREATE TABLE t(a INTEGER PRIMARY KEY, mark, b); WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT "
      "x+1 FROM n WHERE x<{}) INSERT INTO t SELECT x, '{}', hex(randomblob(50)) FROM n",
      rows, mark);
  EXPECT_EQ(StockSqlite(path, "").query(sql), "");
  std::ifstream made(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(made), {}};
}

class LoaderTest : public ::testing::Test {
 protected:
  LoaderTest() {
    EXPECT_EQ(leader_.run("CREATE TABLE t(a, mark, b); INSERT INTO t VALUES(1, 'old', 'old')"), "1 changed;");
  }

  std::shared_ptr<Load> verified(const std::string& file) {
    Result<std::unique_ptr<Load>> load =
        Load::begin(storage::AnyFileSystem(files_), {.directory = fmt::format("load{}", ++loads_)});
    EXPECT_TRUE(load.has_value());
    EXPECT_TRUE((*load)->append(std::as_bytes(std::span(file))).has_value());
    const Result<void> verified = (*load)->verify();
    EXPECT_TRUE(verified.has_value()) << verified.error().message;
    return std::move(*load);
  }
  Leader::TicketPtr load(const std::string& file, std::string key = {}) {
    auto ticket = std::make_shared<Leader::Ticket>();
    loader_.load({.file = verified(file), .idempotency_key = std::move(key)}, Leader::note(ticket));
    return ticket;
  }
  /// What the tables say; one mark if all of it is of one load.
  static std::string marks(Replica& replica) { return replica.read("SELECT mark, count(*) FROM t GROUP BY 1"); }
  void expect_equal(Replica& follower) {
    leader_.log.replay(follower);
    EXPECT_EQ(leader_.replica->digest(), follower->digest());
    EXPECT_EQ(marks(leader_.replica), marks(follower));
    EXPECT_EQ(follower.read("PRAGMA integrity_check"), "'ok'");
  }

  sim::SimFiles files_{Random(3)};
  int loads_ = 0;
  Leader leader_;
  ManualJobs reading_;
  Loader loader_{*leader_.replica,
                 *leader_.executor,
                 {.piece_bytes = 8192, .pieces_under_way_max = 2, .unfolded_bytes_max = std::uint64_t{64} << 10},
                 reading_.runner()};
};

TEST_F(LoaderTest, FillsMemoryOnlyAsFastAsItIsEmptied) {
  const std::string file = file_with("new", 5000);
  ASSERT_GT(file.size(), 500'000U);
  Replica follower(NodeId{2});
  const Leader::TicketPtr ticket = load(file);
  std::size_t checkpoints = 0;
  std::uint64_t most = 0;
  while (!ticket->has_ended) {
    EXPECT_EQ(marks(leader_.replica), "'old',1");
    most = std::max(most, leader_.replica->store().overlay_bytes());
    ASSERT_TRUE(leader_.replica->checkpoint_wanted()) << "nothing else can go on";
    ASSERT_EQ(leader_.replica.checkpoint(), "");
    ++checkpoints;
    if (checkpoints % 3 == 0) expect_equal(follower);
    if (checkpoints != 4) continue;
    EXPECT_EQ(leader_.run("INSERT INTO t VALUES(2, 'old', '')"), "1 changed;") << "everything else goes on";
    EXPECT_EQ(leader_.run("DELETE FROM t WHERE a=2"), "1 changed;");
  }
  EXPECT_EQ(ticket->text, "");
  EXPECT_GT(checkpoints, file.size() / (64 << 10));
  EXPECT_LT(most, std::uint64_t{96} << 10);
  EXPECT_EQ(marks(leader_.replica), "'new',5000");
  expect_equal(follower);
  EXPECT_EQ(leader_.run("INSERT INTO t VALUES(-1, 'new', '')"), "1 changed;");
  expect_equal(follower);
}

TEST_F(LoaderTest, OneAfterTheOther) {
  reading_.is_automatic = false;
  const Leader::TicketPtr first = load(file_with("first", 300));
  const Leader::TicketPtr second = load(file_with("second", 200));
  while (!first->has_ended) reading_.finish();
  EXPECT_EQ(first->text, "");
  EXPECT_EQ(marks(leader_.replica), "'first',300");
  reading_.is_automatic = true;
  reading_.run_all();
  while (!second->has_ended) ASSERT_EQ(leader_.replica.checkpoint(), "");
  EXPECT_EQ(second->text, "");
  EXPECT_EQ(marks(leader_.replica), "'second',200");
  EXPECT_FALSE(leader_.replica->store().has_hidden());
}

TEST_F(LoaderTest, WhatALostLeaderLeftIsDroppedByTheNext) {
  Replica follower(NodeId{2});
  reading_.is_automatic = false;
  const Leader::TicketPtr ticket = load(file_with("new", 300));
  for (int i = 0; i < 3; ++i) reading_.finish();
  EXPECT_TRUE(leader_.replica->store().has_hidden());
  leader_.log.is_automatic = false;
  reading_.finish();
  leader_.log.lose_leadership(0);
  while (reading_.waiting() > 0) reading_.finish();
  EXPECT_TRUE(ticket->text.starts_with("not leader")) << ticket->text;
  leader_.log.commit();
  EXPECT_TRUE(leader_.replica->store().has_hidden());
  leader_.log.is_automatic = true;
  leader_.log.begin_epoch();
  EXPECT_FALSE(leader_.replica->store().has_hidden());
  EXPECT_EQ(marks(leader_.replica), "'old',1");
  expect_equal(follower);
  EXPECT_EQ(load(file_with("newer", 10))->has_ended, false);
  while (reading_.waiting() > 0) reading_.finish();
  EXPECT_EQ(marks(leader_.replica), "'newer',10");
  expect_equal(follower);
}

TEST_F(LoaderTest, ALossWhileItWaitsForACheckpointEndsIt) {
  const Leader::TicketPtr ticket = load(file_with("new", 5000));
  EXPECT_FALSE(ticket->has_ended);
  leader_.log.lose_leadership(0);
  EXPECT_EQ(ticket->text, "not leader");
  leader_.log.begin_epoch();
  EXPECT_FALSE(leader_.replica->store().has_hidden());
}

TEST_F(LoaderTest, ANodeThatStartsAgainGoesOnWithTheLog) {
  Replica follower(NodeId{2});
  const Leader::TicketPtr ticket = load(file_with("new", 5000));
  for (int i = 0; !ticket->has_ended; ++i) {
    ASSERT_EQ(leader_.replica.checkpoint(), "");
    leader_.log.replay(follower);
    if (i % 2 == 0) {
      ASSERT_EQ(follower.checkpoint(), "");
    }
    follower.disk.crash(static_cast<sim::CrashPolicy>(i % 4));
    follower.open();
  }
  expect_equal(follower);
  EXPECT_EQ(marks(follower), "'new',5000");
}

TEST_F(LoaderTest, ARepeatedLoadTakesEffectOnce) {
  const std::string file = file_with("new", 20);
  EXPECT_EQ(load(file, "key")->text, "");
  EXPECT_EQ(leader_.run("INSERT INTO t VALUES(-1, 'later', '')"), "1 changed;");
  const Leader::TicketPtr again = load(file, "key");
  EXPECT_EQ(again->text, "again: ");
  EXPECT_EQ(marks(leader_.replica), "'later',1;'new',20");
  EXPECT_FALSE(leader_.replica->store().has_hidden());
}

TEST_F(LoaderTest, AFileThatCannotBeReadChangesNothing) {
  reading_.is_automatic = false;
  const Leader::TicketPtr ticket = load(file_with("new", 300));
  reading_.finish();
  files_.arm(sim::DiskFault::kReadError);
  while (!ticket->has_ended) reading_.finish();
  EXPECT_TRUE(ticket->text.starts_with("refused: ")) << ticket->text;
  EXPECT_FALSE(leader_.replica->store().has_hidden());
  EXPECT_EQ(marks(leader_.replica), "'old',1");
}

TEST_F(LoaderTest, ReplacesADatabaseThatDoesNotExistYet) {
  auto ticket = std::make_shared<Leader::Ticket>();
  loader_.load({.file = verified(file_with("new", 20)), .database = "archive"}, Leader::note(ticket));
  EXPECT_EQ(ticket->text, "");
  EXPECT_EQ(leader_.run("ATTACH 'archive' AS a; SELECT count(*) FROM a.t"), "20,;");
  EXPECT_EQ(marks(leader_.replica), "'old',1");
}

}  // namespace
}  // namespace quorate::sqlite
