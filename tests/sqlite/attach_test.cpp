// Further databases of a node, as clients use them: attached by name, changed together with the others in one atomic
// commit, and carried wherever the first one goes.
#include <set>

#include <gtest/gtest.h>

#include "statemachine/sqlite/reader_pool.hpp"
#include "tests/sqlite/log_harness.hpp"

namespace quorate::sqlite {
namespace {

using testing::Leader;
using testing::Replica;

class AttachTest : public ::testing::Test {
 protected:
  AttachTest() {
    EXPECT_EQ(run({"CREATE TABLE t(a)"}), "0 changed;");
    EXPECT_EQ(run({"ATTACH 'archive' AS x", "CREATE TABLE x.u(a UNIQUE)"}), "0 changed;0 changed;");
  }

  static Request request(std::vector<std::string> statements, Atomicity atomicity = Atomicity::kEach) {
    Request request;
    for (std::string& sql : statements) request.statements.push_back({std::move(sql), {}});
    request.kind = RequestKind::kMixed;
    request.atomicity = atomicity;
    return request;
  }
  std::string run(std::vector<std::string> statements, Atomicity atomicity = Atomicity::kEach) {
    return leader_.send({.request = request(std::move(statements), atomicity)})->text;
  }
  static std::string contents(Replica& replica) {
    return replica.read(
        "ATTACH 'archive' AS x; SELECT (SELECT group_concat(a) FROM t), (SELECT group_concat(a) FROM u);"
        "PRAGMA integrity_check; PRAGMA x.integrity_check");
  }
  /// A follower that has what is committed.
  std::unique_ptr<Replica> follower() {
    auto follower = std::make_unique<Replica>(NodeId{2});
    leader_.log.replay(*follower);
    EXPECT_EQ((*follower)->digest(), leader_.replica->digest());
    return follower;
  }

