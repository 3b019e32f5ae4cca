// The HTTP service over a database and a cluster that do as the test says, without sockets and without time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/http/service.hpp"

namespace quorate::http::test {

/// An answer as a client gets it; `streamed` if it came in chunks.
struct Answer {
  Status status = Status::kInternalError;
  std::string headers;
  std::string body;
  bool was_streamed = false;
  bool was_cut = false;

  [[nodiscard]] bool has_header(const std::string& line) const {
    return ("\r\n" + headers).find("\r\n" + line + "\r\n") != std::string::npos;
  }
};

/// Keeps what is answered. A stream's writes wait until the test lets them go on.
class FakeConnection final : public ResponseSink {
 public:
  void respond(RequestId, Response response) override {
    answer = {response.status, response.header_lines(), std::move(response.body)};
  }
  void begin_stream(RequestId, Response head) override { answer = {head.status, head.header_lines(), {}, true}; }
  void write_chunk(RequestId, std::string chunk, StreamReady ready) override {
    answer->body += chunk;
    pending = std::move(ready);
  }
  void end_stream(RequestId, StreamEnd end, std::string rest) override {
    answer->body += rest;
    answer->was_cut = end == StreamEnd::kCut;
    is_ended = true;
  }
  void let_go_on(StreamState state = StreamState::kOpen) { std::exchange(pending, nullptr)(state); }

  std::optional<Answer> answer;
  StreamReady pending;
  bool is_ended = false;
};

class FakeDatabase final : public server::Database {
 public:
  using Behaviour = std::function<void(server::SqlRequest&, std::shared_ptr<server::ResultSink>, server::SqlDone)>;

  void run(server::SqlRequest request, std::shared_ptr<server::ResultSink> sink, server::SqlDone done) override {
    requests.push_back(std::move(request));
    behaviour(requests.back(), std::move(sink), std::move(done));
  }
  void begin(Duration, std::function<void(server::TransactionBegun)> done) override { done(begun); }
  void end(std::string token, server::TransactionEnd how, Duration, server::SqlDone done) override {
    ended.emplace_back(std::move(token), how);
    done(end_of_transaction);
  }

  /// Every statement is a write that changes one row.
  static void execute_all(server::SqlRequest& request, const std::shared_ptr<server::ResultSink>& sink,
                          const server::SqlDone& done) {
    for (std::size_t i = 0; i < request.sql.statements.size(); ++i)
      sink->executed(static_cast<std::int64_t>(i) + 1, 1, {});
    done({.log_index = Index{4}, .state_index = Index{4}});
  }

  std::vector<server::SqlRequest> requests;
  Behaviour behaviour = &FakeDatabase::execute_all;
  server::TransactionBegun begun;
  std::vector<std::pair<std::string, server::TransactionEnd>> ended;
  server::SqlEnd end_of_transaction;
};

class FakeCluster final : public server::Cluster {
 public:
  bool is_leader() const override { return leads; }
  bool is_voter() const override { return votes; }
  bool has_leader() const override { return knows_leader; }
  void forward(Payload request, Duration timeout, std::function<void(server::ForwardEnd)> done) override {
    forwarded.push_back(request);
    forward_timeout = timeout;
    done(forward_end(request));
  }
  void find_leader(Duration, std::function<void(std::optional<server::NodeView>)> done) override { done(leader); }
  void probe(server::Members members, Duration, std::function<void(std::vector<server::NodeView>)> done) override {
    probed = members;
    done(nodes);
  }
  void check_ready(const server::ReadyQuestion& question, std::function<void(server::Readiness)> done) override {
    ready_question = question;
    done(readiness);
  }
  void remove(std::string id, RemovalGuard guard, Duration, std::function<void(server::ChangeEnd)> done) override {
    removed.push_back(std::move(id));
    removal_guard = guard;
    done(change_end);
  }
  void take_snapshot(Duration, std::function<void(server::SnapshotEnd)> done) override { done(snapshot_end); }
  void transfer_leadership(std::string target, TransferWait wait, Duration,
                           std::function<void(server::ChangeEnd)> done) override {
    transfers.emplace_back(std::move(target), wait);
    done(change_end);
  }

  bool leads = true;
  bool votes = true;
  bool knows_leader = true;
  std::vector<Payload> forwarded;
  Duration forward_timeout{};
  std::function<server::ForwardEnd(const Payload&)> forward_end = [](const Payload&) {
    return server::ForwardEnd{.kind = server::ForwardEnd::Kind::kNoLeader};
  };
  std::optional<server::NodeView> leader;
  std::vector<server::NodeView> nodes;
  server::Members probed = server::Members::kVoters;
  server::ReadyQuestion ready_question;
  server::Readiness readiness;
  std::vector<std::string> removed;
  RemovalGuard removal_guard = RemovalGuard::kOn;
  std::vector<std::pair<std::string, TransferWait>> transfers;
  server::ChangeEnd change_end;
  server::SnapshotEnd snapshot_end = server::SnapshotEnd::kTaken;
};

class ServiceFixture {
 protected:
  struct Asked {
    Method method = Method::kGet;
    std::string target;
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
  };

  /// Hands a request to the service; the connection shows what comes of it, now or later.
  std::shared_ptr<FakeConnection> begin(const Asked& asked) {
    auto connection = std::make_shared<FakeConnection>();
    Request request;
    request.method = asked.method;
    request.set_target(asked.target);
    for (const auto& [name, value] : asked.headers) request.add_header(name, value);
    request.body = asked.body;
    service.handle(request, Responder(connection, RequestId{}));
    return connection;
  }
  /// The answer, which must come at once.
  Answer ask(const Asked& asked) { return begin(asked)->answer.value_or(Answer{.body = "no answer"}); }
  Answer get(std::string target) { return ask({.target = std::move(target)}); }
  Answer post(std::string target, std::string body) {
    return ask({.method = Method::kPost, .target = std::move(target), .body = std::move(body)});
  }
  void run_posted() {
    for (auto& task : std::exchange(posted, {})) task();
  }

  Instant now = Instant(std::chrono::hours(1));
  std::vector<std::function<void()>> posted;
  FakeDatabase database;
  FakeCluster cluster;
  HttpService service{
      {.context = {.now = [this] { return now; },
                   .post = [this](std::function<void()> task) { posted.push_back(std::move(task)); },
                   .after =
                       [this](Duration pause, std::function<void()> task) {
                         now += pause;
                         posted.push_back(std::move(task));
                       },
                   .api_address = "127.0.0.1:4001",
                   .node_address = "127.0.0.1:4002"},
       .first_sequence_number = 1000,
       .status =
           [](StatusTree& status) {
             status["store"]["raft"]["term"] = std::uint64_t{9007199254740993};
             status["store"]["ready"] = true;
             status["build"]["version"] = "v1";
           },
       .metrics =
           [](MetricsText& metrics) { metrics.gauge("quorate_answer", "The answer.").sample(std::uint64_t{42}); }},
      database,
      cluster};
};

}  // namespace quorate::http::test
