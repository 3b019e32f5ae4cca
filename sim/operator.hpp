// The operator of a simulated cluster: has a membership in mind and asks the leader for it, step by step, until it is
// there. Nodes that lost their disk are let go and brought in again as what they are now: removed, added as learners,
// promoted once they have caught up (thesis 4.2).
#pragma once

#include "sim/cluster.hpp"
#include "sim/fault_atlas.hpp"

namespace quorate::sim {

class Operator final : private Handler {
 public:
  explicit Operator(Cluster& cluster);
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;

  /// Begins to look, every now and then.
  void start();
  /// Asks for nothing any more.
  void stop() { ++generation_; }

  /// From now on, asks for nothing that damaged disks would make the end of the cluster, as a person would who knows.
  void consult(FaultAtlas& atlas) { atlas_ = &atlas; }
  void want(NodeSet voters, NodeSet learners);
  /// From now on, a change that is not through within this time is given up; zero: never.
  void give_up_after(Duration patience) { patience_ = patience; }
  [[nodiscard]] NodeSet voters() const { return voters_; }

  [[nodiscard]] std::uint64_t changes() const { return changes_; }

 private:
  void fire(std::uint64_t generation) override;
  void look();
  /// What to ask for next; nothing if all is as wanted.
  [[nodiscard]] std::optional<ConfigurationChange> next_step(const Configuration& now) const;

  Cluster& cluster_;
  FaultAtlas* atlas_ = nullptr;
  NodeSet voters_;
  NodeSet learners_;
  Duration patience_{};
  std::optional<WorldTime> joint_since_;
  bool asking_ = false;
  WorldTime asked_at_{};
  std::uint64_t generation_ = 0;
  std::uint64_t changes_ = 0;
};

}  // namespace quorate::sim
