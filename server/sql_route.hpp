// The way of a request that the program itself makes (embedded_node.hpp): run here if this node can, else by the
// leader, and tried again while there is none. The counterpart of http/leader_route.hpp, with values instead of HTTP.
// Loop thread only; everything referred to outlives it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "server/alarms.hpp"
#include "server/database.hpp"
#include "server/membership_service.hpp"
#include "server/sql_outcome.hpp"

namespace quorate::server {

class SqlRoute {
 public:
  SqlRoute(Database& database, MembershipService& cluster, Alarms& alarms)
      : database_(database), cluster_(cluster), alarms_(alarms) {}

  /// `done` is called once, by about request.options.timeout from now.
  void run(SqlRequest request, std::function<void(SqlOutcome)> done);

  /// Another node's request that this one shall run as the leader. `reply` gets the encoded outcome, or nothing if the
  /// bytes are no request.
  void serve(std::span<const std::byte> request, std::function<void(std::optional<Payload>)> reply);

 private:
  struct Trip;

  void attempt(const std::shared_ptr<Trip>& trip);
  void ask_leader(const std::shared_ptr<Trip>& trip);
  void try_again(const std::shared_ptr<Trip>& trip, SqlOutcome outcome);

  Database& database_;
  MembershipService& cluster_;
  Alarms& alarms_;
};

}  // namespace quorate::server
