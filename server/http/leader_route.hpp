// The way of a request that only the leader can serve and that has come to another node: to the leader and back, or, if
// the client wants to go itself, the leader's address. What cannot be decided is never taken for done: without an
// answer the client is told whether the request had no effect or may have had one. Loop thread only.
#pragma once

#include <memory>
#include <string>

#include "server/cluster.hpp"
#include "server/http/exchange.hpp"

namespace quorate::http {

class LeaderRoute {
 public:
  LeaderRoute(const HandlerContext& context, server::Cluster& cluster) : context_(context), cluster_(cluster) {}

  /// The answer where nobody is known to lead; it is counted.
  [[nodiscard]] Response no_leader() const;

  /// By redirection if the client asked for it, else by forwarding, with as many retries as it asked for of what had no
  /// effect.
  void take(Exchange exchange);
  /// The same for a request that was encoded before it was known that it must go to the leader.
  void forward(Payload request, const Parameters& parameters, Responder responder);

 private:
  struct Trip;

  void redirect(Exchange exchange);
  void attempt(const std::shared_ptr<Trip>& trip);
  void arrived(const std::shared_ptr<Trip>& trip, const server::ForwardEnd& end);

  const HandlerContext& context_;
  server::Cluster& cluster_;
};

}  // namespace quorate::http
