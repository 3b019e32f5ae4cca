// Requests with statements: what reaches the database, what the client gets for each end, and where it runs.
#include "server/http/sql_handler.hpp"

#include <gtest/gtest.h>

#include "tests/server/http_fixture.hpp"

namespace quorate::http {
namespace {

using server::ForwardEnd;
using server::ReadLevel;
using server::ResultSink;
using server::SqlDone;
using server::SqlEnd;
using server::SqlRequest;
using sqlite::Atomicity;
using sqlite::RequestKind;
using test::Answer;
using namespace std::chrono_literals;

class SqlHandlerTest : public test::ServiceFixture, public testing::Test {
 protected:
  /// The database ends every request like this, without a result.
  void end_with(SqlEnd end) {
    database.behaviour = [end](auto&, const auto&, const SqlDone& done) { done(end); };
  }
};

TEST_F(SqlHandlerTest, ExecutesStatements) {
  const Answer answer = post("/db/execute", R"json(["CREATE TABLE t(x)", ["INSERT INTO t VALUES(?)", 1]])json");
  EXPECT_EQ(answer.status, Status::kOk);
  EXPECT_EQ(answer.body,
            R"({"results":[{"last_insert_id":1,"rows_affected":1},{"last_insert_id":2,"rows_affected":1}]})");
  EXPECT_TRUE(answer.has_header("Content-Type: application/json; charset=utf-8"));
  EXPECT_TRUE(answer.has_header("X-Rqlite-Served-By: 127.0.0.1:4001"));
  EXPECT_TRUE(answer.has_header("Quorate-Index: 4"));
  ASSERT_EQ(database.requests.size(), 1U);
  const SqlRequest& request = database.requests[0];
  EXPECT_EQ(request.sql.kind, RequestKind::kExecute);
  EXPECT_EQ(request.sql.statements.at(1).sql, "INSERT INTO t VALUES(?)");
  EXPECT_EQ(request.sql.statements.at(1).parameters, sqlite::Parameters(std::vector<sqlite::Value>{std::int64_t{1}}));
  EXPECT_EQ(request.sql.atomicity, Atomicity::kEach);
}

TEST_F(SqlHandlerTest, PassesOptionsOn) {
  ask({Method::kPost,
       "/db/request?transaction&level=strong&freshness=1s&freshness_strict&qualify_columns&timeout=2s&db_timeout=3s"
       "&linearizable_timeout=4s&min_index=7&tx=token",
       R"(["a"])",
       {{"idempotency-key", "abc"}}});
  ASSERT_EQ(database.requests.size(), 1U);
  const SqlRequest& request = database.requests[0];
  EXPECT_EQ(request.sql.kind, RequestKind::kMixed);
  EXPECT_EQ(request.sql.atomicity, Atomicity::kTransaction);
  EXPECT_EQ(request.options.level, ReadLevel::kStrong);
  ASSERT_TRUE(request.options.freshness);
  EXPECT_EQ(request.options.freshness->limit, 1s);
  EXPECT_EQ(request.options.freshness->measure, server::Freshness::Measure::kSinceAppended);
  EXPECT_EQ(request.options.timeout, 2s);
  EXPECT_EQ(request.sql.time_max, 3s);
  EXPECT_EQ(request.options.linearizable_timeout, 4s);
  EXPECT_EQ(request.options.min_index, Index{7});
  EXPECT_EQ(request.options.transaction, "token");
  EXPECT_EQ(request.options.idempotency_key, "abc");
}

TEST_F(SqlHandlerTest, TakesPlainText) {
  const auto as_text = [this](std::string path) {
    return ask({Method::kPost, std::move(path), "SELECT 1; SELECT 2", {{"Content-Type", "text/plain; charset=utf-8"}}});
  };
  as_text("/db/execute");
  as_text("/db/query");
  ASSERT_EQ(database.requests.size(), 2U);
  for (const SqlRequest& request : database.requests) {
    ASSERT_EQ(request.sql.statements.size(), 1U);
    EXPECT_EQ(request.sql.statements[0].sql, "SELECT 1; SELECT 2");
  }
  EXPECT_EQ(as_text("/db/request").status, Status::kBadRequest) << "mixed requests are JSON only";
}

TEST_F(SqlHandlerTest, TakesTheQueryFromTheQueryString) {
  get("/db/query?q=SELECT+1");
  ASSERT_EQ(database.requests.size(), 1U);
  EXPECT_EQ(database.requests[0].sql.kind, RequestKind::kQuery);
  ASSERT_EQ(database.requests[0].sql.statements.size(), 1U);
  EXPECT_EQ(database.requests[0].sql.statements[0].sql, "SELECT 1");
  const Answer nothing = get("/db/query");
  EXPECT_EQ(nothing.status, Status::kOk);
  EXPECT_EQ(nothing.body, R"({"results":[]})");
}

TEST_F(SqlHandlerTest, RefusesBodiesThatAreNoStatements) {
  for (const char* path : {"/db/execute", "/db/query", "/db/request"}) {
    EXPECT_EQ(post(path, "").body, "no statements\n") << path;
    EXPECT_EQ(post(path, "SELECT 1").body, "invalid JSON body\n");
    const Answer answer = post(path, "[1]");
    EXPECT_EQ(answer.body, "invalid request\n");
    EXPECT_EQ(answer.status, Status::kBadRequest);
    EXPECT_FALSE(answer.has_header("X-Rqlite-Served-By: 127.0.0.1:4001"));
  }
  EXPECT_TRUE(database.requests.empty());
}

TEST_F(SqlHandlerTest, ShowsTimesAndTheLogIndexIfAskedFor) {
  database.behaviour = [this](auto&, const std::shared_ptr<ResultSink>& sink, const SqlDone& done) {
    now += 2809789ns;
    sink->executed(1, 1, 1821394ns);
    done({.log_index = Index{4}});
  };
  EXPECT_EQ(
      post("/db/execute?timings&raft_index", R"(["a"])").body,
      R"({"results":[{"last_insert_id":1,"rows_affected":1,"time":0.001821394}],"time":0.002809789,"raft_index":4})");
  EXPECT_EQ(post("/db/execute", R"(["a"])").body, R"({"results":[{"last_insert_id":1,"rows_affected":1}]})");
}

TEST_F(SqlHandlerTest, StyleParameters) {
  database.behaviour = [](auto&, const std::shared_ptr<ResultSink>& sink, const SqlDone& done) {
    sink->begin_rows(std::vector<sqlite::ColumnDescription>{{"b", "BLOB", ""}});
    const sqlite::Value row[] = {sqlite::Blob{std::byte{7}}};
    EXPECT_EQ(sink->row(row), server::Flow::kContinue);
    sink->end_rows({});
    done({});
  };
  EXPECT_EQ(get("/db/query?q=a&associative&blob_array").body,
            R"({"results":[{"types":{"b":"blob"},"rows":[{"b":[7]}]}]})");
  EXPECT_TRUE(get("/db/query?q=a&pretty").body.starts_with("{\n    \"results\": [\n"));
}

// --- ends ---

TEST_F(SqlHandlerTest, ErrorsOfStatementsAreResults) {
  database.behaviour = [](auto&, const std::shared_ptr<ResultSink>& sink, const SqlDone& done) {
    sink->failed("no such table: nope", {});
    done({});
  };
  const Answer answer = post("/db/execute", R"json(["INSERT INTO nope VALUES(1)"])json");
  EXPECT_EQ(answer.status, Status::kOk);
  EXPECT_EQ(answer.body, R"({"results":[{"error":"no such table: nope"}]})");
}

struct EndCase {
  SqlEnd::Kind kind;
  Status status;
  const char* outcome;
};

class SqlEndTest : public SqlHandlerTest, public testing::WithParamInterface<EndCase> {};

TEST_P(SqlEndTest, NeverLooksLikeSuccess) {
  end_with({.kind = GetParam().kind, .error = "because"});
  for (const char* path : {"/db/execute", "/db/query", "/db/request", "/db/execute?queue", "/db/execute?queue&wait"}) {
    const Answer answer = post(path, R"(["a"])");
    EXPECT_EQ(answer.status, GetParam().status) << path;
    EXPECT_EQ(answer.body, R"({"results":[],"error":"because","outcome":")" + std::string(GetParam().outcome) + "\"}");
    EXPECT_TRUE(answer.has_header("Quorate-Outcome: " + std::string(GetParam().outcome)));
    EXPECT_FALSE(answer.has_header("X-Rqlite-Served-By: 127.0.0.1:4001"));
  }
}

INSTANTIATE_TEST_SUITE_P(Ends, SqlEndTest,
                         testing::Values(EndCase{SqlEnd::Kind::kInvalid, Status::kBadRequest, "refused"},
                                         EndCase{SqlEnd::Kind::kTooLarge, Status::kPayloadTooLarge, "refused"},
                                         EndCase{SqlEnd::Kind::kNotLeader, Status::kUnavailable, "refused"},
                                         EndCase{SqlEnd::Kind::kRefused, Status::kUnavailable, "refused"},
                                         EndCase{SqlEnd::Kind::kUnknown, Status::kGatewayTimeout, "unknown"}));

TEST_F(SqlHandlerTest, QueuedWritesGetANumber) {
  EXPECT_EQ(post("/db/execute?queue", R"(["a"])").body, R"({"results":[],"sequence_number":1000})");
  EXPECT_EQ(post("/db/execute?queue&wait", R"(["a"])").body, R"({"results":[],"sequence_number":1001})");
  database.behaviour = [](auto&, const std::shared_ptr<ResultSink>& sink, const SqlDone& done) {
    sink->failed("first", {});
    sink->failed("second", {});
    done({});
  };
  EXPECT_EQ(post("/db/execute?queue&wait", R"(["a"])").body,
            R"({"results":[],"error":"first","sequence_number":1002})");
  EXPECT_EQ(post("/db/execute?queue", "garbage").status, Status::kBadRequest);
}

TEST_F(SqlHandlerTest, RefusesOversizedIdempotencyKeys) {
  const Answer answer = ask(
      {Method::kPost, "/db/execute", R"(["a"])", {{"Idempotency-Key", std::string(kIdempotencyKeyBytesMax + 1, 'k')}}});
  EXPECT_EQ(answer.status, Status::kBadRequest);
  EXPECT_TRUE(database.requests.empty());
}

TEST_F(SqlHandlerTest, TellsOfDisallowedPragmasBeforeAnythingRuns) {
  for (const char* sql :
       {"PRAGMA journal_mode=WAL", " pragma Main.SYNCHRONOUS  = off", "PRAGMA wal_checkpoint(TRUNCATE)",
        "PRAGMA query_only=1", "PRAGMA temp.wal_autocheckpoint=1"}) {
    const Answer answer = post("/db/execute", R"(["a", ")" + std::string(sql) + R"("])");
    EXPECT_EQ(answer.status, Status::kOk);
    EXPECT_EQ(answer.body, R"({"results":[],"error":"disallowed pragma"})") << sql;
  }
  EXPECT_TRUE(database.requests.empty());
  for (const char* sql : {"PRAGMA journal_mode", "PRAGMA foreign_keys=ON", "PRAGMA", "PRAGMA .",
                          "PRAGMATIC wal_checkpoint", "SELECT 'PRAGMA wal_checkpoint'"})
    EXPECT_EQ(post("/db/execute", R"([")" + std::string(sql) + R"("])").body.find("disallowed"), std::string::npos)
        << sql;
}

TEST_F(SqlHandlerTest, NamesTimeLimitsAsClientsKnowThem) {
  const sqlite::SqlError error{.kind = sqlite::SqlErrorKind::kTimeout, .code = 9, .message = "whatever"};
  EXPECT_EQ(server::client_text(error, server::Ran::kAsQuery), "query timeout");
  EXPECT_EQ(server::client_text(error, server::Ran::kToExecute), "execute timeout");
  EXPECT_EQ(server::client_text({.message = "no such table: t"}, server::Ran::kAsQuery), "no such table: t");
}

TEST_F(SqlHandlerTest, DeliversCollectedResults) {
  sqlite::StatementResult changes{
      .kind = sqlite::StatementResult::Kind::kChanges, .last_insert_rowid = 2, .rows_affected = 1};
  sqlite::StatementResult error{.kind = sqlite::StatementResult::Kind::kError,
                                .error = {.message = "no such table: nope"}};
  sqlite::StatementResult rows{.kind = sqlite::StatementResult::Kind::kRows, .columns = {{"id", "INTEGER", "t"}}};
  for (std::int64_t i = 1; i <= 2; ++i) rows.rows.push_back({i});
  database.behaviour = [&](auto&, const std::shared_ptr<ResultSink>& sink, const SqlDone& done) {
    for (const auto& result : {changes, error, sqlite::StatementResult(), rows})
      server::deliver(result, server::Ran::kToExecute, *sink);
    done({});
  };
  EXPECT_EQ(post("/db/request?qualify_columns", R"(["a"])").body,
            R"({"results":[{"last_insert_id":2,"rows_affected":1},{"error":"no such table: nope"},{},)"
            R"({"columns":["t.id"],"types":["integer"],"values":[[1],[2]]}]})");
}

// --- streams ---

/// Gives rows of 1 KiB until it is told to stop, or there have been enough.
class Producer : public std::enable_shared_from_this<Producer> {
 public:
  Producer(std::shared_ptr<ResultSink> sink, SqlDone done) : sink_(std::move(sink)), done_(std::move(done)) {
    sink_->begin_rows(std::vector<sqlite::ColumnDescription>{{"c", "TEXT", ""}});
  }
  void go_on(server::Flow flow) {
    const sqlite::Value row[] = {std::string(1024, 'x')};
    while (flow == server::Flow::kContinue && rows < kRows) {
      ++rows;
      flow = sink_->row(row);
    }
    if (flow == server::Flow::kPause) {
      ++pauses;
      return sink_->resume_with([self = shared_from_this()](server::Flow next) { self->go_on(next); });
    }
    if (flow == server::Flow::kStop)
      sink_->rows_failed("interrupted", {});
    else
      sink_->end_rows({});
    done_(end);
  }