  Leader leader_;
};

TEST_F(AttachTest, ATransactionOverSeveralDatabasesIsOneEntry) {
  const Index before = leader_.replica->store().applied().index;
  EXPECT_EQ(
      run({"ATTACH 'archive' AS x", "INSERT INTO t VALUES(1)", "INSERT INTO u VALUES(2)"}, Atomicity::kTransaction),
      "0 changed;1 changed;1 changed;");
  EXPECT_EQ(leader_.replica->store().applied().index, before + 1);
  EXPECT_EQ(run({"ATTACH 'archive' AS x; BEGIN; INSERT INTO t VALUES(3); INSERT INTO u VALUES(4); COMMIT"}),
            "1 changed;");
  EXPECT_EQ(contents(leader_.replica), "'1,3','2,4';'ok';'ok'");
  EXPECT_EQ(contents(*follower()), "'1,3','2,4';'ok';'ok'");
}

TEST_F(AttachTest, AllOfItOrNothing) {
  run({"ATTACH 'archive' AS x", "INSERT INTO u VALUES(2)"});
  EXPECT_EQ(
      run({"ATTACH 'archive' AS x", "INSERT INTO t VALUES(1)", "INSERT INTO u VALUES(2)"}, Atomicity::kTransaction),
      "0 changed;1 changed;error: UNIQUE constraint failed: u.a;");
  EXPECT_EQ(contents(leader_.replica), "NULL,'2';'ok';'ok'");

  // The entry never gets its majority.
  leader_.log.is_automatic = false;
  const auto lost =
      leader_.send({.request = request({"ATTACH 'archive' AS x", "INSERT INTO t VALUES(3)", "INSERT INTO u VALUES(4)"},
                                       Atomicity::kTransaction)});
  leader_.log.lose_leadership(0);
  EXPECT_EQ(lost->text, "not leader");
  leader_.log.is_automatic = true;
  leader_.log.begin_epoch();
  EXPECT_EQ(contents(leader_.replica), "NULL,'2';'ok';'ok'");
  EXPECT_EQ(contents(*follower()), "NULL,'2';'ok';'ok'");
}

TEST_F(AttachTest, AnInteractiveTransactionMayAttach) {
  std::string token;
  leader_.executor->begin(Instant::max(), [&](const Execution&, std::string given) { token = std::move(given); });
  const auto in = [&](std::string sql) {
    auto ticket = std::make_shared<Leader::Ticket>();
    leader_.executor->execute_in(token, {.request = Leader::request_of(std::move(sql))}, Leader::note(ticket));
    return ticket->text;
  };
  EXPECT_EQ(in("INSERT INTO t VALUES(1)"), "1 changed;");
  EXPECT_EQ(in("ATTACH 'archive' AS x"), "1 changed;");
  EXPECT_EQ(in("INSERT INTO u VALUES(2)"), "1 changed;");
  EXPECT_EQ(contents(leader_.replica), "NULL,NULL;'ok';'ok'");
  const Index before = leader_.replica->store().applied().index;
  auto committed = std::make_shared<Leader::Ticket>();
  leader_.executor->end(token, TransactionEnd::kCommit, Instant::max(), Leader::note(committed));
  EXPECT_EQ(committed->execution.end, Execution::End::kDone);
  EXPECT_EQ(leader_.replica->store().applied().index, before + 1);
  EXPECT_EQ(contents(*follower()), "'1','2';'ok';'ok'");
}

TEST_F(AttachTest, AreDurableTogether) {
  const std::string both = "ATTACH 'archive' AS x; BEGIN; INSERT INTO t VALUES(1); INSERT INTO u VALUES(2); COMMIT";
  run({both});
  EXPECT_EQ(leader_.replica.checkpoint(), "");
  const std::unique_ptr<Replica> node = follower();
  EXPECT_EQ(node->checkpoint(), "");
  run({"ATTACH 'archive' AS x; BEGIN; INSERT INTO t VALUES(3); INSERT INTO u VALUES(4); COMMIT"});
  // What came after the checkpoint is gone with the process, and comes back from the log, for both.
  leader_.log.replay(*node);
  EXPECT_EQ(contents(*node), "'1,3','2,4';'ok';'ok'");
  node->open();
  EXPECT_EQ(contents(*node), "'1','2';'ok';'ok'");
  leader_.log.replay(*node);
  EXPECT_EQ(contents(*node), "'1,3','2,4';'ok';'ok'");
  EXPECT_EQ((*node)->digest(), leader_.replica->digest());
}

/// A crash at every write of a checkpoint leaves both as they were, or both as they are.
TEST_F(AttachTest, ACrashDuringACheckpointSeparatesNothing) {
  run({"ATTACH 'archive' AS x; BEGIN; INSERT INTO t VALUES(1); INSERT INTO u VALUES(2); COMMIT"});
  std::set<std::string> seen;
  for (std::uint64_t operation = 0;; ++operation) {
    Replica node(NodeId{2});
    leader_.log.replay(node, 4);  // the tables
    EXPECT_EQ(node.checkpoint(), "");
    leader_.log.replay(node);
    node.disk.stop_after(operation);
    const bool is_done = node.checkpoint().empty();
    node.disk.crash(sim::CrashPolicy::kReorder);
    node.open();
    const std::string found = contents(node);
    EXPECT_TRUE(found == "NULL,NULL;'ok';'ok'" || found == "'1','2';'ok';'ok'") << operation << ": " << found;
    seen.insert(found);
    leader_.log.replay(node);
    EXPECT_EQ(node->digest(), leader_.replica->digest()) << operation;
    if (is_done) break;
  }
  EXPECT_EQ(seen.size(), 2U);
}

TEST_F(AttachTest, ASnapshotHasAllOfThem) {
  run({"ATTACH 'archive' AS x; BEGIN; INSERT INTO t VALUES(1); INSERT INTO u VALUES(2); COMMIT"});
  EXPECT_EQ(leader_.replica.checkpoint(), "");
  Replica node(NodeId{2});
  const Result<SnapshotId> id = leader_.replica->open_snapshot(NodeId{2}, Index{0});
  ASSERT_TRUE(id.has_value());
  std::uint64_t offset = 0;
  for (bool is_last = false; !is_last;) {
    leader_.replica->read_snapshot(NodeId{2}, offset, [&](Result<SnapshotPiece> piece) {
      ASSERT_TRUE(piece.has_value()) << piece.error().message;
      is_last = piece->is_last;
      node->stage_snapshot(*id, offset, piece->bytes, [&](const Result<std::uint64_t>& next) { offset = *next; });
    });
  }
  leader_.replica->close_snapshot(NodeId{2});
  node->install_snapshot(*id, [](const Result<CheckpointContext>& done) { EXPECT_TRUE(done.has_value()); });
  EXPECT_EQ(contents(node), "'1','2';'ok';'ok'");
  EXPECT_EQ(node->digest(), leader_.replica->digest());
}

TEST_F(AttachTest, TheDigestTellsThemApart) {
  Leader other;
  EXPECT_EQ(other.run("CREATE TABLE t(a)"), "0 changed;");
  const auto attached = other.send({.request = request({"ATTACH 'archives' AS x", "CREATE TABLE x.u(a UNIQUE)"})});
  EXPECT_EQ(attached->execution.end, Execution::End::kDone);
  EXPECT_NE(other.replica->digest(), leader_.replica->digest()) << "the same pages in a database of another name";
}

TEST_F(AttachTest, EveryReplicaReadsThemAsOfOneVersion) {
  run({"ATTACH 'archive' AS x; BEGIN; INSERT INTO t VALUES(1); INSERT INTO u VALUES(2); COMMIT"});
  const std::unique_ptr<Replica> node = follower();
  ConnectionOptions options;
  options.vfs.unix_time_ms = [] { return std::int64_t{0}; };
  options.now = [] { return Instant{}; };
  ReaderPool pool((*node)->store(), options);
  Request query = request({"ATTACH 'archive' AS x", "SELECT t.a, u.a FROM t, u", "INSERT INTO u VALUES(3)"});
  query.kind = RequestKind::kQuery;
  for (int i = 0; i < 2; ++i) {
    const Response response = pool.take()->run(query);
    ASSERT_EQ(response.results.size(), 3U);
    ASSERT_EQ(response.results[1].rows.size(), 1U) << response.results[1].error.message;
    EXPECT_EQ(response.results[1].rows[0], (std::vector<Value>{std::int64_t{1}, std::int64_t{2}}));
    EXPECT_EQ(response.results[2].error.kind, SqlErrorKind::kRefused);
  }
  Request unattached = request({"SELECT * FROM u"});
  unattached.kind = RequestKind::kQuery;
  EXPECT_EQ(pool.take()->run(unattached).results[0].error.message, "no such table: u") << "it lasts for its request";
}

TEST_F(AttachTest, RulesAndLimits) {
  EXPECT_EQ(run({"ATTACH 'archive' AS x", "DETACH x", "SELECT * FROM x.u"}),
            "0 changed;0 changed;error: no such table: x.u;");
  EXPECT_EQ(run({"ATTACH 'archive' AS x", "ATTACH 'archive' AS x"}), "0 changed;error: database x is already in use;");
  EXPECT_EQ(run({"ATTACH ':memory:' AS m", "CREATE TABLE m.v(a)", "INSERT INTO m.v VALUES(1)", "SELECT a FROM m.v"}),
            "0 changed;0 changed;1 changed;1,;")
      << "of this request alone";
  EXPECT_NE(run({"ATTACH 'main' AS again; BEGIN; INSERT INTO t VALUES(1); INSERT INTO again.t VALUES(2); COMMIT"})
                .find("rolled back"),
            std::string::npos)
      << "the same database twice";
  std::vector<std::string> eleven;
  for (int i = 0; i < 11; ++i) eleven.push_back(fmt::format("ATTACH 'd{}' AS d{}", i, i));
  EXPECT_NE(run(eleven).find("error: too many attached databases - max 10;"), std::string::npos);
  for (std::size_t i = 2; i < kDatabasesMax; ++i) {
    EXPECT_EQ(run({fmt::format("ATTACH 'more{}' AS x", i), "CREATE TABLE x.t(a)"}), "0 changed;0 changed;") << i;
  }
  EXPECT_EQ(run({"ATTACH 'one-too-many' AS x", "CREATE TABLE x.t(a)"}),
            "0 changed;error: a node has at most 64 databases;");
  EXPECT_EQ(contents(*follower()), "NULL,NULL;'ok';'ok'");
}

}  // namespace
}  // namespace quorate::sqlite
