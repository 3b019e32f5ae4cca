// What must hold in every scenario after every command, in the plainest form there is: each check looks at everything.
// The simulator states the same properties incrementally (sim/invariants.hpp); the two share no code on purpose. The
// numbers are those of docs/invariants.md.
//
//   as states    U1 U2 U3 U4 U5 U7 U9
//   as steps     U6 monotonicity, U8 durability of what is said
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "tests/scenarios/server.hpp"

namespace quorate::scenario {

using Servers = std::map<NodeId, Server>;

class Invariants {
 public:
  /// A process has begun; what an earlier one was is no measure for it.
  void started(NodeId node) { previous_.erase(node); }
  /// After each step of a core.
  void stepped(const Server& server);
  /// A message is handed to the network.
  void sending(const Server& server, const Message& message);
  /// From now on the scenario is to blame if the disk of this server is found to lack something.
  void excuse(NodeId node) { excused_.insert(node); }
  /// Checks the state of all servers.
  void check(const Servers& servers);

  /// The first property that was found not to hold, with what was seen.
  [[nodiscard]] const std::optional<std::string>& violation() const { return violation_; }
  /// For properties that are checked elsewhere.
  void report(std::string text);

 private:
  struct Previous {
    Term term;
    Index commit;
    Index applied;
    std::map<std::tuple<NodeId, Incarnation, Boot>, Index> match;  ///< as leader of `term`
  };
  struct Committed {
    LogId id;
    Payload payload;
    Term during;  ///< the term in which it was first seen to be committed
  };

  void note_commits(NodeId node, const Core& core);
  void check_logs(NodeId left, const Log& one, NodeId right, const Log& other);
  void check_durable_commits(const Servers& servers);
  void check_leader(NodeId node, const Core& core);
  void check_machine(NodeId node, const Server& server);
  void check_order(NodeId node, const Core& core);
  void check_open_configurations(NodeId node, const Core& core);
  [[nodiscard]] bool is_committed(LogId id) const;

  std::map<NodeId, Previous> previous_;
  std::map<Term, NodeId> leaders_;
  std::map<Index, Committed> committed_;
  Configuration committed_under_;      ///< in force at whoever committed the last of them
  std::vector<std::string> commands_;  ///< applied, in order; the longest list seen
  std::map<Index, std::uint64_t> digests_;
  std::set<NodeId> excused_;
  std::optional<std::string> violation_;
};

}  // namespace quorate::scenario
