#include "tests/scenarios/invariants.hpp"

#include <algorithm>
#include <utility>

#include "consensus/configuration_codec.hpp"
#include "consensus/quorum.hpp"
#include "tests/scenarios/notation.hpp"

namespace quorate::scenario {
namespace {

std::string name(NodeId node) { return "server " + std::to_string(node.value); }

}  // namespace

void Invariants::report(std::string text) {
  if (!violation_) violation_ = std::move(text);
}

void Invariants::stepped(const Server& server) {
  const Core& core = server.core();
  if (core.has_failed()) return;
  if (core.role() == Role::kLeader) {
    const auto [leader, is_new] = leaders_.emplace(core.term(), core.id());
    if (!is_new && leader->second != core.id()) {
      report("U1 election safety: " + name(core.id()) + " and " + name(leader->second) + " both led term " +
             std::to_string(core.term().value));
    }
  }
  Previous& previous = previous_[core.id()];
  if (core.term() < previous.term) report("U6 monotonicity: the term of " + name(core.id()) + " went back");
  if (core.commit() < previous.commit) report("U6 monotonicity: the commit index of " + name(core.id()) + " went back");
  if (core.applied() < previous.applied)
    report("U6 monotonicity: the applied index of " + name(core.id()) + " went back");
  if (core.term() != previous.term || core.leading() == nullptr) previous.match.clear();
  if (const LeaderState* leading = core.leading()) {
    for (const auto& [peer, progress] : leading->progress) {
      Index& match = previous.match[{peer, progress.incarnation, progress.boot}];
      if (progress.match < match)
        report("U6 monotonicity: the match of " + name(peer) + " went back at " + name(core.id()));
      match = progress.match;
    }
  }
  previous.term = core.term();
  previous.commit = core.commit();
  previous.applied = core.applied();
  note_commits(core.id(), core);
}

void Invariants::sending(const Server& server, const Message& message) {
  const HardState& promise = server.disk.content().hard_state;
  const auto expect = [&](bool holds, const char* what) {
    if (!holds) report("U8 durability: " + text_of(message) + " left before " + what + " was durable");
  };
  const auto is_covered = [&](LogId id) {
    return server.disk.holds(id) || server.machine.durable().last.index >= id.index;
  };
  if (const auto* request = std::get_if<VoteRequest>(&message.body)) {
    expect(promise.term == message.term && promise.voted_for == message.from, "the own vote");
    expect(server.disk.holds(request->last), "the log that it advertises");
  } else if (const auto* vote = std::get_if<VoteResponse>(&message.body);
             vote != nullptr && vote->vote == Vote::kGranted) {
    expect(promise.term == message.term && promise.voted_for == message.to, "the vote");
  } else if (const auto* accepted = std::get_if<AppendAccepted>(&message.body)) {
    expect(promise.term >= message.term, "the term");
    expect(is_covered(accepted->match), "what it acknowledges");
  } else if (const auto* progress = std::get_if<SnapshotProgress>(&message.body)) {
    expect(is_covered(progress->applied), "the state that it acknowledges");
    expect(progress->next_offset <= server.machine.staged_bytes(), "the chunk that it acknowledges");
  }
}

void Invariants::note_commits(NodeId node, const Core& core) {
  for (Index index = core.log().first_index(); index <= core.commit(); ++index) {
    const Entry& entry = core.log().at(index);
    const auto [known, is_new] = committed_.try_emplace(index, Committed{entry.id(), entry.payload, core.term()});
    if (is_new) {
      committed_under_ = core.configuration();
    } else if (known->second.id != entry.id()) {
      report("U3 commit stability: " + name(node) + " has " + text_of(entry.id()) + " committed, but " +
             text_of(known->second.id) + " was");
    } else if (known->second.payload.is_absent()) {
      known->second.payload = entry.payload;
    } else if (!entry.payload.is_absent() && entry.payload != known->second.payload) {
      report("U3 commit stability: the body of " + text_of(entry.id()) + " at " + name(node) + " is another");
    }
  }
}

bool Invariants::is_committed(LogId id) const {
  const auto found = committed_.find(id.index);
  return found != committed_.end() && found->second.id == id;
}

void Invariants::check(const Servers& servers) {
  for (const auto& [node, server] : servers) {
    if (!server.is_up() || server.core().has_failed()) continue;
    const Core& core = server.core();
    for (const auto& [other, peer] : servers) {
      if (other > node && peer.is_up()) check_logs(node, core.log(), other, peer.core().log());
    }
    check_leader(node, core);
    check_machine(node, server);
    check_order(node, core);
    check_open_configurations(node, core);
  }
  check_durable_commits(servers);
}

void Invariants::check_logs(NodeId left, const Log& one, NodeId right, const Log& other) {
  bool agree = false;
  const Index first = std::max(one.base().index, other.base().index);
  for (Index index = std::min(one.last().index, other.last().index); index > first; index = index - 1) {
    const Entry& mine = one.at(index);
    const Entry& theirs = other.at(index);
    const bool comparable = !mine.payload.is_absent() && !theirs.payload.is_absent();
    if (mine.term == theirs.term && comparable && mine.payload != theirs.payload) {
      report("U2 log matching: " + text_of(mine.id()) + " has different bodies at " + name(left) + " and " +
             name(right));
    }
    agree = agree || mine.term == theirs.term;
    if (agree && mine.term != theirs.term) {
      report("U2 log matching: " + name(left) + " and " + name(right) + " differ at " + std::to_string(index.value) +
             " and agree behind it");
    }
  }
}

/// U3: what is committed is on the disks of a quorum, in the configuration under which the last of it was committed.
void Invariants::check_durable_commits(const Servers& servers) {
  for (const auto& [index, committed] : committed_) {
    const bool durable = is_quorum(committed_under_, [&, id = committed.id](NodeId node) {
      const auto found = servers.find(node);
      if (found == servers.end()) return false;
      const Server& server = found->second;
      return excused_.contains(node) || server.disk.holds(id) || server.machine.durable().last.index >= id.index;
    });
    if (!durable)
      report("U3 commit stability: committed " + text_of(committed.id) + " is not on the disks of a quorum");
  }
}

void Invariants::check_leader(NodeId node, const Core& core) {
  if (core.role() != Role::kLeader) return;
  for (const auto& [index, committed] : committed_) {
    const bool held = index <= core.log().base().index || core.log().matches(committed.id);
    if (!held && committed.during < core.term()) {
      report("U4 leader completeness: " + name(node) + " leads term " + std::to_string(core.term().value) +
             " without " + text_of(committed.id) + ", committed in term " + std::to_string(committed.during.value));
    }
  }
}

void Invariants::check_machine(NodeId node, const Server& server) {
  const std::vector<std::string>& mine = server.machine.state().application().commands();
  const std::size_t common = std::min(mine.size(), commands_.size());
  if (!std::equal(mine.begin(), mine.begin() + static_cast<std::ptrdiff_t>(common), commands_.begin())) {
    report("U5 state machine safety: " + name(node) + " has applied other commands than others, or in another order");
  }
  if (mine.size() > commands_.size()) commands_ = mine;
  const std::optional<std::uint64_t> digest = server.machine.digest();
  if (!digest) return;
  const auto [known, is_new] = digests_.emplace(server.machine.applied(), *digest);
  if (known->second != *digest) {
    report("U5 state machine safety: the state of " + name(node) + " after entry " +
           std::to_string(known->first.value) + " is another than elsewhere");
  }
}

void Invariants::check_order(NodeId node, const Core& core) {
  const Index order[] = {core.log().base().index, core.checkpoint().index, core.applied(), core.commit(),
                         core.log().last().index};
  if (!std::ranges::is_sorted(order)) {
    report("U7 order of indexes: at " + name(node) +
           " base <= checkpoint <= applied <= committed <= last does not hold");
  }
}

/// Only a joint configuration that is being given up has a second one behind it.
void Invariants::check_open_configurations(NodeId node, const Core& core) {
  std::vector<Configuration> open;
  for (Index index = core.log().first_index(); index <= core.log().last().index; ++index) {
    const Entry& entry = core.log().at(index);
    if (entry.kind != EntryKind::kConfiguration || entry.payload.is_absent() || is_committed(entry.id())) continue;
    if (const auto configuration = decode_configuration(entry.payload.bytes())) open.push_back(*configuration);
  }
  const bool is_abort = open.size() == 2 && open[0].is_joint() && open[1] == abort_joint(open[0]);
  if (open.size() > 1 && !is_abort)
    report("U9 one change at a time: " + name(node) + " has several uncommitted configurations");
}

}  // namespace quorate::scenario
