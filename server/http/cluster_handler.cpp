#include "server/http/cluster_handler.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "server/http/go_text.hpp"
#include "server/http/json_writer.hpp"
#include "server/http/responses.hpp"

namespace quorate::http {

using server::ChangeEnd;
using server::NodeView;
using server::Readiness;

namespace {

JsonLayout layout_of(const Parameters& parameters) {
  return parameters.has(Flag::kPretty) ? JsonLayout::kPretty : JsonLayout::kCompact;
}

/// Whether what rqlite's nodes do not say is told, too.
enum class Detail : std::uint8_t { kUsual, kProgress };

void write_node(JsonWriter& json, const NodeView& node, Detail detail) {
  json.begin_object().key("id").string(node.id);
  if (!node.api_url.empty()) json.key("api_addr").string(node.api_url);
  json.key("addr").string(node.address);
  if (!node.version.empty()) json.key("version").string(node.version);
  json.key("voter").boolean(node.is_voter).key("reachable").boolean(node.is_reachable);
  json.key("leader").boolean(node.is_leader);
  if (node.response_time != Duration::zero()) {
    json.key("time").number(std::chrono::duration<double>(node.response_time).count());
    json.key("time_s").string(format_duration(node.response_time));
  }
  if (!node.error.empty()) json.key("error").string(node.error);
  if (detail == Detail::kProgress && !node.state.empty()) {
    json.key("state").string(node.state).key("term").unsigned_integer(node.term.value);
    json.key("commit_index").unsigned_integer(node.commit.value);
    json.key("applied_index").unsigned_integer(node.applied.value);
  }
  json.end_object();
}

/// {"id":"..."} and nothing else.
Result<std::string> id_in(std::string_view body) {
  boost::json::error_code error;
  const boost::json::value value = boost::json::parse(boost::json::string_view(body.data(), body.size()), error);
  if (error) return fail(ErrorKind::kInvalidArgument, error.message());
  const auto* object = value.if_object();
  const auto* id = object != nullptr && object->size() == 1 ? object->if_contains("id") : nullptr;
  if (id == nullptr || !id->is_string()) return fail(ErrorKind::kInvalidArgument, "expected is {\"id\":\"...\"}");
  return std::string(id->get_string().data(), id->get_string().size());
}

Response answer_to(const ChangeEnd& end, std::string_view what) {
  const std::string message = std::string(what) + ": " + end.error;
  switch (end.kind) {
    case ChangeEnd::Kind::kDone: return Response();
    case ChangeEnd::Kind::kNotLeader: return leader_not_found();
    case ChangeEnd::Kind::kInvalid: return text_error(Status::kBadRequest, message);
    case ChangeEnd::Kind::kRefused:
      return text_error(Status::kUnavailable, message).header("Quorate-Outcome", "refused");
    case ChangeEnd::Kind::kUnknown:
      return text_error(Status::kGatewayTimeout, message).header("Quorate-Outcome", "unknown");
  }
  return Response(Status::kInternalError);
}

const std::string kRemoved =
    "does not exist: this node was removed from the cluster; stop it for good, or start it again with -join";

struct ReadyText {
  bool is_ready = true;
  std::string text = "[+]node ok";

