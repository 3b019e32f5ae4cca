// Who gets in where: permissions of paths, credentials of clients, and what nodes say of each other's clients.
#include "server/http/access_gate.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "server/http/forwarding.hpp"
#include "tests/server/http_fixture.hpp"

namespace quorate::http {
namespace {

using security::AccessControl;
using security::Credentials;
using security::Permission;
using security::Permissions;
using test::Answer;

// "secret"
constexpr const char* kHash = "$2b$04$GWkeu4drzN.PCbSSD55zPeGi0zeemC5GfNzhRiYHI3W2.TSTd5Q.e";
// bob:secret and so on, as browsers encode them.
constexpr const char* kBob = "Basic Ym9iOnNlY3JldA==";
constexpr const char* kAnna = "Basic YW5uYTpzZWNyZXQ=";
constexpr const char* kWrong = "Basic Ym9iOndyb25n";

Credentials users() {
  return *Credentials::parse(R"([{"username":"bob","password":"secret","perms":["query","backup","load"]},
                                 {"username":"anna","password":")" +
                                 std::string(kHash) + R"(","perms":["execute","load"]},
                                 {"username":"*","perms":["ready"]}])",
                             "auth.json");
}

class AccessGateTest : public testing::Test {
 protected:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  std::shared_ptr<test::FakeConnection> begin(Method method, const std::string& target, const Headers& headers = {},
                                              std::shared_ptr<BodyTaker> taker = nullptr) {
    auto connection = std::make_shared<test::FakeConnection>();
    Request request;
    request.method = method;
    request.set_target(target);
    for (const auto& [name, value] : headers) request.add_header(name, value);
    request.body = R"(["SELECT 1"])";
    request.taker = std::move(taker);
    service_.handle(request, Responder(connection, RequestId{}));
    return connection;
  }
  Status ask(Method method, const std::string& target, const Headers& headers = {}) {
    return begin(method, target, headers)->answer.value_or(Answer{}).status;
  }
  void compute() {
    while (!jobs_.empty()) {
      const auto [job, done] = std::move(jobs_.front());
      jobs_.pop_front();
      job();
      done();
    }
  }
  /// What the leader would be sent by a node, and what it answers.
  Answer forward(const Headers& headers, Vouching vouching) {
    Request request;
    request.method = Method::kPost;
    request.set_target("/db/execute");
    for (const auto& [name, value] : headers) request.add_header(name, value);
    request.body = R"(["INSERT"])";
    std::optional<Payload> reply;
    service_.handle_forwarded(encode_request(request, vouching).bytes(),
                              [&reply](std::optional<Payload> bytes) { reply = std::move(bytes); });
    compute();
    if (!reply) return {.body = "no answer"};
    auto response = decode_response(reply->bytes());
    return {response->status, response->header_lines(), response->body};
  }

  std::deque<std::pair<std::function<void()>, std::function<void()>>> jobs_;
  AccessControl access_{users(), [this](std::function<void()> job, std::function<void()> done) {
                          jobs_.emplace_back(std::move(job), std::move(done));
                        }};
  test::FakeDatabase database_;
  test::FakeCluster cluster_;
  HttpService service_{{.context = {.now = [] { return Instant(); },
                                    .post = [](const std::function<void()>& task) { task(); },
                                    .after = [](Duration, const std::function<void()>&) {},
                                    .api_address = "127.0.0.1:4001",
                                    .node_address = "127.0.0.1:4002"},
                        .access = &access_},
                       database_,
                       cluster_};
};

