// A simulated cluster: machines, the network between them, and the invariants that watch over all of it. Whoever drives
// it (run.hpp, a scenario, a test) decides what goes wrong; the cluster only makes it happen.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "consensus/coverage.hpp"
#include "sim/host.hpp"
#include "sim/invariants.hpp"
#include "sim/network.hpp"
#include "sim/process.hpp"
#include "sim/schedule.hpp"
#include "sim/world.hpp"

namespace quorate::sim {

/// Which nodes the ids of a shape are.
struct Roster {
  NodeSet voters;
  NodeSet witnesses;
  NodeSet learners;
  NodeSet spares;

  explicit Roster(const ClusterShape& shape);
  [[nodiscard]] NodeSet all() const { return voters | witnesses | learners | spares; }
};

class Cluster final : private HostObserver, private NetworkObserver {
 public:
  /// Told about everything that happens in the cluster, after the invariants; may look, not touch.
  class Observer : public HostObserver, public NetworkObserver {};

  /// Formats the disks of all members. Nothing runs before start().
  Cluster(World& world, const ClusterShape& shape, Launcher& launcher);
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  void add_observer(Observer& observer) { observers_.push_back(&observer); }
  /// Starts a process on every machine, spares included.
  void start();

  [[nodiscard]] World& world() { return world_; }
  [[nodiscard]] Network& network() { return network_; }
  [[nodiscard]] const Network& network() const { return network_; }
  [[nodiscard]] Invariants& invariants() { return invariants_; }
  [[nodiscard]] const Invariants& invariants() const { return invariants_; }
  [[nodiscard]] const Coverage& coverage() const { return coverage_; }
  [[nodiscard]] const Roster& roster() const { return roster_; }
  [[nodiscard]] Host& host(NodeId node) { return *hosts_[node.value - 1]; }
  [[nodiscard]] const Host& host(NodeId node) const { return *hosts_[node.value - 1]; }
  [[nodiscard]] Incarnation incarnation(NodeId node) const { return incarnations_[node.value - 1]; }
  [[nodiscard]] Member member(NodeId node, MemberKind kind) const;

  /// The configuration that the node's disk or process last put in force; empty for an empty disk.
  [[nodiscard]] const Configuration& believed(NodeId node) const { return believed_[node.value - 1]; }
  /// The running leader of the highest term, kNoNode if there is none.
  [[nodiscard]] NodeId leader() const;
  /// The running nodes; paused ones are not among them.
  [[nodiscard]] NodeSet running() const;
  [[nodiscard]] std::uint64_t steps() const { return steps_; }

  void end(NodeId node, Ending ending) { host(node).end(ending); }
  void launch(NodeId node);
  /// Loses the disk; the next launch() is of an empty node with a new incarnation.
  void wipe(NodeId node);
  /// From now on the node may stop itself, refuse to start, or find damage, without that being a violation.
  void expect_damage(NodeId node);
  void expect_stop(NodeId node) { may_stop_.insert(node); }

 private:
  void on_launch(NodeId node, const Recovered& recovered, const Core& core) override;
  void on_end(NodeId node, const std::string& reason) override;
  void on_step(NodeId node, const Event& event, const Core& core, const Effects& effects) override;
  void on_send(const Message& message) override;
  void on_durable(NodeId node, Ticket ticket) override;
  void on_apply(NodeId node, const Entry& entry, const Payload& result, std::optional<std::uint64_t> digest) override;
  void on_message(MessageId id, Fate fate, const Message& message) override;

  void format(NodeId node);

  World& world_;
  Launcher& launcher_;
  Random entropy_;
  Roster roster_;
  Coverage coverage_;
  Network network_;
  Invariants invariants_;
  std::vector<Observer*> observers_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::vector<Incarnation> incarnations_;
  std::vector<Configuration> believed_;
  NodeSet may_stop_;
  NodeSet damaged_;
  std::uint64_t steps_ = 0;
};

/// For people: "1 2 3-learner && 1 4-witness".
[[nodiscard]] std::string describe(const Configuration& configuration);

/// The options that a node of this shape is started with.
[[nodiscard]] NodeOptions node_options(const ClusterShape& shape, NodeId node, std::uint64_t seed);

}  // namespace quorate::sim
