// The trace of a run: a 64-bit hash over the decoded contents of everything that happened, in order, and, if somebody
// wants to read it, one JSON object per line. Two runs of one plan have the same hash on every build; where two traces
// part is where determinism was lost.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "sim/cluster.hpp"
#include "sim/hash.hpp"

namespace quorate::sim {

class Trace final : public Cluster::Observer {
 public:
  using Sink = std::function<void(std::string_view line)>;

  explicit Trace(const World& world) : world_(world) {}
  /// Lines are written from now on; costs far more than the hash.
  void write_to(Sink sink) { sink_ = std::move(sink); }

  [[nodiscard]] std::uint64_t hash() const { return hash_.value(); }
  /// Something of which the cluster knows nothing: a fault, a client's operation.
  void note(std::string_view kind, std::string_view text);

  void on_launch(NodeId node, const Recovered& recovered, const Core& core) override;
  void on_end(NodeId node, const std::string& reason) override;
  void on_step(NodeId node, const Event& event, const Core& core, const Effects& effects) override;
  void on_send(const Message&) override {}
  void on_durable(NodeId, Ticket) override {}
  void on_apply(NodeId node, const Entry& entry, const Payload& result, std::optional<std::uint64_t> digest) override;
  void on_message(MessageId id, Fate fate, const Message& message) override;

 private:
  void begin(std::uint64_t tag, NodeId node);

  const World& world_;
  Hasher hash_;
  Sink sink_;
};

}  // namespace quorate::sim
