// Paths, methods, parameters and headers: the rules of the interface that hold whatever the database says.
#include "server/http/service.hpp"

#include <gtest/gtest.h>

#include "tests/server/http_fixture.hpp"

namespace quorate::http {
namespace {

using server::ChangeEnd;
using server::NodeView;
using test::Answer;
using namespace std::chrono_literals;

class ServiceTest : public test::ServiceFixture, public testing::Test {};

TEST_F(ServiceTest, UnknownPathsAndWrongMethods) {
  EXPECT_EQ(get("/nowhere").status, Status::kNotFound);
  EXPECT_EQ(get("/db").status, Status::kNotFound);
  EXPECT_EQ(get("/leader/x").status, Status::kNotFound) << "exact";
  EXPECT_EQ(get("/status/x").status, Status::kOk) << "by prefix";
  for (const char* path : {"/db/execute", "/db/request", "/remove", "/db/begin"}) {
    const Answer answer = get(path);
    EXPECT_EQ(answer.status, Status::kMethodNotAllowed) << path;
    EXPECT_EQ(answer.body, "");
  }
  EXPECT_EQ(post("/status", "").status, Status::kMethodNotAllowed);
  EXPECT_EQ(ask({.method = Method::kOther, .target = "/status"}).status, Status::kMethodNotAllowed);
}

TEST_F(ServiceTest, OptionsAreAnsweredEverywhere) {
  const Answer answer = ask({.method = Method::kOptions, .target = "/nowhere?timeout=bad"});
  EXPECT_EQ(answer.status, Status::kOk);
  EXPECT_EQ(answer.body, "");
}

TEST_F(ServiceTest, MalformedParametersAreRefusedBeforeThePathIsLookedAt) {
  for (const char* path : {"/nowhere", "/status", "/db/execute"}) {
    const Answer answer = get(std::string(path) + "?timeout=soon");
    EXPECT_EQ(answer.status, Status::kBadRequest);
    EXPECT_EQ(answer.body, "timeout is not a valid duration\n");
    EXPECT_TRUE(answer.has_header("Content-Type: text/plain; charset=utf-8"));
    EXPECT_TRUE(answer.has_header("X-Content-Type-Options: nosniff"));
  }
  EXPECT_EQ(get("/%zz").status, Status::kBadRequest);
}

TEST_F(ServiceTest, HeadersOfEveryAnswer) {
  EXPECT_EQ(common_header_lines("v1.2", "", Logins::kNone),
            "X-Rqlite-Version: v1.2\r\nAccess-Control-Allow-Methods: OPTIONS, GET, POST\r\n"
            "Access-Control-Allow-Headers: Content-Type\r\n");
  EXPECT_NE(
      common_header_lines("v1.2", "https://app", Logins::kNone).find("Access-Control-Allow-Origin: https://app\r\n"),
      std::string::npos);
  EXPECT_EQ(common_header_lines("v1.2", "", Logins::kExpected),
            "X-Rqlite-Version: v1.2\r\nAccess-Control-Allow-Methods: OPTIONS, GET, POST\r\n"
            "Access-Control-Allow-Headers: Content-Type, Authorization\r\nAccess-Control-Allow-Credentials: true\r\n"
            "WWW-Authenticate: Basic realm=\"rqlite\"\r\n");
}

// --- status and metrics ---

TEST_F(ServiceTest, Status) {
  EXPECT_EQ(get("/status").body,
            R"({"build":{"version":"v1"},"store":{"raft":{"term":9007199254740993},"ready":true}})");
  EXPECT_EQ(get("/status?key=store.raft").body, R"({"term":9007199254740993})") << "D16: large numbers stay exact";
  EXPECT_EQ(get("/status?key=store.ready").body, "true");
  EXPECT_EQ(get("/status?key=store.nothing.here").body, "{}");
  EXPECT_EQ(get("/status?pretty&key=build").body, "{\n    \"version\": \"v1\"\n}");
  EXPECT_TRUE(get("/status").has_header("Content-Type: application/json; charset=utf-8"));
}

TEST_F(ServiceTest, Metrics) {
  get("/nowhere");
  post("/db/execute", R"(["a"])");
  database.behaviour = [this](auto&, const auto&, const server::SqlDone& done) {
    now += 150us;
    done({.kind = server::SqlEnd::Kind::kUnknown});
  };
  post("/db/execute", R"(["a"])");
  const Answer answer = get("/metrics");
  EXPECT_TRUE(answer.has_header("Content-Type: text/plain; version=0.0.4; charset=utf-8"));
  const std::string expected[] = {
      "# TYPE quorate_http_requests_total counter\n",
      "quorate_http_requests_total{endpoint=\"POST /db/execute\",status=\"200\"} 1\n",
      "quorate_http_requests_total{endpoint=\"POST /db/execute\",status=\"504\"} 1\n",
      "quorate_http_requests_total{endpoint=\"other\",status=\"404\"} 1\n",
      "quorate_http_request_seconds_bucket{endpoint=\"POST /db/execute\",le=\"0.0001\"} 1\n",
      "quorate_http_request_seconds_bucket{endpoint=\"POST /db/execute\",le=\"0.0002\"} 2\n",
      "quorate_http_request_seconds_bucket{endpoint=\"POST /db/execute\",le=\"+Inf\"} 2\n",
      "quorate_http_request_seconds_sum{endpoint=\"POST /db/execute\"} 0.00015\n",
      "quorate_http_request_seconds_count{endpoint=\"POST /db/execute\"} 2\n",
      "# HELP quorate_answer The answer.\n# TYPE quorate_answer gauge\nquorate_answer 42\n",
  };
  for (const std::string& line : expected) EXPECT_NE(answer.body.find(line), std::string::npos) << line << answer.body;
}

TEST_F(ServiceTest, CountersAreOnePerLine) {
  post("/db/execute", R"(["a", "b"])");
  post("/db/query", R"(["a"])");
  get("/db/query?q=SELECT");
  post("/db/request?pretty", R"(["a", "b", "c"])");
  get("/status");
  get("/readyz");
  get("/readyz");
  get("/leader");
  get("/console/");
  const std::string body = get("/debug/vars").body;
  EXPECT_TRUE(body.starts_with("{\n\"http\": {")) << body;
  EXPECT_TRUE(body.ends_with("}\n}\n")) << body;
  for (const char* counter : {R"("executions":1,)", R"("queries":2,)", R"("requests":1,)", R"("execute_stmts_rx":2,)",
                              R"("query_stmts_rx":2,)", R"("request_stmts_rx":3,)", R"("num_status":1,)",
                              R"("num_readyz":2,)", R"("leader_not_found":1,)", R"("ui":1,)"})
    EXPECT_NE(body.find(counter), std::string::npos) << counter << body;
  EXPECT_EQ(get("/debug/vars?key=nothing").body, "{\n}\n");
  EXPECT_TRUE(get("/debug/vars?key=http").body.starts_with("{\n\"http\": {"));
  EXPECT_EQ(get("/debug/vars/x").status, Status::kNotFound) << "exact";
}

TEST_F(ServiceTest, ShowsThatNothingIsRewritten) {
  EXPECT_EQ(post("/db/sql", R"x(["SELECT random()", ["INSERT INTO t VALUES(?)", 1]])x").body,
            R"x({"results":[{"original":"SELECT random()","rewritten":"SELECT random()"},)x"
            R"x({"original":"INSERT INTO t VALUES(?)","rewritten":"INSERT INTO t VALUES(?)"}]})x");
  EXPECT_EQ(get("/db/sql?q=SELECT%201").body, R"({"results":[{"original":"SELECT 1","rewritten":"SELECT 1"}]})");
  EXPECT_EQ(get("/db/sql").status, Status::kBadRequest);
  EXPECT_EQ(get("/db/sql").body, "query not specified\n");
  EXPECT_EQ(post("/db/sql", "{").status, Status::kBadRequest);
}

TEST_F(ServiceTest, Snapshots) {
  EXPECT_EQ(post("/snapshot?trailing_logs=5", "").status, Status::kOk);
  cluster.snapshot_end = server::SnapshotEnd::kNothingNew;
  EXPECT_EQ(post("/snapshot", "").status, Status::kNoContent);
  cluster.snapshot_end = server::SnapshotEnd::kTimedOut;
  EXPECT_EQ(post("/snapshot", "").status, Status::kInternalError);
  EXPECT_EQ(get("/snapshot").status, Status::kMethodNotAllowed);
  EXPECT_EQ(post("/snapshot?trailing_logs=x", "").status, Status::kBadRequest);
  EXPECT_EQ(post("/reap", "").body, "{\"snapshots_reaped\":0,\"wals_checkpointed\":0}\n");
}

TEST_F(ServiceTest, Licenses) {
  const Answer answer = get("/licenses");
  EXPECT_NE(answer.body.find("MIT License"), std::string::npos);
  EXPECT_NE(answer.body.find("SQLite"), std::string::npos);
}

TEST(MetricsTextTest, EscapesLabels) {
  MetricsText metrics;
  metrics.counter("c", "Help.").sample(1.5, {{"a", "back\\slash \"quoted\"\n"}, {"b", "x"}});
  EXPECT_EQ(metrics.text(), "# HELP c Help.\n# TYPE c counter\nc{a=\"back\\\\slash \\\"quoted\\\"\\n\",b=\"x\"} 1.5\n");
}

// --- the console ---

TEST_F(ServiceTest, LeadsToTheConsole) {
  EXPECT_EQ(get("/").status, Status::kFound);
  EXPECT_TRUE(get("/").has_header("Location: /console/"));
  EXPECT_EQ(get("/console").status, Status::kMovedPermanently);
  EXPECT_TRUE(get("/console").has_header("Location: /console/"));
  for (const char* path : {"/consolex", "/console/nothing.js", "/console/js/", "/console/../index.html", "/console//"})
    EXPECT_EQ(get(path).status, Status::kNotFound) << path;
  EXPECT_EQ(post("/console/", "").status, Status::kMethodNotAllowed);
}

TEST_F(ServiceTest, ServesTheConsole) {
  const Answer page = get("/console/");
  EXPECT_EQ(page.status, Status::kOk);
  EXPECT_TRUE(page.has_header("Content-Type: text/html; charset=utf-8"));
  EXPECT_TRUE(page.has_header("X-Content-Type-Options: nosniff"));
  EXPECT_TRUE(page.has_header("Cache-Control: no-cache"));
  EXPECT_NE(page.headers.find("Content-Security-Policy: default-src 'none'; script-src 'self';"), std::string::npos);
  EXPECT_TRUE(page.body.starts_with("<!doctype html>")) << page.body.substr(0, 100);
  EXPECT_EQ(get("/console/index.html").body, page.body);
  EXPECT_TRUE(get("/console/console.css").has_header("Content-Type: text/css; charset=utf-8"));
  EXPECT_TRUE(get("/console/js/main.js").has_header("Content-Type: text/javascript; charset=utf-8"));
  EXPECT_TRUE(get("/console/icon.svg").has_header("Content-Type: image/svg+xml"));
  EXPECT_EQ(ask({.method = Method::kHead, .target = "/console/"}).status, Status::kOk);
}

TEST_F(ServiceTest, SaysThatTheConsoleIsAsItWas) {
  const std::string headers = get("/console/").headers;
  const std::size_t begin = headers.find("ETag: ") + 6;
  const std::string tag = headers.substr(begin, headers.find("\r\n", begin) - begin);
  ASSERT_EQ(tag.size(), 18U) << headers;
  const auto with_tag = [&](const std::string& known) {
    return ask({.target = "/console/", .headers = {{"If-None-Match", known}}});
  };
  for (const std::string& known : {tag, "W/" + tag, "\"other\", " + tag, std::string("*")}) {
    EXPECT_EQ(with_tag(known).status, Status::kNotModified) << known;
    EXPECT_EQ(with_tag(known).body, "");
    EXPECT_TRUE(with_tag(known).has_header("ETag: " + tag));
  }
  EXPECT_EQ(with_tag("\"other\"").status, Status::kOk);
}

// --- the cluster ---

NodeView some_node() {
  return {.id = "q1",
          .address = "127.0.0.1:26002",
          .api_url = "http://127.0.0.1:26001",
          .version = "v10.2.7",
          .is_leader = true,
          .response_time = 56743ns,
          .state = "Leader",
          .term = Term{3},
          .commit = Index{9},
          .applied = Index{8}};
}

TEST_F(ServiceTest, Nodes) {
  cluster.nodes = {{.id = "q2", .address = "127.0.0.1:26004", .is_reachable = false, .error = "refused"}, some_node()};
  const std::string first =
      R"({"id":"q1","api_addr":"http://127.0.0.1:26001","addr":"127.0.0.1:26002","version":"v10.2.7","voter":true,)"
      R"("reachable":true,"leader":true,"time":0.000056743,"time_s":"56.743µs"})";
  const std::string second =
      R"({"id":"q2","addr":"127.0.0.1:26004","voter":true,"reachable":false,"leader":false,"error":"refused"})";
  EXPECT_EQ(get("/nodes").body, "{\"q1\":" + first + ",\"q2\":" + second + "}");
  EXPECT_EQ(cluster.probed, server::Members::kVoters);
  std::string told_more = first;
  told_more.insert(first.size() - 1, R"(,"state":"Leader","term":3,"commit_index":9,"applied_index":8)");
  EXPECT_EQ(get("/nodes?ver=2&nonvoters").body, "{\"nodes\":[" + told_more + "," + second + "]}");
  EXPECT_EQ(cluster.probed, server::Members::kAll);
}

TEST_F(ServiceTest, Leader) {
  Answer answer = get("/leader");
  EXPECT_EQ(answer.status, Status::kUnavailable);
  EXPECT_EQ(answer.body, "leader not found\n");
  cluster.leader = some_node();
  answer = get("/leader?pretty");
  EXPECT_EQ(answer.status, Status::kOk);
  EXPECT_TRUE(answer.body.starts_with("{\n    \"id\": \"q1\",\n")) << answer.body;
}

TEST_F(ServiceTest, StepDown) {
  EXPECT_EQ(post("/leader", "").status, Status::kOk);
  const auto to = [this](std::string body) {
    return ask({Method::kPost, "/leader?wait", std::move(body), {{"Content-Type", "application/json"}}});
  };
  EXPECT_EQ(to(R"({"id":"q2"})").status, Status::kOk);
  using Wait = server::Cluster::TransferWait;
  EXPECT_EQ(cluster.transfers,
            (std::vector<std::pair<std::string, Wait>>{{"", Wait::kUntilBegun}, {"q2", Wait::kUntilEnded}}));
  EXPECT_EQ(to("{").status, Status::kBadRequest);
  EXPECT_TRUE(to("{").body.starts_with("invalid JSON: "));
  EXPECT_EQ(to(R"({"id":1})").status, Status::kBadRequest);
  cluster.change_end = {ChangeEnd::Kind::kRefused, "no voter has caught up"};
  EXPECT_EQ(to(R"({"id":"q2"})").body, "stepdown: no voter has caught up\n");
}

TEST_F(ServiceTest, Remove) {
  const auto remove = [this](std::string body) { return ask({Method::kDelete, "/remove", std::move(body), {}}); };
  EXPECT_EQ(remove(R"({"id":"q3"})").status, Status::kOk);
  EXPECT_EQ(cluster.removed, std::vector<std::string>{"q3"});
  for (const char* body : {"", "{}", "[]", R"({"id":"a","b":"c"})", R"({"name":"a"})", R"({"id":null})", "{"}) {
    const Answer answer = remove(body);
    EXPECT_EQ(answer.status, Status::kBadRequest) << body;
    EXPECT_EQ(answer.body, "");
  }
  EXPECT_EQ(cluster.removed.size(), 1U);
  cluster.change_end = {ChangeEnd::Kind::kUnknown, "timed out"};
  const Answer unknown = remove(R"({"id":"q3"})");
  EXPECT_EQ(unknown.status, Status::kGatewayTimeout);
  EXPECT_TRUE(unknown.has_header("Quorate-Outcome: unknown"));
}

TEST_F(ServiceTest, ChangesOnAFollowerGoToTheLeader) {
  cluster.leads = false;
  EXPECT_EQ(ask({Method::kDelete, "/remove", R"({"id":"q3"})", {}}).status, Status::kUnavailable);
  EXPECT_EQ(post("/leader", "").status, Status::kUnavailable);
  EXPECT_EQ(cluster.forwarded.size(), 2U);
  EXPECT_TRUE(cluster.removed.empty());
}

TEST_F(ServiceTest, Readiness) {
  EXPECT_EQ(get("/readyz").body, "[+]node ok\n[+]leader ok\n[+]store ok\n[+]db ok");
  EXPECT_EQ(get("/readyz?sync&timeout=2s").body, "[+]node ok\n[+]leader ok\n[+]store ok\n[+]sync ok\n[+]db ok");
  EXPECT_TRUE(cluster.ready_question.needs_sync);
  EXPECT_EQ(cluster.ready_question.timeout, 2s);
  EXPECT_EQ(get("/readyz?noleader").body, "[+]node ok");
  EXPECT_FALSE(cluster.ready_question.needs_leader);

  const auto unready = [this](const server::Readiness& readiness) {
    cluster.readiness = readiness;
    const Answer answer = get("/readyz?sync");
    EXPECT_EQ(answer.status, Status::kUnavailable);
    EXPECT_TRUE(answer.has_header("Content-Type: text/plain; charset=utf-8"));
    return answer.body;
  };
  EXPECT_EQ(unready({.has_leader = false}), "[+]node ok\n[+]leader does not exist");
  EXPECT_EQ(
      unready({.has_leader = false, .is_removed = true}),
      "[+]node ok\n[+]leader does not exist: this node was removed from the cluster; stop it for good, or start it "
      "again with -join");
  EXPECT_EQ(unready({.leader_error = "refused"}), "[+]node ok\n[+]leader not contactable: refused");
  EXPECT_EQ(unready({.is_store_ready = false}), "[+]node ok\n[+]leader ok\n[+]store not ready");
  EXPECT_EQ(unready({.sync_error = "timeout"}), "[+]node ok\n[+]leader ok\n[+]store ok\n[+]sync timeout");
  EXPECT_EQ(unready({.database_error = "disk I/O error"}),
            "[+]node ok\n[+]leader ok\n[+]store ok\n[+]sync ok\n[+]db not ok: (disk I/O error)");
}

}  // namespace
}  // namespace quorate::http
