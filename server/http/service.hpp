// The HTTP interface as a whole: which path means what, and the rules that hold for all of them. Whatever a request
// asks for is done by one of the handlers.
//
// Loop thread only. Everything referred to outlives the service; the service outlives the server that hands it
// requests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/cluster.hpp"
#include "server/database.hpp"
#include "server/http/access_gate.hpp"
#include "server/http/bulk_handler.hpp"
#include "server/http/cluster_handler.hpp"
#include "server/http/exchange.hpp"
#include "server/http/leader_route.hpp"
#include "server/http/metrics.hpp"
#include "server/http/sql_handler.hpp"
#include "server/http/status_tree.hpp"
#include "transport/http_handler.hpp"

namespace quorate::http {

struct HttpServiceOptions {
  HandlerContext context;
  std::uint64_t first_sequence_number = 0;
  /// Whole databases in and out; may be null. Outlives the service.
  server::Bulk* bulk = nullptr;
  /// Null: queued writes are executed at once. Outlives the service.
  server::WriteQueue* queue = nullptr;
  /// Null: everybody may do everything. Outlives the service.
  security::AccessControl* access = nullptr;
  /// Add what the node knows of itself.
  std::function<void(StatusTree&)> status;
  std::function<void(MetricsText&)> metrics;
  /// Maps of counters for /debug/vars, by name.
  std::function<void(std::map<std::string, StatusTree, std::less<>>&)> counters;
};

/// Whether clients have to say who they are.
enum class Logins : std::uint8_t { kNone, kExpected };
/// Lines that every answer carries: what speaks here, and what browsers may do with it. `allow_origin` may be empty.
[[nodiscard]] std::string common_header_lines(std::string_view version, std::string_view allow_origin, Logins logins);

class HttpService final : public HttpHandler {
 public:
  HttpService(HttpServiceOptions options, server::Database& database, server::Cluster& cluster);

  /// All that there is, as metrics call it: "GET /status", ...
  [[nodiscard]] static std::vector<std::string> endpoint_names();

  void handle(Request& request, Responder responder) override;
  std::optional<Response> refusal_of(const Request& head) override { return gate_.refusal_of(head); }
  std::shared_ptr<BodyTaker> taker_for(const Request& head) override;

  /// A request that another node has passed on to the leader. `reply` is called once, with the answer in encoded form,
  /// or with nothing if this node does not lead and has done nothing.
  void handle_forwarded(std::span<const std::byte> request, std::function<void(std::optional<Payload>)> reply);

  [[nodiscard]] const HttpCounts& counts() const { return counts_; }

 private:
  struct Route;
  struct Arrival;
  static std::span<const Route> routes();

  void route(Request& request, Origin origin, Responder responder);
  void admit(Request& request, std::string_view path, Arrival arrival);
  void show_status(Exchange exchange);
  void show_metrics(Exchange exchange);
  void show_counters(Exchange exchange);
  void write_counts(StatusTree& http) const;
  void write_queue_counts(StatusTree& http, StatusTree& queue) const;

  HttpServiceOptions options_;
  HttpCounts counts_;
  AccessGate gate_;
  server::Cluster& cluster_;
  LeaderRoute leader_;
  SqlHandler sql_;
  BulkHandler bulk_;
  ClusterHandler members_;
  RequestMetrics requests_;
};

}  // namespace quorate::http