  static constexpr int kRows = 1000;
  int rows = 0;
  int pauses = 0;
  SqlEnd end;

 private:
  std::shared_ptr<ResultSink> sink_;
  SqlDone done_;
};

class StreamTest : public SqlHandlerTest {
 protected:
  StreamTest() {
    database.behaviour = [this](auto&, std::shared_ptr<ResultSink> sink, SqlDone done) {
      producer = std::make_shared<Producer>(std::move(sink), std::move(done));
      producer->end = end;
      producer->go_on(server::Flow::kContinue);
    };
  }
  SqlEnd end;
  std::shared_ptr<Producer> producer;
};

TEST_F(StreamTest, LargeResultsComeInChunksAtThePaceOfTheClient) {
  const auto connection = begin({.target = "/db/query?q=a"});
  ASSERT_TRUE(connection->answer);
  EXPECT_TRUE(connection->answer->was_streamed);
  while (!connection->is_ended) {
    const auto produced = static_cast<std::size_t>(producer->rows) * 1024;
    ASSERT_LT(produced, connection->answer->body.size() + 2 * kStreamChunkBytes) << "rows pile up";
    connection->let_go_on();
  }
  EXPECT_GT(producer->pauses, 5);
  std::string expected = R"({"results":[{"columns":["c"],"types":["text"],"values":[)";
  for (int i = 0; i < Producer::kRows; ++i) expected += (i == 0 ? "[\"" : ",[\"") + std::string(1024, 'x') + "\"]";
  EXPECT_EQ(connection->answer->body, expected + "]}]}");
  EXPECT_FALSE(connection->answer->was_cut);
}

TEST_F(StreamTest, StopsWhenTheClientIsGone) {
  const auto connection = begin({.target = "/db/query?q=a"});
  connection->let_go_on(StreamState::kGone);
  EXPECT_TRUE(connection->is_ended);
  EXPECT_LT(producer->rows, Producer::kRows);
}

TEST_F(StreamTest, IsCutWhenTheRequestFailsHalfWay) {
  end = {.kind = SqlEnd::Kind::kRefused, .error = "out of time"};
  const auto connection = begin({.target = "/db/query?q=a"});
  while (!connection->is_ended) connection->let_go_on();
  EXPECT_TRUE(connection->answer->was_cut);
}

// --- where it runs ---

class FollowerTest : public SqlHandlerTest {
 protected:
  FollowerTest() { cluster.leads = false; }