  /// One line per question; after the first that fails nothing more is known.
  void line(std::string_view subject, std::string_view problem) {
    if (!is_ready) return;
    text.append("\n[+]").append(subject).append(" ").append(problem.empty() ? "ok" : problem);
    is_ready = problem.empty();
  }
};

}  // namespace

void ClusterHandler::nodes(Exchange exchange) {
  const auto members = exchange.parameters.has(Flag::kNonVoters) ? server::Members::kAll : server::Members::kVoters;
  auto responder = std::make_shared<Responder>(std::move(exchange.responder));
  const Duration timeout = exchange.parameters.timeout;
  cluster_.probe(members, timeout,
                 [responder, parameters = std::move(exchange.parameters)](std::vector<NodeView> nodes) {
                   std::ranges::sort(nodes, {}, &NodeView::id);
                   JsonWriter json(layout_of(parameters));
                   json.begin_object();
                   const bool is_list = parameters.nodes_form == NodesForm::kList;
                   if (is_list) json.key("nodes").begin_array();
                   for (const NodeView& node : nodes) {
                     if (!is_list) json.key(node.id);
                     write_node(json, node, is_list ? Detail::kProgress : Detail::kUsual);
                   }
                   if (is_list) json.end_array();
                   json.end_object();
                   responder->send(http::json(Status::kOk, std::move(json.buffer())));
                 });
}

void ClusterHandler::show_leader(Exchange exchange) {
  auto responder = std::make_shared<Responder>(std::move(exchange.responder));
  cluster_.find_leader(exchange.parameters.timeout, [this, responder, layout = layout_of(exchange.parameters)](
                                                        const std::optional<NodeView>& leader) {
    if (!leader) return responder->send(leader_.no_leader());
    JsonWriter json(layout);
    write_node(json, *leader, Detail::kUsual);
    responder->send(http::json(Status::kOk, std::move(json.buffer())));
  });
}

void ClusterHandler::step_down(Exchange exchange) {
  std::string target;
  const bool names_somebody = exchange.request.body != "{}";
  if (names_somebody && exchange.request.header("Content-Type") == "application/json") {
    auto id = id_in(exchange.request.body);
    if (!id) return exchange.responder.send(text_error(Status::kBadRequest, "invalid JSON: " + id.error().message));
    target = std::move(*id);
  }
  if (!cluster_.is_leader()) return leader_.take(std::move(exchange));
  using Wait = server::Cluster::TransferWait;
  const Wait wait = exchange.parameters.has(Flag::kWait) ? Wait::kUntilEnded : Wait::kUntilBegun;
  auto responder = std::make_shared<Responder>(std::move(exchange.responder));
  cluster_.transfer_leadership(std::move(target), wait, exchange.parameters.timeout,
                               [responder](const ChangeEnd& end) { responder->send(answer_to(end, "stepdown")); });
}

/// The parameter trailing_logs asks for what is not to be chosen here: entries stay as long as another node needs them.
void ClusterHandler::take_snapshot(Exchange exchange) {
  auto responder = std::make_shared<Responder>(std::move(exchange.responder));
  cluster_.take_snapshot(exchange.parameters.timeout, [responder](server::SnapshotEnd end) {
    switch (end) {
      case server::SnapshotEnd::kTaken: return responder->send(Response());
      case server::SnapshotEnd::kNothingNew: return responder->send(Response(Status::kNoContent));
      case server::SnapshotEnd::kTimedOut: break;
    }
    responder->send(text_error(Status::kInternalError, "snapshot: it takes longer than the timeout, and goes on"));
  });
}

/// There is one copy of the database on disk, which checkpoints bring forward: nothing old is left behind.
void ClusterHandler::reap(Exchange exchange) {
  exchange.responder.send(http::json(Status::kOk, "{\"snapshots_reaped\":0,\"wals_checkpointed\":0}\n"));
}

void ClusterHandler::remove(Exchange exchange) {
  auto id = id_in(exchange.request.body);
  if (!id) return exchange.responder.send(Response(Status::kBadRequest));
  if (!cluster_.is_leader()) return leader_.take(std::move(exchange));
  auto responder = std::make_shared<Responder>(std::move(exchange.responder));
  using Guard = server::Cluster::RemovalGuard;
  const Guard guard = exchange.parameters.has(Flag::kForce) ? Guard::kOff : Guard::kOn;
  cluster_.remove(std::move(*id), guard, exchange.parameters.timeout,
                  [responder](const ChangeEnd& end) { responder->send(answer_to(end, "remove")); });
}

void ClusterHandler::readyz(Exchange exchange) {
  const server::ReadyQuestion question{.needs_leader = !exchange.parameters.has(Flag::kNoLeader),
                                       .needs_sync = exchange.parameters.has(Flag::kSync),
                                       .timeout = exchange.parameters.timeout};
  auto responder = std::make_shared<Responder>(std::move(exchange.responder));
  cluster_.check_ready(question, [responder, question](const Readiness& readiness) {
    ReadyText ready;
    if (question.needs_leader) {
      const bool is_silent = !readiness.leader_error.empty();
      ready.line("leader", readiness.is_removed    ? kRemoved
                           : !readiness.has_leader ? "does not exist"
                           : is_silent             ? "not contactable: " + readiness.leader_error
                                                   : "");
      ready.line("store", readiness.is_store_ready ? "" : "not ready");
      if (question.needs_sync) ready.line("sync", readiness.sync_error);
      ready.line("db", readiness.database_error.empty() ? "" : "not ok: (" + readiness.database_error + ")");
    }
    Response response = text(std::move(ready.text));
    response.status = ready.is_ready ? Status::kOk : Status::kUnavailable;
    responder->send(std::move(response));
  });
}

}  // namespace quorate::http
