// One request on its way through the handlers, and what the handlers need of the world around them. Loop thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "consensus/types.hpp"
#include "server/http/forwarding.hpp"
#include "server/http/parameters.hpp"
#include "transport/http_handler.hpp"

namespace quorate::http {

enum class Origin : std::uint8_t {
  kClient,
  kPeer,  ///< another node passed it on, because this one leads
};

struct Exchange {
  Request& request;  ///< gone after the handler's call
  Parameters parameters;
  Origin origin;
  Responder responder;
  Instant begun;
};

/// What the answers' statuses do not tell.
struct HttpCounts {
  std::uint64_t execute_statements = 0;
  std::uint64_t query_statements = 0;
  std::uint64_t request_statements = 0;
  std::uint64_t queued_requests = 0;
  std::uint64_t queued_waits = 0;          ///< of those, who wanted to know what became of it
  std::uint64_t queued_wait_timeouts = 0;  ///< of those, who heard nothing in time
  std::uint64_t forwarded = 0;             ///< requests passed on to the leader
  std::uint64_t forwards_failed = 0;       ///< of those, without an answer
  std::uint64_t leader_not_found = 0;
  std::int64_t last_backup_unix_seconds = 0;  ///< 0: there was none
};

struct HandlerContext {
  std::function<Instant()> now;
  Post post;
  /// Runs something on the loop after a while.
  std::function<void(Duration, std::function<void()>)> after;
  std::string api_address;              ///< this node's, for clients: host:port
  std::string node_address;             ///< this node's, for nodes: host:port
  Vouching vouching = Vouching::kNone;  ///< what this node says of requests that it passes on
  HttpCounts* counts = nullptr;         ///< the service's own
};

/// For the header that says who served a request: clients know nodes by one address, nodes by another.
[[nodiscard]] inline const std::string& served_by(const HandlerContext& context, Origin origin) {
  return origin == Origin::kClient ? context.api_address : context.node_address;
}

}  // namespace quorate::http