  bool runs_here(const std::string& target, std::string body = "") {
    database.requests.clear();
    cluster.forwarded.clear();
    body.empty() ? get(target) : post(target, std::move(body));
    EXPECT_NE(database.requests.empty(), cluster.forwarded.empty()) << target;
    return !database.requests.empty();
  }
};

TEST_F(FollowerTest, WhatRunsHereAndWhatGoesToTheLeader) {
  EXPECT_FALSE(runs_here("/db/execute", R"(["a"])"));
  EXPECT_FALSE(runs_here("/db/execute?level=none", R"(["a"])"));
  EXPECT_FALSE(runs_here("/db/query?q=a"));
  EXPECT_FALSE(runs_here("/db/query?q=a&level=weak"));
  EXPECT_FALSE(runs_here("/db/query?q=a&level=strong"));
  EXPECT_FALSE(runs_here("/db/query?q=a&level=auto"));
  EXPECT_TRUE(runs_here("/db/query?q=a&level=none"));
  EXPECT_TRUE(runs_here("/db/query?q=a&level=linearizable"));
  EXPECT_FALSE(runs_here("/db/query?q=a&level=none&tx=token")) << "a transaction lives on the leader";
  EXPECT_FALSE(runs_here("/db/request?level=auto", R"(["a"])")) << "as for /db/query";
  EXPECT_TRUE(runs_here("/db/request?level=none", R"(["a"])"));
  cluster.votes = false;
  EXPECT_TRUE(runs_here("/db/query?q=a&level=auto"));
  EXPECT_EQ(database.requests.at(0).options.level, ReadLevel::kNone);
  EXPECT_TRUE(runs_here("/db/request?level=auto", R"(["a"])"));
}

TEST_F(FollowerTest, AutoIsWeakOnTheLeader) {
  cluster.leads = true;
  EXPECT_TRUE(runs_here("/db/query?q=a&level=auto"));
  EXPECT_EQ(database.requests.at(0).options.level, ReadLevel::kWeak);
}

TEST_F(FollowerTest, WhatTurnsOutToWriteGoesToTheLeader) {
  end_with({.kind = SqlEnd::Kind::kNotLeader, .error = "not leader"});
  post("/db/request?level=none", R"(["INSERT ..."])");
  ASSERT_EQ(cluster.forwarded.size(), 1U);
  Request request;
  ASSERT_TRUE(decode_request(cluster.forwarded[0].bytes(), request));
  EXPECT_EQ(request.body, R"(["INSERT ..."])");
  EXPECT_EQ(get("/db/query?q=a&level=none").status, Status::kUnavailable) << "a query is not passed on";
  EXPECT_EQ(cluster.forwarded.size(), 1U);
}

TEST_F(FollowerTest, ForwardsTheRequestAndReturnsTheAnswer) {
  test::FakeDatabase database_of_leader;
  test::FakeCluster cluster_of_leader;
  HttpServiceOptions options{.context = {.now = [] { return Instant(); },
                                         .post = [](const std::function<void()>& task) { task(); },
                                         .after = nullptr,
                                         .api_address = "leader:4001",
                                         .node_address = "leader:4002"}};
  HttpService leader(std::move(options), database_of_leader, cluster_of_leader);
  cluster.forward_end = [&](const Payload& request) {
    ForwardEnd end{.kind = ForwardEnd::Kind::kRefused, .error = "not leader"};
    leader.handle_forwarded(request.bytes(), [&](const std::optional<Payload>& answer) {
      if (!answer) return;
      end.kind = ForwardEnd::Kind::kAnswered;
      end.answer.assign(answer->bytes().begin(), answer->bytes().end());
    });
    return end;
  };
  const test::ServiceFixture::Asked asked{Method::kPost,
                                          "/db/execute?transaction&timeout=7s",
                                          R"(["a"])",
                                          {{"Idempotency-Key", "k"}, {"X-Other", "dropped"}}};
  Answer answer = ask(asked);
  EXPECT_EQ(answer.status, Status::kOk);
  EXPECT_EQ(answer.body, R"({"results":[{"last_insert_id":1,"rows_affected":1}]})");
  EXPECT_TRUE(answer.has_header("X-Rqlite-Served-By: leader:4002")) << answer.headers;
  EXPECT_EQ(cluster.forward_timeout, 7s);
  ASSERT_EQ(database_of_leader.requests.size(), 1U);
  EXPECT_EQ(database_of_leader.requests[0].options.idempotency_key, "k");
  EXPECT_EQ(database_of_leader.requests[0].sql.atomicity, Atomicity::kTransaction);

  EXPECT_EQ(post("/db/execute", "garbage").body, "invalid JSON body\n");
  cluster_of_leader.leads = false;
  answer = ask(asked);
  EXPECT_EQ(answer.status, Status::kUnavailable) << "whoever leads no more does nothing";
  EXPECT_EQ(database_of_leader.requests.size(), 1U);
}

TEST_F(FollowerTest, SaysWhatIsCertainWhenTheLeaderDoesNotAnswer) {
  const auto answer_for = [this](ForwardEnd::Kind kind) {
    cluster.forward_end = [kind](const Payload&) { return ForwardEnd{.kind = kind, .answer = {}, .error = "gone"}; };
    return post("/db/execute", R"(["a"])");
  };
  EXPECT_EQ(answer_for(ForwardEnd::Kind::kNoLeader).status, Status::kUnavailable);
  EXPECT_EQ(answer_for(ForwardEnd::Kind::kNoLeader).body, "leader not found\n");
  EXPECT_EQ(answer_for(ForwardEnd::Kind::kRefused).status, Status::kUnavailable);
  EXPECT_TRUE(answer_for(ForwardEnd::Kind::kRefused).has_header("Quorate-Outcome: refused"));
  EXPECT_EQ(answer_for(ForwardEnd::Kind::kUnknown).status, Status::kGatewayTimeout);
  EXPECT_TRUE(answer_for(ForwardEnd::Kind::kUnknown).has_header("Quorate-Outcome: unknown"));
  EXPECT_EQ(answer_for(ForwardEnd::Kind::kAnswered).status, Status::kGatewayTimeout) << "an empty answer is none";
}

TEST_F(FollowerTest, RetriesWhatHadNoEffectAsOftenAsAskedFor) {
  const auto attempts = [this](ForwardEnd::Kind kind) {
    cluster.forwarded.clear();
    cluster.forward_end = [kind](const Payload&) { return ForwardEnd{.kind = kind}; };
    const auto connection = begin({Method::kPost, "/db/execute?retries=2", R"(["a"])", {}});
    while (!posted.empty()) run_posted();
    EXPECT_TRUE(connection->answer);
    return cluster.forwarded.size();
  };
  EXPECT_EQ(attempts(ForwardEnd::Kind::kNoLeader), 3U);
  EXPECT_EQ(attempts(ForwardEnd::Kind::kRefused), 3U);
  EXPECT_EQ(attempts(ForwardEnd::Kind::kUnknown), 1U) << "it may have been done";
}

TEST_F(FollowerTest, Redirects) {
  cluster.leader = server::NodeView{.id = "q1", .address = "leader:4002", .api_url = "http://leader:4001"};
  const Answer answer = post("/db/execute?redirect&pretty", "[\"nonsense\"]");
  EXPECT_EQ(answer.status, Status::kMovedPermanently);
  EXPECT_EQ(answer.body, "");
  EXPECT_TRUE(answer.has_header("Location: http://leader:4001/db/execute?redirect&pretty"));
  cluster.leader.reset();
  const Answer none = post("/db/execute?redirect", "[\"nonsense\"]");
  EXPECT_EQ(none.status, Status::kInternalError);
  EXPECT_EQ(none.body, "leader not found\n");
}

// --- interactive transactions ---

TEST_F(SqlHandlerTest, Transactions) {
  database.begun = {.end = {}, .token = "abc", .idle_timeout = 10s, .total_timeout = 1min};
  EXPECT_EQ(post("/db/begin", "").body, R"({"transaction":"abc","idle_timeout":"10s","total_timeout":"1m0s"})");
  EXPECT_EQ(post("/db/commit?tx=abc", "").body, R"({"results":[]})");
  EXPECT_EQ(post("/db/rollback?tx=def", "").status, Status::kOk);
  using server::TransactionEnd;
  EXPECT_EQ(database.ended, (std::vector<std::pair<std::string, TransactionEnd>>{{"abc", TransactionEnd::kCommit},
                                                                                 {"def", TransactionEnd::kRollback}}));
  EXPECT_EQ(post("/db/commit", "").status, Status::kBadRequest);
  database.begun.end = {.kind = SqlEnd::Kind::kRefused, .error = "another transaction is open"};
  EXPECT_EQ(post("/db/begin", "").status, Status::kUnavailable);
  database.end_of_transaction = {.kind = SqlEnd::Kind::kUnknown, .error = "leadership lost"};
  EXPECT_EQ(post("/db/commit?tx=abc", "").status, Status::kGatewayTimeout);
}

}  // namespace
}  // namespace quorate::http
