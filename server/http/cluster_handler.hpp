// /nodes, /leader, /remove, /readyz, /snapshot and /reap: who there is, how they are, and what an operator changes.
// Loop thread only.
#pragma once

#include "server/cluster.hpp"
#include "server/http/exchange.hpp"
#include "server/http/leader_route.hpp"

namespace quorate::http {

class ClusterHandler {
 public:
  /// Everything referred to outlives the handler.
  ClusterHandler(server::Cluster& cluster, LeaderRoute& leader) : cluster_(cluster), leader_(leader) {}

  void nodes(Exchange exchange);
  void show_leader(Exchange exchange);
  void step_down(Exchange exchange);
  void remove(Exchange exchange);
  void readyz(Exchange exchange);
  void take_snapshot(Exchange exchange);
  static void reap(Exchange exchange);

 private:
  server::Cluster& cluster_;
  LeaderRoute& leader_;
};

}  // namespace quorate::http
