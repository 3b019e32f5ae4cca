// Notices when a node is about to store a piece of a snapshot, so that a fault can strike in the middle of a transfer,
// which one drawn by time alone rarely does.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <variant>

#include "sim/cluster.hpp"

namespace quorate::sim {

class TransferWatch final : public Cluster::Observer {
 public:
  using OnPiece = std::function<void(NodeId receiver, NodeId sender)>;

  explicit TransferWatch(OnPiece on_piece) : on_piece_(std::move(on_piece)) {}

  void on_step(NodeId node, const Event&, const Core&, const Effects& effects) override {
    for (const Effect& effect : effects) {
      if (const auto* stage = std::get_if<effect::StageSnapshot>(&effect)) on_piece_(node, stage->id.origin);
    }
  }
  void on_launch(NodeId, const Recovered&, const Core&) override {}
  void on_end(NodeId, const std::string&) override {}
  void on_send(const Message&) override {}
  void on_durable(NodeId, Ticket) override {}
  void on_apply(NodeId, const Entry&, const Payload&, std::optional<std::uint64_t>) override {}
  void on_message(MessageId, Fate, const Message&) override {}

 private:
  OnPiece on_piece_;
};

}  // namespace quorate::sim
