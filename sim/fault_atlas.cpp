#include "sim/fault_atlas.hpp"

#include "consensus/core.hpp"

namespace quorate::sim {

bool FaultAtlas::may_damage(NodeId node) {
  NodeSet lost = damaged();
  lost.insert(node);
  for (const NodeId each : cluster_.roster().all()) {
    const Configuration& configuration = cluster_.believed(each);
    if (!survives(configuration.members, lost) || !survives(configuration.outgoing, lost)) return false;
  }
  return survives(next_.members, lost);
}

bool FaultAtlas::may_become(const Configuration& next) {
  if (!survives(next.members, damaged())) return false;
  next_ = next;
  return true;
}

void FaultAtlas::damaged(NodeId node) {
  damaged_.insert(node);
  launches_[node] = cluster_.host(node).launches();
}

void FaultAtlas::begin_silent_damage(NodeId node) {
  damaged(node);
  silent_.insert(node);
}

void FaultAtlas::end_silent_damage(NodeId node) {
  damaged(node);
  silent_.erase(node);
}

NodeSet FaultAtlas::damaged() {
  for (const NodeId node : damaged_) {
    if (is_whole(node)) damaged_.erase(node);
  }
  return damaged_;
}

/// The node has started since, runs, misses nothing, and the leader's committed configuration knows it in its present
/// life.
bool FaultAtlas::is_whole(NodeId node) const {
  if (silent_.contains(node) || cluster_.host(node).launches() == launches_.at(node)) return false;
  const NodeId leader = cluster_.leader();
  if (leader == kNoNode || !cluster_.host(node).is_running()) return false;
  const Core& known = cluster_.host(leader).process()->core();
  const Core& core = cluster_.host(node).process()->core();
  const Member* member = known.configuration().find(node);
  if (member == nullptr || member->incarnation != cluster_.incarnation(node)) return false;
  if (known.configuration_index() > known.commit()) return false;
  if (!core.damaged().empty() || !core.may_vote()) return false;
  const Ledger& ledger = cluster_.invariants().ledger();
  const Index last = ledger.last_committed();
  return last == Index{} || cluster_.invariants().disk(node).holds({ledger.term_of_committed(last), last});
}

bool FaultAtlas::survives(const std::vector<Member>& half, NodeSet lost) const {
  std::size_t voters = 0;
  std::size_t witnesses = 0;
  std::size_t lost_voters = 0;
  for (const Member& member : half) {
    if (!member.votes()) continue;
    // Another incarnation than the one that the configuration knows is not there any more.
    const bool is_lost = lost.contains(member.id) || member.incarnation != cluster_.incarnation(member.id);
    ++voters;
    witnesses += member.kind == MemberKind::kWitness ? 1 : 0;
    lost_voters += is_lost ? 1 : 0;
  }
  if (voters == 0) return true;
  // A witness may have heard more from a node that is lost than any voter with data has, and then votes for none of
  // them.
  if (witnesses > 0) return lost_voters == 0;
  return lost_voters + voters / 2 + 1 <= voters;
}

}  // namespace quorate::sim
