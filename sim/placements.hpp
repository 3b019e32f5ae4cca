// Where in the log each command of the clients took effect, as the whole cluster knows it, also for clients that never
// heard an answer. With it a history can be proved linearizable by replaying the log (checker/log_order.hpp) where
// searching for an order takes too long.
#pragma once

#include <map>
#include <optional>
#include <utility>

#include "consensus/sessions.hpp"
#include "sim/cluster.hpp"

namespace quorate::sim {

class Placements final : public Cluster::Observer {
 public:
  /// Nothing if it was never executed. Requests of session 0 are told apart by their sequence as well.
  [[nodiscard]] std::optional<Index> find(SessionId session, Sequence sequence) const;

  void on_apply(NodeId node, const Entry& entry, const Payload& result, std::optional<std::uint64_t> digest) override;
  void on_launch(NodeId, const Recovered&, const Core&) override {}
  void on_end(NodeId, const std::string&) override {}
  void on_step(NodeId, const Event&, const Core&, const Effects&) override {}
  void on_send(const Message&) override {}
  void on_durable(NodeId, Ticket) override {}
  void on_message(MessageId, Fate, const Message&) override {}

 private:
  Index seen_;  ///< every entry is looked at when the first node applies it
  std::map<std::pair<SessionId, Sequence>, Index> placed_;
};

}  // namespace quorate::sim