TEST_F(AccessGateTest, PathsNeedWhatTheContractSays) {
  const std::pair<const char*, Permissions> expected[] = {
      {"/db/execute", {Permission::kExecute}},
      {"/db/query", {Permission::kQuery}},
      {"/db/request", {Permission::kQuery, Permission::kExecute}},
      {"/db/backup", {Permission::kBackup}},
      {"/db/load", {Permission::kLoad}},
      {"/boot", {Permission::kLoad}},
      {"/snapshot", {Permission::kSnapshot}},
      {"/reap", {Permission::kSnapshot}},
      {"/remove", {Permission::kRemove}},
      {"/leader", {Permission::kLeaderOps}},
      {"/readyz", {Permission::kReady}},
      {"/status", {Permission::kStatus}},
      {"/nodes", {Permission::kStatus}},
      {"/metrics", {Permission::kStatus}},
      {"/debug/vars", {Permission::kStatus}},
      {"/licenses", {Permission::kStatus}},
      {"/console/app.js", {Permission::kUi}},
      {"/", {}},
      {"/nobody/has/thought/of/it", {Permission::kAll}},
  };
  for (const auto& [path, needed] : expected) EXPECT_EQ(permissions_for(path), needed) << path;
}

TEST_F(AccessGateTest, EveryEndpointHasARule) {
  for (const std::string& name : HttpService::endpoint_names()) {
    const std::size_t blank = name.find(' ');
    if (blank == std::string::npos) continue;  // all others
    const std::string path = name.substr(blank + 1);
    EXPECT_NE(permissions_for(path), Permissions{Permission::kAll}) << path << ": add it to the rules";
  }
}

TEST_F(AccessGateTest, PermissionsAreLookedAtBeforeTheMethod) {
  EXPECT_EQ(ask(Method::kPost, "/db/query"), Status::kUnauthorized);
  EXPECT_EQ(ask(Method::kPost, "/db/query", {{"Authorization", kWrong}}), Status::kUnauthorized);
  EXPECT_EQ(ask(Method::kPost, "/db/query", {{"Authorization", kBob}}), Status::kOk);
  EXPECT_EQ(ask(Method::kPost, "/db/execute", {{"Authorization", kBob}}), Status::kUnauthorized);
  EXPECT_EQ(ask(Method::kPost, "/db/request", {{"Authorization", kBob}}), Status::kUnauthorized) << "needs both";
  EXPECT_EQ(ask(Method::kGet, "/db/execute"), Status::kUnauthorized) << "before 405";
  EXPECT_EQ(ask(Method::kGet, "/readyz"), Status::kOk) << "everybody may";
  EXPECT_EQ(ask(Method::kGet, "/nowhere"), Status::kNotFound) << "there is nothing to protect";
  EXPECT_EQ(ask(Method::kOptions, "/db/execute"), Status::kOk) << "browsers ask without credentials";
  EXPECT_EQ(database_.requests.size(), 1);
  EXPECT_EQ(begin(Method::kPost, "/db/query")->answer->body, "");
}

TEST_F(AccessGateTest, AHashIsWaitedForAndTheRequestKept) {
  const auto connection = begin(Method::kPost, "/db/execute", {{"Authorization", kAnna}});
  EXPECT_FALSE(connection->answer) << "the loop goes on meanwhile";
  compute();
  ASSERT_TRUE(connection->answer);
  EXPECT_EQ(connection->answer->status, Status::kOk);
  ASSERT_EQ(database_.requests.size(), 1);
  EXPECT_EQ(database_.requests[0].sql.statements[0].sql, "SELECT 1");
  EXPECT_EQ(ask(Method::kPost, "/db/execute", {{"Authorization", kAnna}}), Status::kOk) << "remembered";
  EXPECT_EQ(ask(Method::kPost, "/db/query", {{"Authorization", kAnna}}), Status::kUnauthorized);
}

// --- bodies ---

class CountingTaker final : public BodyTaker {
 public:
  void take(std::string piece, std::function<void()> ready) override {
    taken += piece;
    ready();
  }
  std::string taken;
};

Request head_of(const std::string& target, const std::string& authorization, const std::string& length) {
  Request head;
  head.method = Method::kPost;
  head.set_target(target);
  if (!authorization.empty()) head.add_header("Authorization", authorization);
  if (length.empty())
    head.add_header("Transfer-Encoding", "chunked");
  else
    head.add_header("Content-Length", length);
  return head;
}

