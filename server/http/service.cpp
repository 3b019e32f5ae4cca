#include "server/http/service.hpp"

#include <memory>
#include <utility>

#include "server/http/console_handler.hpp"
#include "server/http/forwarding.hpp"
#include "server/http/licenses.hpp"
#include "server/http/parameters.hpp"
#include "server/http/query_string.hpp"
#include "server/http/responses.hpp"

namespace quorate::http {

namespace {

enum class Match : std::uint8_t { kExact, kPrefix };

/// How a path is called in the metrics when nothing is there.
constexpr std::string_view kNoEndpoint = "other";

std::string_view name_of(Method method) {
  switch (method) {
    case Method::kGet: return "GET";
    case Method::kHead: return "HEAD";
    case Method::kPost: return "POST";
    case Method::kPut: return "PUT";
    case Method::kDelete: return "DELETE";
    case Method::kOptions: return "OPTIONS";
    case Method::kOther: break;
  }
  return "OTHER";
}

}  // namespace

struct HttpService::Route {
  std::string_view path;
  Match match;
  Method method;
  void (*serve)(HttpService&, Exchange);

  [[nodiscard]] bool is_for(std::string_view requested) const {
    return match == Match::kExact ? requested == path : requested.starts_with(path);
  }
};

/// Several rows of one path are its methods. The first path that matches counts.
std::span<const HttpService::Route> HttpService::routes() {
  using server::TransactionEnd;
  static constexpr Route kRoutes[] = {
      {"/db/execute", Match::kPrefix, Method::kPost, [](auto& self, Exchange e) { self.sql_.execute(std::move(e)); }},
      {"/db/query", Match::kPrefix, Method::kPost, [](auto& self, Exchange e) { self.sql_.query(std::move(e)); }},
      {"/db/query", Match::kPrefix, Method::kGet, [](auto& self, Exchange e) { self.sql_.query(std::move(e)); }},
      {"/db/request", Match::kPrefix, Method::kPost, [](auto& self, Exchange e) { self.sql_.request(std::move(e)); }},
      {"/db/begin", Match::kExact, Method::kPost, [](auto& self, Exchange e) { self.sql_.begin(std::move(e)); }},
      {"/db/commit", Match::kExact, Method::kPost,
       [](auto& self, Exchange e) { self.sql_.end(TransactionEnd::kCommit, std::move(e)); }},
      {"/db/rollback", Match::kExact, Method::kPost,
       [](auto& self, Exchange e) { self.sql_.end(TransactionEnd::kRollback, std::move(e)); }},
      {"/db/backup", Match::kPrefix, Method::kGet, [](auto& self, Exchange e) { self.bulk_.back_up(std::move(e)); }},
      {"/db/load", Match::kPrefix, Method::kPost, [](auto& self, Exchange e) { self.bulk_.load(std::move(e)); }},
      {"/boot", Match::kPrefix, Method::kPost, [](auto& self, Exchange e) { self.bulk_.boot(std::move(e)); }},
      {"/nodes", Match::kPrefix, Method::kGet, [](auto& self, Exchange e) { self.members_.nodes(std::move(e)); }},
      {"/leader", Match::kExact, Method::kGet, [](auto& self, Exchange e) { self.members_.show_leader(std::move(e)); }},
      {"/leader", Match::kExact, Method::kPost, [](auto& self, Exchange e) { self.members_.step_down(std::move(e)); }},
      {"/remove", Match::kPrefix, Method::kDelete, [](auto& self, Exchange e) { self.members_.remove(std::move(e)); }},
      {"/readyz", Match::kPrefix, Method::kGet, [](auto& self, Exchange e) { self.members_.readyz(std::move(e)); }},
      {"/status", Match::kPrefix, Method::kGet, [](auto& self, Exchange e) { self.show_status(std::move(e)); }},
      {"/db/sql", Match::kPrefix, Method::kPost,
       [](auto& self, Exchange e) { self.sql_.show_rewritten(std::move(e)); }},
      {"/db/sql", Match::kPrefix, Method::kGet, [](auto& self, Exchange e) { self.sql_.show_rewritten(std::move(e)); }},
      {"/snapshot", Match::kExact, Method::kPost,
       [](auto& self, Exchange e) { self.members_.take_snapshot(std::move(e)); }},
      {"/reap", Match::kExact, Method::kPost, [](auto&, Exchange e) { ClusterHandler::reap(std::move(e)); }},
      {"/debug/vars", Match::kExact, Method::kGet, [](auto& self, Exchange e) { self.show_counters(std::move(e)); }},
      {"/licenses", Match::kExact, Method::kGet, [](auto&, Exchange e) { show_licenses(std::move(e)); }},
      {"/metrics", Match::kExact, Method::kGet, [](auto& self, Exchange e) { self.show_metrics(std::move(e)); }},
      {"/console", Match::kPrefix, Method::kGet, [](auto&, Exchange e) { serve_console(std::move(e)); }},
      {"/console", Match::kPrefix, Method::kHead, [](auto&, Exchange e) { serve_console(std::move(e)); }},
      {"/", Match::kExact, Method::kGet, [](auto&, Exchange e) { lead_to_console(std::move(e)); }},
      {"/", Match::kExact, Method::kHead, [](auto&, Exchange e) { lead_to_console(std::move(e)); }},
  };
  return kRoutes;
}

std::vector<std::string> HttpService::endpoint_names() {
  std::vector<std::string> names;
  for (const Route& route : routes())
    names.push_back(std::string(name_of(route.method)).append(" ").append(route.path));
  names.emplace_back(kNoEndpoint);
  return names;
}

std::string common_header_lines(std::string_view version, std::string_view allow_origin, Logins logins) {
  Response lines;
  lines.header("X-Rqlite-Version", version);
  if (!allow_origin.empty()) lines.header("Access-Control-Allow-Origin", allow_origin);
  lines.header("Access-Control-Allow-Methods", "OPTIONS, GET, POST");
  const bool expects_logins = logins == Logins::kExpected;
  lines.header("Access-Control-Allow-Headers", expects_logins ? "Content-Type, Authorization" : "Content-Type");
  if (!expects_logins) return lines.header_lines();
  lines.header("Access-Control-Allow-Credentials", "true");
  lines.header("WWW-Authenticate", "Basic realm=\"rqlite\"");
  return lines.header_lines();
}

HttpService::HttpService(HttpServiceOptions options, server::Database& database, server::Cluster& cluster)
    : options_(std::move(options)),
      gate_(options_.access),
      cluster_(cluster),
      leader_(options_.context, cluster),
      sql_(options_.context, database, cluster, leader_, options_.queue, options_.first_sequence_number),
      bulk_(options_.context, database, cluster, options_.bulk, options_.first_sequence_number),
      members_(cluster, leader_),
      requests_(endpoint_names(), options_.context.now) {
  options_.context.counts = &counts_;
  options_.context.vouching = gate_.vouching();
}

std::shared_ptr<BodyTaker> HttpService::taker_for(const Request& head) {
  return gate_.taker_for(head, [this](const Request& admitted) { return bulk_.taker_for(admitted); });
}

void HttpService::handle(Request& request, Responder responder) {
  route(request, Origin::kClient, std::move(responder));
}

void HttpService::handle_forwarded(std::span<const std::byte> bytes,
                                   std::function<void(std::optional<Payload>)> reply) {
  Request request;
  const Result<void> decoded = decode_request(bytes, request);
  if (!decoded || !cluster_.is_leader()) return reply(std::nullopt);
  auto sink =
      collect_response(options_.context.post, [reply = std::move(reply)](Payload answer) { reply(std::move(answer)); });
  route(request, Origin::kPeer, Responder(std::move(sink), RequestId{}));
}

/// A request whose endpoint is known, on its way there.
struct HttpService::Arrival {
  const Route* route;  ///< null: the path is known, but not for this method
  Parameters parameters;
  Origin origin;
  Responder responder;
  Instant begun;

