// What must hold after every single event, checked at the cost of what the event changed. The cluster-wide properties
// U1-U5 are the ledger's (ledger.hpp); here are those of one node, and the translation of a node's steps into facts:
//
//   U3 durable commits     an entry is committed only when a quorum's disks hold it (or did, before a fault within the
//                          budget took it from them), and by a leader of its own term
//   U6 monotonicity        term, commit and applied index of a process, a leader's match index per life of a member
//   U7 order of indexes    log base <= checkpoint <= applied <= committed <= last
//   U8 durability matrix   no promise leaves a node before the disk holds what it promises (effect.hpp)
//   U9 one change          at most one uncommitted configuration entry; a joint one may be followed by its abort
//
// The first violation is kept; the run ends there.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <string>

#include "consensus/core.hpp"
#include "sim/disk_mirror.hpp"
#include "sim/ledger.hpp"
#include "sim/node_set.hpp"

namespace quorate::sim {

class Invariants {
 public:
  /// A process has started on what `recovered` says was on its disk.
  void started(NodeId node, const Recovered& recovered, const Core& core);
  /// The process ended, by whatever means.
  void ended(NodeId node);
  /// The node's disk was replaced by an empty one.
  void wiped(NodeId node);
  /// The node's disk was damaged on purpose: what was durable may be found missing, as long as it is found.
  void damaged(NodeId node) { damaged_.insert(node); }

  /// After each step of the node's core, before its effects are carried out.
  void stepped(NodeId node, const Event& event, const Core& core, const Effects& effects);
  /// The node's storage reports this write as durable.
  void durable(NodeId node, Ticket ticket) { nodes_[node.value].disk.completed(ticket); }
  /// A message leaves the node.
  void sending(NodeId node, const Message& message);
  /// The node's state machine has applied an entry, and is in the state of this digest.
  void applied(NodeId node, const Entry& entry, const Payload& result, std::optional<std::uint64_t> digest);

  [[nodiscard]] const Verdict& violation() const { return violation_; }
  /// For whoever checks something else; the first violation stays.
  void report(Verdict verdict);
  [[nodiscard]] const Ledger& ledger() const { return ledger_; }
  [[nodiscard]] const DiskMirror& disk(NodeId node) const { return nodes_[node.value].disk; }

 private:
  struct Peer {
    Incarnation incarnation;
    Boot boot;
    Index match;
  };
  struct Node {
    DiskMirror disk;
    Incarnation incarnation;
    std::vector<std::pair<Incarnation, DiskMirror>>
        lost;  ///< what was once durable, on disks that were lost or damaged
    Term term;
    NodeId voted_for;
    Role role = Role::kFollower;
    Index commit;
    Index applied;                          ///< as the core knows it
    Index machine_applied;                  ///< as the state machine was told
    std::deque<Index> open_configurations;  ///< uncommitted configuration entries in the log
    std::map<NodeId, Peer> peers;           ///< of a leader, in its term
  };

  void persist(NodeId node, Node& state, const Core& core, const PersistBatch& batch);
  void check_monotone(NodeId node, const Node& state, const Core& core);
  void check_order(NodeId node, const Core& core);
  void check_commit(NodeId node, Node& state, const Core& core);
  void check_new_commit(NodeId node, const Core& core);
  [[nodiscard]] bool has_held(const Member& member, LogId id) const;
  void check_open_configurations(NodeId node, Node& state, const Core& core);
  void check_match(NodeId node, Node& state, const Core& core, const Message& answer);
  void expect(bool holds, const char* property, NodeId node, const char* text);

  Ledger ledger_;
  std::array<Node, kNodesMax + 1> nodes_;
  NodeSet damaged_;
  Verdict violation_;
};

}  // namespace quorate::sim
