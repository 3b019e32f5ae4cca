#include "server/embedded_node.hpp"

#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "server/node_server.hpp"

namespace quorate::server {

namespace {

constexpr Duration kReadyPause = std::chrono::milliseconds(10);

/// Why a node is not ready; empty if it is.
std::string missing_in(const Readiness& readiness) {
  if (readiness.is_removed) return "this node was removed from the cluster";
  if (!readiness.has_leader) return "no leader is known";
  if (!readiness.leader_error.empty()) return "the leader does not answer: " + readiness.leader_error;
  if (!readiness.is_store_ready) return "what this node had is not applied yet";
  if (!readiness.sync_error.empty()) return readiness.sync_error;
  return readiness.database_error;
}

}  // namespace

struct EmbeddedNode::Parts {
  /// Calls `ask` on the loop with something that takes the answer, and waits for it; nothing if the node has ended.
  template <class Answer, class Ask>
  std::optional<Answer> wait_for(Ask ask);
  void ended(Result<void> how);

  std::unique_ptr<NodeServer> server;
  std::thread thread;

  std::mutex mutex;  ///< of everything below
  bool has_ended = false;
  Result<void> how;
  std::uint64_t last_wait = 0;
  /// Who waits for an answer, and how to wake him if the node ends before.
  std::map<std::uint64_t, std::function<void()>> waits;
};

template <class Answer, class Ask>
std::optional<Answer> EmbeddedNode::Parts::wait_for(Ask ask) {
  const auto promise = std::make_shared<std::promise<std::optional<Answer>>>();
  std::uint64_t id = 0;
  {
    const std::lock_guard lock(mutex);
    if (has_ended) return std::nullopt;
    id = ++last_wait;
    waits.emplace(id, [promise] { promise->set_value(std::nullopt); });
  }
  server->post([this, promise, id, ask = std::move(ask)]() mutable {
    ask([this, promise, id](Answer answer) {
      const std::lock_guard lock(mutex);
      if (waits.erase(id) != 0) promise->set_value(std::move(answer));
    });
  });
  return promise->get_future().get();
}

void EmbeddedNode::Parts::ended(Result<void> result) {
  const std::lock_guard lock(mutex);
  has_ended = true;
  how = std::move(result);
  for (const auto& [id, wake] : std::exchange(waits, {})) wake();
}

Result<std::unique_ptr<EmbeddedNode>> EmbeddedNode::start(const NodeConfig& config) {
  auto completed = complete(config);
  if (!completed) return tl::unexpected(completed.error());
  set_log_level(completed->log_level);
  set_log_form(completed->log_form);
  auto server = NodeServer::open(*completed);
  if (!server) return tl::unexpected(server.error());
  auto parts = std::make_unique<Parts>();
  parts->server = std::move(*server);
  parts->thread = std::thread([parts = parts.get()] { parts->ended(parts->server->run()); });
  return std::unique_ptr<EmbeddedNode>(new EmbeddedNode(std::move(parts)));
}

EmbeddedNode::EmbeddedNode(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

EmbeddedNode::~EmbeddedNode() { static_cast<void>(stop()); }  // whoever wants to know asks before

Result<void> EmbeddedNode::stop() {
  parts_->server->stop();
  if (parts_->thread.joinable()) parts_->thread.join();
  return parts_->how;
}

Result<void> EmbeddedNode::wait_until_ready(Duration timeout) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  while (true) {
    const ReadyQuestion question{.needs_sync = true, .timeout = std::chrono::seconds(1)};
    const auto readiness = parts_->wait_for<Readiness>([this, question](std::function<void(Readiness)> answer) {
      parts_->server->cluster().check_ready(question, std::move(answer));
    });
    if (!readiness) return parts_->how ? fail(ErrorKind::kUnavailable, "the node has stopped") : parts_->how;
    const std::string missing = missing_in(*readiness);
    if (missing.empty()) return {};
    if (std::chrono::steady_clock::now() >= deadline) return fail(ErrorKind::kUnavailable, "not ready: " + missing);
    std::this_thread::sleep_for(kReadyPause);
  }
}

SqlOutcome EmbeddedNode::run(const sqlite::Request& request, const SqlOptions& options) {
  auto outcome = parts_->wait_for<SqlOutcome>(
      [this, asked = SqlRequest{request, options}](std::function<void(SqlOutcome)> answer) mutable {
        parts_->server->sql().run(std::move(asked), std::move(answer));
      });
  if (outcome) return std::move(*outcome);
  // What had begun by then may be in the log.
  return {.end = {.kind = SqlEnd::Kind::kUnknown, .error = "the node has stopped"}, .results = {}};
}

SqlOutcome EmbeddedNode::execute(std::string sql, std::vector<sqlite::Value> parameters, const SqlOptions& options) {
  sqlite::Request request{.kind = sqlite::RequestKind::kExecute};
  request.statements.push_back({std::move(sql), std::move(parameters)});
  return run(request, options);
}

SqlOutcome EmbeddedNode::query(std::string sql, std::vector<sqlite::Value> parameters, const SqlOptions& options) {
  sqlite::Request request{.kind = sqlite::RequestKind::kQuery};
  request.statements.push_back({std::move(sql), std::move(parameters)});
  return run(request, options);
}

}  // namespace quorate::server
