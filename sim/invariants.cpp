#include "sim/invariants.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "consensus/quorum.hpp"

namespace quorate::sim {

namespace {

constexpr const char* kDurableCommits = "U3 durable commits";
constexpr const char* kMonotonicity = "U6 monotonicity";
constexpr const char* kOrder = "U7 order of indexes";
constexpr const char* kDurability = "U8 durability matrix";
constexpr const char* kOneChange = "U9 one change at a time";

}  // namespace

void Invariants::report(Verdict verdict) {
  if (!violation_) violation_ = std::move(verdict);
}

void Invariants::expect(bool holds, const char* property, NodeId node, const char* text) {
  if (!holds) report(Violation{property, fmt::format("n{}: {}", node.value, text)});
}

void Invariants::started(NodeId node, const Recovered& recovered, const Core& core) {
  Node& state = nodes_[node.value];
  if (!damaged_.contains(node)) {
    expect(state.disk.is_kept_by(recovered), kDurability, node,
           "what was reported as durable is not there after the restart");
    expect(recovered.damaged.empty() && !recovered.promises_lost, kDurability, node,
           "damage was found on a disk that nobody damaged");
  }
  if (damaged_.contains(node)) state.lost.emplace_back(state.incarnation, state.disk);
  state.incarnation = recovered.incarnation;
  state.disk.recovered(recovered);
  state.term = core.term();
  state.voted_for = core.voted_for();
  state.role = core.role();
  state.commit = core.log().base().index;
  state.applied = core.applied();
  state.machine_applied = core.applied();
  state.peers.clear();
  state.open_configurations.clear();
  Term previous = core.log().base().term;
  for (Index index = core.log().first_index(); index <= core.log().last().index; ++index) {
    const Entry& entry = core.log().at(index);
    report(ledger_.appended(node, entry, std::exchange(previous, entry.term)));
    if (entry.kind == EntryKind::kConfiguration) state.open_configurations.push_back(index);
  }
  check_order(node, core);
  check_commit(node, state, core);
  check_open_configurations(node, state, core);
}

void Invariants::ended(NodeId node) { nodes_[node.value].peers.clear(); }

void Invariants::wiped(NodeId node) {
  Node& state = nodes_[node.value];
  state.lost.emplace_back(state.incarnation, std::exchange(state.disk, DiskMirror{}));
  damaged_.erase(node);
}

void Invariants::stepped(NodeId node, const Event& event, const Core& core, const Effects& effects) {
  Node& state = nodes_[node.value];
  if (const auto* installed = std::get_if<event::SnapshotInstalled>(&event.body)) {
    state.machine_applied = std::max(state.machine_applied, installed->id.last.index);
  }
  for (const Effect& effect : effects) {
    if (const auto* write = std::get_if<effect::Persist>(&effect)) persist(node, state, core, write->batch);
    if (const auto* compact = std::get_if<effect::Compact>(&effect)) state.disk.compacted(compact->through);
    // A member that went and came back starts from nothing.
    if (std::holds_alternative<effect::ConfigurationChanged>(effect)) {
      std::erase_if(state.peers, [&](const auto& peer) { return !core.configuration().contains(peer.first); });
    }
  }

  check_monotone(node, state, core);
  const bool is_elected = core.role() == Role::kLeader && (state.role != Role::kLeader || state.term != core.term());
  if (state.term != core.term() || state.role != core.role()) state.peers.clear();
  state.term = core.term();
  state.voted_for = core.voted_for();
  state.role = core.role();
  if (is_elected) report(ledger_.elected(node, core.term(), core.log()));
  if (core.commit() != state.commit) check_commit(node, state, core);
  state.applied = core.applied();
  check_order(node, core);
  check_open_configurations(node, state, core);
  if (const auto* received = std::get_if<event::Received>(&event.body))
    check_match(node, state, core, received->message);
}

void Invariants::persist(NodeId node, Node& state, const Core& core, const PersistBatch& batch) {
  state.disk.submitted(batch);
  if (batch.reset_to) {
    state.open_configurations.clear();
    state.commit = std::max(state.commit, batch.reset_to->index);
    report(ledger_.committed(node, *batch.reset_to, core.term()));
  }
  if (batch.truncate_after) {
    expect(*batch.truncate_after >= state.commit, "U3 commit stability", node, "truncates committed entries");
    expect(state.role != Role::kLeader || state.term != core.term(), "U4 leader completeness", node,
           "a leader truncates its own log");
    std::erase_if(state.open_configurations, [&](Index index) { return index > *batch.truncate_after; });
  }
  std::optional<Term> previous;
  for (const Entry& entry : batch.entries) {
    if (!previous) previous = core.log().term_at(entry.index - 1);
    if (!previous) break;  // reset or truncated again within the same step: never to be seen by anybody
    report(ledger_.appended(node, entry, *previous));
    previous = entry.term;
    if (entry.kind == EntryKind::kConfiguration) state.open_configurations.push_back(entry.index);
  }
  for (const Entry& entry : batch.repairs) {
    if (const auto before = core.log().term_at(entry.index - 1)) report(ledger_.appended(node, entry, *before));
  }
}

void Invariants::check_monotone(NodeId node, const Node& state, const Core& core) {
  expect(core.term() >= state.term, kMonotonicity, node, "the term went back");
  expect(core.term() != state.term || state.voted_for == kNoNode || core.voted_for() == state.voted_for, kMonotonicity,
         node, "the vote of a term changed");
  expect(core.commit() >= state.commit, kMonotonicity, node, "the commit index went back");
  expect(core.applied() >= state.applied, kMonotonicity, node, "the applied index went back");
}

void Invariants::check_order(NodeId node, const Core& core) {
  expect(core.log().base().index <= core.checkpoint().index, kOrder, node,
         "the log was compacted beyond the checkpoint");
  expect(core.checkpoint().index <= core.applied(), kOrder, node, "the checkpoint is ahead of what is applied");
  expect(core.applied() <= core.commit(), kOrder, node, "something uncommitted is applied");
  expect(core.commit() <= core.log().last().index, kOrder, node, "the commit index is beyond the log");
}

void Invariants::check_commit(NodeId node, Node& state, const Core& core) {
  if (core.commit() > ledger_.last_committed() && core.role() == Role::kLeader) check_new_commit(node, core);
  const LogId base = core.log().base();
  if (base.index > state.commit && base.index > Index{}) report(ledger_.committed(node, base, core.term()));
  for (Index index = std::max(state.commit, base.index) + 1; index <= core.commit(); ++index) {
    const std::optional<Term> term = core.log().term_at(index);
    if (!term) break;  // check_order reports it
    report(ledger_.committed(node, {*term, index}, core.term()));
  }
  state.commit = core.commit();
}

void Invariants::check_new_commit(NodeId node, const Core& core) {
  const std::optional<Term> term = core.log().term_at(core.commit());
  if (!term) return;
  expect(*term == core.term(), kDurableCommits, node, "a leader committed an entry of an earlier term by counting");
  const LogId id{*term, core.commit()};
  const Configuration& configuration = core.configuration();
  if (is_quorum(configuration, [&](NodeId member) { return has_held(*configuration.find(member), id); })) return;
  std::string disks;
  for (const auto* half : {&configuration.members, &configuration.outgoing}) {
    for (const Member& member : *half) {
      if (!member.votes()) continue;
      disks += fmt::format(" n{} {}", member.id.value, has_held(member, id) ? "holds it" : "does not");
    }
    disks += ";";
  }
  report(Violation{kDurableCommits, fmt::format("n{} committed ({},t{}), which a quorum's disks do not hold:{}",
                                                node.value, id.index.value, id.term.value, disks)});
}

bool Invariants::has_held(const Member& member, LogId id) const {
  const Node& state = nodes_[member.id.value];
  if (state.incarnation == member.incarnation && state.disk.holds(id)) return true;
  return std::ranges::any_of(
      state.lost, [&](const auto& disk) { return disk.first == member.incarnation && disk.second.holds(id); });
}

void Invariants::check_open_configurations(NodeId node, Node& state, const Core& core) {
  std::deque<Index>& open = state.open_configurations;
  while (!open.empty() && open.front() <= core.commit()) open.pop_front();
  if (open.size() <= 1) return;
  const bool is_abort = open.size() == 2 && core.log().contains(open.front()) &&
                        core.configuration_at(open.front()).is_joint() && !core.configuration().is_joint();
  expect(is_abort, kOneChange, node, "a second configuration entry was appended before the first was committed");
}

void Invariants::check_match(NodeId node, Node& state, const Core& core, const Message& answer) {
  const LeaderState* leading = core.leading();
  if (leading == nullptr) return;
  const auto found = leading->progress.find(answer.from);
  if (found == leading->progress.end()) return;
  const Progress& progress = found->second;
  expect(progress.next > progress.match, kMonotonicity, node, "a member is sent entries that it has");
  expect(progress.match <= core.log().last().index, kMonotonicity, node, "a member matches beyond the leader's log");
  Peer& peer = state.peers[answer.from];
  const bool is_same_life = peer.boot == progress.boot && peer.incarnation == progress.incarnation;
  expect(!is_same_life || progress.match >= peer.match, kMonotonicity, node, "a member's match index went back");
  peer = {progress.incarnation, progress.boot, progress.match};
}

void Invariants::sending(NodeId node, const Message& message) {
  const Node& state = nodes_[node.value];
  const HardState& durable = state.disk.hard_state();
  if (const auto* request = std::get_if<VoteRequest>(&message.body)) {
    expect(durable.term > message.term || (durable.term == message.term && durable.voted_for == node), kDurability,
           node, "asks for votes before its own is durable");
    expect(state.disk.holds(request->last), kDurability, node, "advertises entries that are not durable");
  } else if (const auto* response = std::get_if<VoteResponse>(&message.body)) {
    if (response->vote != Vote::kGranted) return;
    expect(durable.term > message.term || (durable.term == message.term && durable.voted_for == message.to),
           kDurability, node, "grants a vote that is not durable");
  } else if (const auto* accepted = std::get_if<AppendAccepted>(&message.body)) {
    expect(durable.term >= message.term, kDurability, node, "acknowledges entries in a term that is not durable");
    expect(state.disk.last().index >= accepted->match.index, kDurability, node,
           "acknowledges entries that are not durable");
  }
}

void Invariants::applied(NodeId node, const Entry& entry, const Payload& result, std::optional<std::uint64_t> digest) {
  Node& state = nodes_[node.value];
  expect(entry.index == state.machine_applied + 1, "U5 state machine safety", node, "applies entries out of order");
  state.machine_applied = entry.index;
  if (entry.payload.is_absent()) {
    expect(!digest, "U5 state machine safety", node, "applies an entry whose body is not there");
    return;  // a witness, which has no state
  }
  report(ledger_.applied(node, entry, result));
  if (digest) report(ledger_.digested(node, entry.index, *digest));
}

}  // namespace quorate::sim