  void enter(HttpService& service, Request& request) {
    if (route == nullptr) return responder.send(Response(Status::kMethodNotAllowed));
    route->serve(service, {request, std::move(parameters), origin, std::move(responder), begun});
  }
};

/// Malformed parameters are refused before anybody looks at the path: the same request is wrong everywhere.
void HttpService::route(Request& request, Origin origin, Responder responder) {
  const Instant begun = options_.context.now();
  responder.observe(requests_, routes().size(), begun);
  if (request.method == Method::kOptions) return responder.send(Response());  // what browsers ask before they ask
  const auto target = split_target(request.target());
  if (!target) return responder.send(text_error(Status::kBadRequest, target.error().message));
  auto parameters = parse_parameters(target->query);
  if (!parameters) return responder.send(text_error(Status::kBadRequest, parameters.error().message));

  bool is_path_known = false;
  const Route* chosen = nullptr;
  for (std::size_t i = 0; i < routes().size() && chosen == nullptr; ++i) {
    if (!routes()[i].is_for(target->path)) continue;
    is_path_known = true;
    if (routes()[i].method != request.method) continue;
    chosen = &routes()[i];
    responder.observe(requests_, i, begun);
  }
  if (!is_path_known) return responder.send(Response(Status::kNotFound));
  admit(request, target->path, {chosen, std::move(*parameters), origin, std::move(responder), begun});
}

void HttpService::admit(Request& request, std::string_view path, Arrival arrival) {
  AccessGate::Ruling ruling = gate_.rule(request, path, arrival.origin);
  switch (ruling.kind) {
    case AccessGate::Ruling::Kind::kAdmitted: return arrival.enter(*this, request);
    case AccessGate::Ruling::Kind::kRefused: return arrival.responder.send(std::move(ruling.refusal));
    case AccessGate::Ruling::Kind::kNotKnownYet: break;
  }
  const Origin origin = arrival.origin;
  gate_.rule_later(request, path, origin,
                   [this, kept = std::make_shared<Arrival>(std::move(arrival))](Request& later, auto late_ruling) {
                     if (late_ruling.kind == AccessGate::Ruling::Kind::kAdmitted) return kept->enter(*this, later);
                     kept->responder.send(std::move(late_ruling.refusal));
                   });
}

void HttpService::show_status(Exchange exchange) {
  StatusTree status;
  if (options_.status) options_.status(status);
  if (options_.queue != nullptr) status["http"]["queue"]["_default"]["sequence_number"] = sql_.next_sequence_number();
  JsonWriter writer(exchange.parameters.has(Flag::kPretty) ? JsonLayout::kPretty : JsonLayout::kCompact);
  const StatusTree nothing;
  const StatusTree* shown = exchange.parameters.key ? status.find(*exchange.parameters.key) : &status;
  (shown != nullptr ? *shown : nothing).write(writer);
  exchange.responder.send(json(Status::kOk, std::move(writer.buffer())));
}

void HttpService::write_counts(StatusTree& http) const {
  const auto requests_to = [this](std::string_view endpoint) { return requests_.count_of(endpoint); };
  http["executions"] = requests_to("POST /db/execute");
  http["queries"] = requests_to("POST /db/query") + requests_to("GET /db/query");
  http["requests"] = requests_to("POST /db/request");
  http["execute_stmts_rx"] = counts_.execute_statements;
  http["query_stmts_rx"] = counts_.query_statements;
  http["request_stmts_rx"] = counts_.request_statements;
  http["queued_executions"] = counts_.queued_requests;
  http["leader_not_found"] = counts_.leader_not_found;
  http["backups"] = requests_to("GET /db/backup");
  http["loads"] = requests_to("POST /db/load");
  http["boot"] = requests_to("POST /boot");
  http["sql_analyze"] = requests_to("GET /db/sql") + requests_to("POST /db/sql");
  http["num_status"] = requests_to("GET /status");
  http["num_readyz"] = requests_to("GET /readyz");
  http["user_snapshots"] = requests_to("POST /snapshot");
  http["user_reaps"] = requests_to("POST /reap");
  http["ui"] = requests_to("GET /console");
  http["auth_ok"] = options_.access != nullptr ? options_.access->stats().granted : std::uint64_t{0};
  http["auth_fail"] = options_.access != nullptr ? options_.access->stats().denied : std::uint64_t{0};
}

void HttpService::write_queue_counts(StatusTree& http, StatusTree& queue) const {
  http["queued_executions_wait"] = counts_.queued_waits;
  http["queued_executions_wait_timeout"] = counts_.queued_wait_timeouts;
  if (options_.queue == nullptr) return;
  const server::WriteQueue::Stats stats = options_.queue->stats();
  http["queued_executions_num_stmts_rx"] = stats.statements_taken;
  http["queued_executions_num_stmts_tx"] = stats.statements_executed;
  http["queued_executions_ok"] = stats.executed - stats.failed;
  http["queued_executions_failed"] = stats.failed;
  http["queued_executions_not_leader"] = stats.not_leader;
  http["queued_executions_no_leader"] = stats.refused;
  http["queued_executions_unknown_error"] = stats.unknown;
  queue["requests_rx"] = stats.taken;
  queue["requests_tx"] = stats.executed;
  queue["statements_rx"] = stats.statements_taken;
  queue["statements_tx"] = stats.statements_executed;
  queue["waiting"] = std::uint64_t{stats.waiting};
  queue["batches"] = stats.batches;
  queue["repeats"] = stats.repeats;
}

/// As Go's expvar writes it: one line for each.
void HttpService::show_counters(Exchange exchange) {
  std::map<std::string, StatusTree, std::less<>> counters;
  if (options_.counters) options_.counters(counters);
  write_counts(counters["http"]);
  write_queue_counts(counters["http"], counters["queue"]);
  counters["proxy"]["num_forwarded"] = counts_.forwarded;
  counters["proxy"]["num_forwards_failed"] = counts_.forwards_failed;
  std::string text = "{";
  for (const auto& [name, value] : counters) {
    if (exchange.parameters.key && *exchange.parameters.key != name) continue;
    JsonWriter writer(JsonLayout::kCompact);
    value.write(writer);
    text.append(text.size() > 1 ? "," : "").append("\n\"").append(name).append("\": ").append(writer.buffer());
  }
  exchange.responder.send(json(Status::kOk, text + "\n}\n"));
}

void HttpService::show_metrics(Exchange exchange) {
  MetricsText metrics;
  requests_.write(metrics);
  if (options_.metrics) options_.metrics(metrics);
  Response response;
  response.header("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  response.body = std::move(metrics.text());
  exchange.responder.send(std::move(response));
}

}  // namespace quorate::http
