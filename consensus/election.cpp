// Elections: Raft 5.2 and 5.4.1, pre-vote (thesis 9.6), check-quorum and leader stickiness (thesis 4.2.3, 6.2).
#include <algorithm>

#include "consensus/core.hpp"
#include "consensus/output.hpp"
#include "consensus/quorum.hpp"

namespace quorate {

void Core::arm_election_timer() {
  election_deadline_ = now_ + random_.between(options_.election_timeout, 2 * options_.election_timeout);
  std::uint32_t highest = 0;
  for (const Member& member : configuration().members) {
    if (member.kind == MemberKind::kVoter) highest = std::max(highest, member.priority);
  }
  const Member* self = configuration().find(options_.id);
  if (self != nullptr && self->priority < highest) election_deadline_ += options_.election_timeout;
}

/// Voters only, never witnesses; not with a hole in the log, without knowing the own promises, or on a hung disk: such
/// a node would win and then not be able to serve (pitfalls B10, B11).
bool Core::may_campaign() const {
  const auto eligible = [this](const std::vector<Member>& half) {
    const Member* self = Configuration::find_in(half, options_.id);
    return self != nullptr && self->kind == MemberKind::kVoter && self->priority > 0 &&
           self->incarnation == incarnation_;
  };
  // Whoever appended its own removal, or the abort of a change that let it vote, may be the only one that has it. Until
  // that is committed nobody else might be able to win; so it still campaigns, by the newest configuration and without
  // counting itself (thesis 4.2.2), if any that others may go by lets it.
  const auto in_force = std::ranges::upper_bound(configurations_, commit_, {}, &PlacedConfiguration::index);
  const bool may_lead = std::any_of(std::prev(in_force), configurations_.end(), [&](const auto& placed) {
    return eligible(placed.configuration.members) || eligible(placed.configuration.outgoing);
  });
  return may_lead && damaged_.empty() && may_vote_ && !installing_ && !disk_hangs();
}

/// Whether this node has reason to believe in its leader, so that it stands by it (thesis 4.2.3).
bool Core::hears_leader() const {
  if (options_.check_quorum == Switch::kOff) return false;
  if (leading() != nullptr) return true;
  return leader() != kNoNode && leader_known_alive_ && now_ - leader_heard_ < options_.election_timeout;
}

bool Core::disk_hangs() const {
  return !persists_.empty() && now_ - persists_.front().submitted > options_.election_timeout;
}

/// Those of both halves of a joint configuration, each once.
std::vector<NodeId> Core::other_voters() const {
  std::set<NodeId> voters;
  for (const auto* half : {&configuration().members, &configuration().outgoing}) {
    for (const Member& member : *half) {
      if (member.votes() && member.id != options_.id) voters.insert(member.id);
    }
  }
  return {voters.begin(), voters.end()};
}

/// Whether the sender is who the configuration says: a wiped node of the same id is somebody else (pitfall C20).
bool Core::is_member_identity(const Message& message) const {
  const Member* member = configuration().find(message.from);
  return member != nullptr && member->incarnation == message.from_incarnation;
}

void Core::election_timeout(Output& out) {
  // An alarm that is this late means that the process was paused: the leader's messages may be waiting to be read, so
  // they get a moment before it is given up (pitfall B22).
  if (now_ - election_deadline_ > options_.election_timeout) {
    mark(Mark::kCampaignPostponedAfterPause);
    election_deadline_ = now_ + options_.heartbeat_interval;
    return;
  }
  if (!may_campaign()) {
    arm_election_timer();
  } else if (options_.pre_vote == Switch::kOn) {
    pre_campaign(out);
  } else {
    campaign(CampaignKind::kTimeout, out);
  }
}

void Core::pre_campaign(Output& out) {
  leave_role(out);
  role_ = PreCandidateState{{options_.id}};
  arm_election_timer();
  announce_role(out);
  for (const NodeId voter : other_voters()) out.send(make(voter, PreVoteRequest{log_.last()}));
  count_pre_votes(out);
}

void Core::on(const Message& message, PreVoteRequest& request, Output& out) {
  // The node that is believed to lead has given up itself when it asks (pitfall B16).
  const bool has_leader = leading() != nullptr || (hears_leader() && leader() != message.from);
  if (has_leader) mark(Mark::kPreVoteRefusedByLeaderContact);
  const bool grant = !has_leader && may_vote_ && message.term >= term_ && request.last >= log_.last();
  Message response = answer(message, PreVoteResponse{grant ? Vote::kGranted : Vote::kRefused});
  if (grant) response.term = message.term;  // counts only while the asker is still in the term it asked in
  out.send(std::move(response));
}

void Core::on(const Message& message, PreVoteResponse& response, Output& out) {
  auto* candidate = std::get_if<PreCandidateState>(&role_);
  if (candidate == nullptr || response.vote == Vote::kRefused || !is_member_identity(message)) return;
  candidate->granted.insert(message.from);
  count_pre_votes(out);
}

void Core::count_pre_votes(Output& out) {
  const auto& granted = std::get<PreCandidateState>(role_).granted;
  if (is_quorum(configuration(), [&](NodeId node) { return granted.contains(node); })) {
    campaign(CampaignKind::kTimeout, out);
  }
}

void Core::campaign(CampaignKind kind, Output& out) {
  leave_role(out);
  term_ = term_ + 1;
  voted_for_ = options_.id;
  role_ = CandidateState{{}, next_ticket_, kind};  // the step's write, which holds the own vote, gets the next ticket
  arm_election_timer();
  announce_role(out);
  // After the own vote is durable, and with it all entries that the request advertises (pitfall A4).
  for (const NodeId voter : other_voters()) out.send_durable(make(voter, VoteRequest{log_.last(), kind}));
}

void Core::on(const Message& message, VoteRequest& request, Output& out) {
  const bool repeated = voted_for_ == message.from;                              // pitfall A11
  const bool free = repeated || (voted_for_ == kNoNode && leader() == kNoNode);  // Raft 5.2
  const bool complete = request.last >= log_.last();                             // Raft 5.4.1
  if (free && !complete) mark(Mark::kVoteRefusedByLog);
  if (!free || !complete || !may_vote_ || now_ < votes_from_) {
    out.send(answer(message, VoteResponse{Vote::kRefused}));
    return;
  }
  if (repeated) mark(Mark::kVoteRepeated);
  if (std::holds_alternative<PreCandidateState>(role_)) become_follower(term_, kNoNode, out);
  voted_for_ = message.from;
  arm_election_timer();  // only a granted vote restarts it (pitfall A13)
  out.send_durable(answer(message, VoteResponse{Vote::kGranted}));
}

void Core::on(const Message& message, VoteResponse& response, Output& out) {
  auto* candidate = std::get_if<CandidateState>(&role_);
  if (candidate == nullptr || response.vote == Vote::kRefused || !is_member_identity(message)) return;
  candidate->granted.insert(message.from);
  count_votes(out);
}

void Core::count_votes(Output& out) {
  const auto& granted = std::get<CandidateState>(role_).granted;
  // Not before the own vote is durable, even if others suffice: a leader must not forget that it led (pitfall A5).
  if (!granted.contains(options_.id)) return;
  if (is_quorum(configuration(), [&](NodeId node) { return granted.contains(node); })) become_leader(out);
}

void Core::become_leader(Output& out) {
  if (std::get<CandidateState>(role_).kind == CampaignKind::kTransfer) mark(Mark::kElectionAfterTransfer);
  LeaderState leader;
  leader.elected = now_;
  leader.time_base = time_at(log_.last().index);
  leader.next_heartbeat = now_ + options_.heartbeat_interval;
  leader.next_quorum_check = now_ + options_.election_timeout;
  leader.term_start = leader.epoch_barrier = log_.last().index + 1;
  for (Index index = commit_ + 1; index <= log_.last().index; ++index) {
    leader.uncommitted_bytes += entry_cost_bytes(log_.at(index));
  }
  role_ = std::move(leader);
  replies_deadline_.reset();
  // Open proposals stay in the order of their indexes. Of those that an earlier leadership of this node appended and
  // that its log has lost since, nothing more will be learned here: another node may still have them and commit them.
  while (!replies_.empty() && replies_.back().id.index > log_.last().index) {
    mark(Mark::kProposalUnknown);
    out.emit(effect::Reply{replies_.back().proposal, Outcome::kUnknown, Refusal::kNotLeader, replies_.back().id});
    replies_.pop_back();
  }
  sync_progress(out);
  announce_role(out);
  append_own(EntryKind::kNoop, {}, out);  // Raft 8: commits what was inherited (pitfall D2)
  replicate(out);
}

/// thesis 6.2: a leader that a quorum does not answer makes room, so that clients look elsewhere. Contact of any kind
/// counts, snapshots included (pitfall B8); in a joint configuration both majorities must answer (pitfall B7).
void Core::check_quorum(Output& out) {
  auto& leader = std::get<LeaderState>(role_);
  leader.next_quorum_check = now_ + options_.election_timeout;
  const bool active = is_quorum(configuration(), [&](NodeId node) {
    if (node == options_.id) return true;
    const auto peer = leader.progress.find(node);
    return peer != leader.progress.end() && now_ - peer->second.last_contact <= options_.election_timeout;
  });
  if (active) return;
  mark(Mark::kSteppedDownWithoutQuorum);
  become_follower(term_, kNoNode, out);
}

}  // namespace quorate