TEST_F(AccessGateTest, LargeBodiesOfStrangersAreNotReceived) {
  AccessGate gate(&access_);
  EXPECT_EQ(gate.refusal_of(head_of("/db/execute", "", "100000"))->status, Status::kUnauthorized);
  EXPECT_EQ(gate.refusal_of(head_of("/db/execute", kWrong, ""))->status, Status::kUnauthorized);
  EXPECT_FALSE(gate.refusal_of(head_of("/db/execute", "", "1000"))) << "the connection is worth more";
  EXPECT_FALSE(gate.refusal_of(head_of("/db/query", kBob, "100000")));
  EXPECT_FALSE(gate.refusal_of(head_of("/db/execute", kAnna, "100000"))) << "not known yet";
  EXPECT_FALSE(AccessGate(nullptr).refusal_of(head_of("/db/execute", "", "100000")));
}

TEST_F(AccessGateTest, AnUploadWaitsUntilItsSenderIsKnown) {
  AccessGate gate(&access_);
  const auto real = std::make_shared<CountingTaker>();
  const auto make = [&real](const Request&) { return real; };
  EXPECT_EQ(gate.taker_for(head_of("/db/load", kBob, ""), make), real);

  const auto guard = gate.taker_for(head_of("/db/load", kAnna, ""), make);
  ASSERT_NE(guard, nullptr);
  bool is_ready = false;
  guard->take("first ", [&is_ready] { is_ready = true; });
  EXPECT_FALSE(is_ready) << "no more comes before it is known";
  compute();
  EXPECT_TRUE(is_ready);
  guard->take("second", [] {});
  EXPECT_EQ(real->taken, "first second");

  // The handler gets to see the real one.
  Request request = head_of("/db/load", kAnna, "");
  request.taker = guard;
  EXPECT_EQ(gate.rule(request, "/db/load", Origin::kClient).kind, AccessGate::Ruling::Kind::kAdmitted);
  EXPECT_EQ(request.taker, real);
}

TEST_F(AccessGateTest, AnUploadOfSomebodyElseIsThrownAway) {
  AccessGate gate(&access_);
  const auto real = std::make_shared<CountingTaker>();
  const std::string wrong_anna = "Basic YW5uYTp3cm9uZw==";
  const auto guard = gate.taker_for(head_of("/db/load", wrong_anna, ""), [&real](const Request&) { return real; });
  int ready = 0;
  guard->take("first", [&ready] { ++ready; });
  compute();
  guard->take("second", [&ready] { ++ready; });
  EXPECT_EQ(ready, 2);
  EXPECT_EQ(real->taken, "");
}

// --- other nodes ---

TEST_F(AccessGateTest, WhatANodeHasLetInIsNotAskedAgain) {
  EXPECT_EQ(forward({}, Vouching::kAuthorized).status, Status::kOk);
}

TEST_F(AccessGateTest, WhatANodeWithoutUsersPassesOnIsLookedAt) {
  EXPECT_EQ(forward({}, Vouching::kNone).status, Status::kUnauthorized);
  EXPECT_EQ(forward({}, Vouching::kNone).body, "remote Execute not authorized\n");
  EXPECT_EQ(forward({{"Authorization", kBob}}, Vouching::kNone).status, Status::kUnauthorized);
  EXPECT_EQ(forward({{"Authorization", kAnna}}, Vouching::kNone).status, Status::kOk);
  EXPECT_EQ(forward({{"Quorate-Authorized", "yes"}}, Vouching::kNone).status, Status::kUnauthorized)
      << "a client cannot say it of itself";
}

TEST_F(AccessGateTest, PasswordsStayWhereTheyWereLookedAt) {
  cluster_.leads = false;
  begin(Method::kPost, "/db/request", {{"Authorization", kBob}});
  begin(Method::kPost, "/db/execute", {{"Authorization", kAnna}});
  compute();
  ASSERT_EQ(cluster_.forwarded.size(), 1) << "what is refused is not passed on";
  Request passed_on;
  ASSERT_TRUE(decode_request(cluster_.forwarded[0].bytes(), passed_on));
  EXPECT_TRUE(is_vouched_for(passed_on));
  EXPECT_FALSE(passed_on.header("Authorization"));
}

}  // namespace
}  // namespace quorate::http
