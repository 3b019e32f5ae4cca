// Keeps destructive faults within what the protocol promises to survive. Lost and rotten disks are counted until what
// they held is whole again; another one may be damaged only if, in every configuration that some node believes in,
//
//   a quorum of voters with sound disks remains, and
//   of every quorum at least one sound copy of the bodies remains, witnesses having none.
//
// Crashes that lose what was never synced are not damage. A run within this budget must stay correct and must recover;
// beyond it, it must still never serve anything wrong, but may stop.
#pragma once

#include <cstdint>
#include <map>

#include "sim/cluster.hpp"
#include "sim/node_set.hpp"

namespace quorate::sim {

class FaultAtlas {
 public:
  explicit FaultAtlas(const Cluster& cluster) : cluster_(cluster) {}

  /// Whether the node's disk may be damaged now.
  [[nodiscard]] bool may_damage(NodeId node);
  /// Whether the cluster would survive what is damaged now if these were its members. Until forget(), nothing may be
  /// damaged that would change that: the change is under way.
  [[nodiscard]] bool may_become(const Configuration& next);
  void forget() { next_ = {}; }
  void damaged(NodeId node);
  /// From now on, until the end, the node's disk may do damage that nobody notices.
  void begin_silent_damage(NodeId node);
  void end_silent_damage(NodeId node);
  /// Nodes that do not hold again what they once held.
  [[nodiscard]] NodeSet damaged();

 private:
  [[nodiscard]] bool is_whole(NodeId node) const;
  [[nodiscard]] bool survives(const std::vector<Member>& half, NodeSet lost) const;

  const Cluster& cluster_;
  NodeSet damaged_;
  NodeSet silent_;
  std::map<NodeId, std::uint64_t> launches_;  ///< of damaged nodes, when it happened: only a start reads all of a disk
  Configuration next_;                        ///< empty: nothing is under way
};

}  // namespace quorate::sim
