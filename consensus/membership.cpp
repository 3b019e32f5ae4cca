// Changes of the configuration: joint consensus for arbitrary changes (Raft 6, thesis 4.3), in force from the append
// on, rolled back by truncation, and possible to give up while joint.
//
// At most one configuration entry is uncommitted at a time, except for a joint one followed by its abort. That pair is
// safe: the abort's configuration is the joint one's outgoing half, so every quorum of either contains a majority of
// it.
#include <algorithm>

#include "consensus/configuration_codec.hpp"
#include "consensus/core.hpp"
#include "consensus/output.hpp"

namespace quorate {

void Core::handle(event::ChangeMembership& request, Output& out) {
  const auto refuse = [&](Refusal refusal) { out.emit(effect::Reply{request.id, Outcome::kRefused, refusal, {}}); };
  const LeaderState* leader = leading();
  if (leader == nullptr) return refuse(Refusal::kNotLeader);
  if (leader->transfer) return refuse(Refusal::kTransferring);
  // Without an entry of the own term committed, two leaders could each build on a configuration that the other does not
  // know (the single-server bug of 2015, pitfall F1).
  if (!has_committed_in_term()) return refuse(Refusal::kNotYetCommitted);
  if (configuration().is_joint() || configuration_index() > commit_)
    return refuse(Refusal::kChangePending);  // pitfalls F2, F3
  const auto target = configuration_after(configuration(), request.change);
  if (!target) return refuse(Refusal::kInvalid);
  if (const Refusal refusal = refuse_change(*target); refusal != Refusal::kNone) return refuse(refusal);
  append_configuration(*target, request.id, out);
}

/// What the leader's knowledge of the members forbids, although the configuration itself is valid.
Refusal Core::refuse_change(const Configuration& target) const {
  for (const Member& member : target.members) {
    const Member* before = Configuration::find_in(configuration().members, member.id);
    const bool same = before != nullptr && before->incarnation == member.incarnation;
    // A witness has ids only: to hold data it must come back as a new incarnation, from nothing.
    if (same && (before->kind == MemberKind::kWitness) != (member.kind == MemberKind::kWitness))
      return Refusal::kInvalid;
    // A new incarnation would count in the half that knew the old one: it has to be removed first, then added.
    if (before != nullptr && !same && before->votes()) return Refusal::kInvalid;
    if (!member.votes() || (same && before->votes()) || member.id == options_.id) continue;
    // A voter that still has to fetch most of the log would stall commits (thesis 4.2.1, pitfall F28).
    const auto progress = leading()->progress.find(member.id);
    const bool known = same && progress != leading()->progress.end();
    const std::uint64_t has = known ? progress->second.match.value : 0;
    if (commit_.value > has && commit_.value - has > options_.catch_up_entries_max) {
      mark(Mark::kNotCaughtUpRefused);
      return Refusal::kNotCaughtUp;
    }
  }
  return Refusal::kNone;
}

void Core::handle(event::AbortMembershipChange& request, Output& out) {
  const auto refuse = [&](Refusal refusal) { out.emit(effect::Reply{request.id, Outcome::kRefused, refusal, {}}); };
  if (leading() == nullptr) return refuse(Refusal::kNotLeader);
  if (!configuration().is_joint()) return refuse(Refusal::kInvalid);
  mark(Mark::kJointAborted);
  append_configuration(abort_joint(configuration()), request.id, out);
}

void Core::append_configuration(const Configuration& next, ProposalId proposal, Output& out) {
  const LogId id = append_own(EntryKind::kConfiguration, encode(next), out);
  if (proposal != ProposalId{}) replies_.push_back({id, proposal});
  take_configuration(id.index, next, out);
  replicate(out);
}

/// In force from here on, committed or not (Raft 6).
void Core::take_configuration(Index index, Configuration next, Output& out) {
  if (next.is_joint()) mark(Mark::kJointEntered);
  configurations_.push_back({index, std::move(next)});
  out.emit(effect::ConfigurationChanged{configuration()});
  if (leading() != nullptr) sync_progress(out);
}

/// The entries beyond `last` are gone, and with them what they put in force (pitfall F5).
void Core::roll_back_configurations(Index last, Output& out) {
  if (configurations_.back().index <= last) return;
  mark(Mark::kConfigurationRolledBack);
  while (configurations_.back().index > last) configurations_.pop_back();
  QUORATE_ASSERT(!configurations_.empty());
  out.emit(effect::ConfigurationChanged{configuration()});
}

/// Keeps the one in force at `index` and all later ones.
void Core::forget_configurations_before(Index index) {
  const auto after = std::ranges::upper_bound(configurations_, index, {}, &PlacedConfiguration::index);
  if (after != configurations_.begin()) configurations_.erase(configurations_.begin(), std::prev(after));
}

/// Members that stay keep their progress (pitfall F19); a new life of a member starts from nothing (pitfall F20).
void Core::sync_progress(Output& out) {
  auto& leader = std::get<LeaderState>(role_);
  for (auto peer = leader.progress.begin(); peer != leader.progress.end();) {
    if (configuration().contains(peer->first)) {
      ++peer;
    } else {
      close_transfer(peer->first, peer->second, out);
      peer = leader.progress.erase(peer);
    }
  }
  for (const auto* half : {&configuration().members, &configuration().outgoing}) {
    for (const Member& member : *half) {
      if (member.id == options_.id) continue;
      const auto [peer, is_new] = leader.progress.try_emplace(member.id, log_.last().index + 1, now_, options_.window);
      if (!is_new && peer->second.incarnation != member.incarnation && configuration().find(member.id) == &member) {
        close_transfer(peer->first, peer->second, out);
        peer->second = Progress(log_.last().index + 1, now_, options_.window);
      }
      if (configuration().find(member.id) == &member) peer->second.incarnation = member.incarnation;
    }
  }
  // A transfer ends when its target may not lead any more (pitfall H5).
  if (leader.transfer && !may_succeed(leader.transfer->target)) abandon_transfer(Refusal::kInvalid, out);
}

/// Raft 6: a committed joint configuration is left, once (pitfall F9), by whichever leader sees it committed (pitfall
/// F8); a leader that is not part of the committed configuration goes (thesis 4.2.2, pitfall F11).
void Core::after_configuration_commit(Output& out) {
  if (configuration_index() > commit_) return;
  if (configuration().is_joint()) {
    mark(Mark::kJointLeft);
    append_configuration(leave_joint(configuration()), ProposalId{}, out);
    return;
  }
  if (configuration().is_voter(options_.id)) return;
  mark(Mark::kLeaderRemovedItself);
  send_heartbeats(out);  // the others learn that it is committed, and need not wait for the next leader to tell them
  become_follower(term_, kNoNode, out);
}

}  // namespace quorate
