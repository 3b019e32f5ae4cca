#include "consensus/core.hpp"

#include <algorithm>
#include <tuple>

#include "consensus/assert.hpp"
#include "consensus/configuration_codec.hpp"
#include "consensus/output.hpp"

namespace quorate {

namespace {

/// What a client may still learn after its leader lost office, in election timeouts; then its fate is unknown to us.
constexpr int kReplyGraceTimeouts = 4;

}  // namespace

Result<void> validate(const CoreOptions& options) {
  if (options.id == kNoNode) return fail(ErrorKind::kInvalidArgument, "a node id must not be 0");
  if (options.heartbeat_interval <= Duration{} || options.heartbeat_interval * 2 > options.election_timeout) {
    return fail(ErrorKind::kInvalidArgument, "the election timeout must be at least twice the heartbeat interval");
  }
  if (options.lease_reads == Switch::kOn &&
      (options.pre_vote == Switch::kOff || options.check_quorum == Switch::kOff)) {
    return fail(ErrorKind::kInvalidArgument, "lease reads need pre-vote and check-quorum: turn both on, or leases off");
  }
  if (options.clock_drift_ppm >= 500'000) {
    return fail(ErrorKind::kInvalidArgument, "a clock drift bound of 50 % or more leaves no lease");
  }
  if (options.append_bytes_max > kAppendBytesMax || options.append_entries_max == 0 ||
      options.append_entries_max > kAppendEntriesMax || options.snapshot_chunk_bytes == 0 ||
      options.snapshot_chunk_bytes > kSnapshotChunkBytesMax) {
    return fail(ErrorKind::kInvalidArgument, "a batch or chunk limit is outside what a frame can carry");
  }
  return {};
}

Result<void> Core::validate_recovered(const Recovered& recovered, const CheckpointContext& applied) {
  const LogId& base = recovered.base;
  if (base.index > applied.last.index) {
    return fail(ErrorKind::kCorrupt, "the log begins behind entry " + std::to_string(base.index.value) +
                                         ", but the state machine has only entry " +
                                         std::to_string(applied.last.index.value) +
                                         ": restore the snapshot that belongs to this log, or wipe the directory");
  }
  if (base.index == applied.last.index && base.term != applied.last.term) {
    return fail(ErrorKind::kCorrupt, "log and state machine disagree about the term of entry " +
                                         std::to_string(base.index.value) + ": they are not of the same node");
  }
  return {};
}

Core::Core(CoreOptions options, Recovered recovered, CheckpointContext applied, Instant now,
           std::optional<StagedSnapshot> staged)
    : options_(options),
      random_(options.seed ^ (options.id.value << 32) ^ recovered.boot.value),
      incarnation_(recovered.incarnation),
      boot_(recovered.boot),
      now_(now),
      term_(recovered.hard_state.term),
      voted_for_(recovered.hard_state.voted_for),
      log_(recovered.base, std::move(recovered.entries)),
      checkpoint_(applied.last),
      base_time_(applied.time),
      persisted_(recovered.hard_state) {
  QUORATE_ASSERT(validate(options_).has_value());
  // A snapshot may have been installed just before the crash, and the log not yet been reset to it. What it covers is
  // committed, so the log gives way; the reset is written with the first step.
  if (!log_.matches(applied.last)) {
    log_.reset(applied.last);
    reset_pending_ = true;
    recovered.damaged.clear();
  }
  if (log_.last().term > term_) {
    term_ = log_.last().term;
    recovered.promises_lost = true;
  }
  may_vote_ = !recovered.promises_lost;
  applied_ = apply_requested_ = applied.last.index;
  durable_ = log_.last().index;
  commit_ = std::max(applied_, std::min(recovered.hard_state.commit, durable_));  // pitfalls C16, C17, D26
  configurations_.push_back({applied_, std::move(applied.configuration)});
  for (Index index = applied_ + 1; index <= log_.last().index; ++index) {
    const Entry& entry = log_.at(index);
    if (entry.kind != EntryKind::kConfiguration || entry.payload.is_absent()) continue;
    if (auto configuration = decode_configuration(entry.payload.bytes())) {
      configurations_.push_back({index, std::move(*configuration)});
    } else {
      failed_ = true;
    }
  }
  LogId covered;  // damaged, but in the checkpoint: not needed here, and never to be sent to others
  for (const LogId& id : recovered.damaged) {
    if (id.index > applied_) {
      damaged_.push_back(id);
    } else {
      covered = id;
    }
  }
  if (covered.index > log_.base().index) log_.compact(covered);
  if (staged && staged->id.last.index > applied_) {
    staged_ = staged->id;
    staged_offset_ = staged_next_ = staged->next_offset;
  }
  if (options_.lease_reads == Switch::kOn) votes_from_ = now + 2 * options_.election_timeout;
  next_fetch_ = now;
  leader_heard_ = now;
  arm_election_timer();
}

void Core::step(Event event, Effects& effects) {
  if (failed_) return;
  now_ = std::max(now_, event.now);
  Output out(effects);
  std::visit([&](auto& body) { handle(body, out); }, event.body);
  if (!failed_) finish(out);
}

Role Core::role() const { return static_cast<Role>(role_.index()); }

NodeId Core::leader() const {
  if (const auto* follower = std::get_if<FollowerState>(&role_)) return follower->leader;
  return leading() != nullptr ? options_.id : kNoNode;
}

const Configuration& Core::configuration_at(Index index) const {
  auto after = std::ranges::upper_bound(configurations_, index, {}, &PlacedConfiguration::index);
  QUORATE_ASSERT(after != configurations_.begin());
  return std::prev(after)->configuration;
}

LogTime Core::time_at(Index index) const { return log_.contains(index) ? log_.at(index).time : base_time_; }

Instant Core::deadline() const {
  if (failed_) return Instant::max();
  Instant next = leading() != nullptr ? leading()->next_heartbeat : election_deadline_;
  if (!replies_.empty() && replies_deadline_) next = std::min(next, *replies_deadline_);
  if (!remote_reads_.empty()) next = std::min(next, remote_reads_.front().deadline);
  if (handing_over_) next = std::min(next, handing_over_->deadline);
  if (!damaged_.empty()) next = std::min(next, next_fetch_);
  return next;
}

void Core::handle(event::Tick&, Output& out) {
  expire_waiting(out);
  if (!damaged_.empty() && now_ >= next_fetch_) fetch_damaged(out);
  if (leading() != nullptr) {
    leader_tick(out);
  } else if (now_ >= election_deadline_) {
    election_timeout(out);
  }
}

void Core::handle(event::Received& received, Output& out) {
  Message& message = received.message;
  if (!accept_envelope(message) || !settle_term(message, out)) return;
  std::visit([&](auto& body) { on(message, body, out); }, message.body);
}

/// Whether the message is for this node, in this life, from a member of the same cluster generation.
bool Core::accept_envelope(const Message& message) const {
  if (message.to != options_.id || message.from == options_.id) return false;
  if (message.to_incarnation != Incarnation{} && message.to_incarnation != incarnation_) return false;
  if (!answers_this_life(message)) return false;
  const Configuration& own = configuration();
  // A node without a configuration is waiting to be taken in by whatever cluster calls it by its incarnation.
  if (own.members.empty()) return true;
  if (message.generation == own.generation) return true;
  // What such a node is told begins with the history of older generations, none of which it was a member of; but a
  // member of an older generation may have what the survivor has not, and must come back with nothing (recovery.hpp).
  const auto is_this_life = [this](const Member& member) {
    return member.id == options_.id && member.incarnation == incarnation_;
  };
  const bool was_member =
      std::ranges::any_of(own.members, is_this_life) || std::ranges::any_of(own.outgoing, is_this_life);
  return !was_member && message.generation > own.generation && message.to_incarnation == incarnation_;
}

/// Answers to an earlier process life speak about a state that may be gone (pitfalls A4, C21).
bool Core::answers_this_life(const Message& message) const {
  if (message.echo == Boot{} || message.echo == boot_) return true;
  mark(Mark::kStaleBootIgnored);
  return false;
}

/// Raft 5.1: adopts a newer term, answers an older one. False: the message is dealt with.
bool Core::settle_term(const Message& message, Output& out) {
  const MessageBody& body = message.body;
  // Both are asked between any two nodes, whatever terms they are in.
  const bool termless = std::holds_alternative<PreVoteRequest>(body) || std::holds_alternative<FetchRequest>(body) ||
                        std::holds_alternative<FetchResponse>(body);
  if (termless || message.term == term_) return true;
  if (message.term > term_) {
    if (const auto* request = std::get_if<VoteRequest>(&body);
        request != nullptr && request->kind != CampaignKind::kTransfer && hears_leader()) {
      mark(Mark::kVoteIgnoredByStickiness);  // thesis 4.2.3
      return false;
    }
    if (std::holds_alternative<PreVoteResponse>(body)) mark(Mark::kPreVoteTaughtTerm);  // pitfall B4
    become_follower(message.term, kNoNode, out);
    return true;
  }
  if (std::holds_alternative<VoteRequest>(body)) {
    out.send(answer(message, VoteResponse{Vote::kRefused}));
  } else if (std::holds_alternative<AppendRequest>(body) || std::holds_alternative<Heartbeat>(body) ||
             std::holds_alternative<SnapshotOffer>(body) || std::holds_alternative<SnapshotChunk>(body)) {
    out.send(answer(message, HeartbeatResponse{}));  // carries the newer term, upon which the old leader steps down
  }
  return std::holds_alternative<ReadIndexRequest>(body);
}

/// What ends with a role, whichever comes next: nothing of it may act in the name of the old one.
void Core::leave_role(Output& out) {
  if (auto* leading = std::get_if<LeaderState>(&role_)) {
    for (auto& [peer, progress] : leading->progress) close_transfer(peer, progress, out);
    fail_reads(Refusal::kNotLeader, out);
    if (leading->transfer) handing_over_ = leading->transfer;
    if (epoch_ != Epoch{}) {
      epoch_ = Epoch{};
      out.emit(effect::EpochChanged{});
    }
    replies_deadline_ = now_ + kReplyGraceTimeouts * options_.election_timeout;
  }
  fail_remote_reads(Refusal::kNotLeader, out);
}

void Core::become_follower(Term term, NodeId leader, Output& out) {
  QUORATE_ASSERT(term >= term_);
  leave_role(out);
  if (term > term_) {
    term_ = term;
    voted_for_ = kNoNode;
  }
  // A follower's timer goes on through terms that it only hears of: who cannot win must not hold it up (pitfall A13).
  if (!std::holds_alternative<FollowerState>(role_)) arm_election_timer();
  role_ = FollowerState{leader};
  announce_role(out);
}

/// Accepts `leader` as the leader of the current term.
void Core::follow(NodeId leader, Output& out) {
  const auto* follower = std::get_if<FollowerState>(&role_);
  if (leading() != nullptr || (follower != nullptr && follower->leader != kNoNode && follower->leader != leader)) {
    fatal("two leaders in term " + std::to_string(term_.value) + ": " + std::to_string(this->leader().value) + " and " +
              std::to_string(leader.value),
          out);
    return;
  }
  if (follower == nullptr || follower->leader != leader) become_follower(term_, leader, out);
  leader_heard_ = now_;
  leader_known_alive_ = true;
  arm_election_timer();
  if (handing_over_) {
    mark(Mark::kTransferCompleted);
    out.emit(effect::Reply{handing_over_->proposal, Outcome::kCommitted, Refusal::kNone, {}});
    handing_over_.reset();
  }
}

void Core::announce_role(Output& out) const { out.emit(effect::RoleChanged{role(), term_, leader()}); }

void Core::handle(event::Persisted& persisted, Output& out) {
  QUORATE_ASSERT(!persists_.empty());
  QUORATE_ASSERT(persists_.front().ticket == persisted.ticket);
  durable_ = std::max(durable_, persists_.front().durable_through);
  persists_.pop_front();
  if (auto* candidate = std::get_if<CandidateState>(&role_);
      candidate != nullptr && candidate->own_vote == persisted.ticket) {
    candidate->granted.insert(options_.id);
    count_votes(out);
  } else if (leading() != nullptr) {
    maybe_commit(out);
  }
}

void Core::handle(event::Applied& applied, Output& out) {
  QUORATE_ASSERT(applied.index <= apply_requested_);
  applied_ = std::max(applied_, applied.index);
  if (leading() != nullptr) start_epoch(out);
}

void Core::handle(event::PeerDisconnected& disconnected, Output& out) {
  if (auto* leading = std::get_if<LeaderState>(&role_)) {
    const auto peer = leading->progress.find(disconnected.peer);
    if (peer != leading->progress.end()) peer->second.lost(options_.window);
  } else if (disconnected.peer == leader() && options_.lease_reads == Switch::kOff && may_campaign()) {
    // A broken connection mostly means a dead process. With pre-vote it is harmless to ask early; under leases it is
    // not, because a voter's patience is what they rest on.
    leader_known_alive_ = false;
    if (options_.pre_vote == Switch::kOn) {
      const Duration soon = random_.between(Duration{1}, options_.heartbeat_interval);
      election_deadline_ = std::min(election_deadline_, now_ + soon);
    }
  }
  static_cast<void>(out);
}

/// Hands the step's write to storage, lets go of what waits for it, and of what may be applied.
void Core::finish(Output& out) {
  PersistBatch& batch = out.batch;
  if (reset_pending_) {
    batch.reset_to = log_.base();
    reset_pending_ = false;
  }
  const HardState wanted{term_, voted_for_, commit_};
  const bool promises_changed = wanted.term != persisted_.term || wanted.voted_for != persisted_.voted_for;
  if (promises_changed || (!batch.entries.empty() && wanted.commit != persisted_.commit)) {
    batch.hard_state = persisted_ = wanted;
  }
  if (batch.hard_state || batch.reset_to || batch.truncate_after || !batch.entries.empty() || !batch.repairs.empty()) {
    batch.ticket = next_ticket_;
    ++next_ticket_.value;
    persists_.push_back({batch.ticket, log_.last().index, now_});
    out.emit(effect::Persist{std::move(batch)});
  }
  const Ticket after = persists_.empty() ? Ticket{} : persists_.back().ticket;
  for (Message& message : out.durable_sends) out.emit(effect::Send{std::move(message), after});
  apply_ready(out);
}

void Core::apply_ready(Output& out) {
  if (installing_) return;
  Index through = std::min(commit_, durable_);
  if (!damaged_.empty()) through = std::min(through, damaged_.front().index - 1);
  if (through <= apply_requested_) return;
  apply_requested_ = through;
  out.emit(effect::Apply{through});
}

/// Every call is answered in the end, if only with "unknown" (pitfall I5).
void Core::expire_waiting(Output& out) {
  while (!remote_reads_.empty() && remote_reads_.front().deadline <= now_) {
    out.emit(effect::ReadFailed{remote_reads_.front().id, Refusal::kTimedOut});
    remote_reads_.pop_front();
  }
  if (handing_over_ && handing_over_->deadline <= now_) {
    out.emit(effect::Reply{handing_over_->proposal, Outcome::kUnknown, Refusal::kTimedOut, {}});
    handing_over_.reset();
  }
  if (leading() != nullptr || !replies_deadline_ || *replies_deadline_ > now_) return;
  for (const PendingReply& reply : replies_) {
    mark(Mark::kProposalUnknown);
    out.emit(effect::Reply{reply.proposal, Outcome::kUnknown, Refusal::kNotLeader, reply.id});
  }
  replies_.clear();
  replies_deadline_.reset();
}

void Core::fatal(std::string reason, Output& out) {
  failed_ = true;
  out.emit(effect::Fatal{std::move(reason)});
}

Message Core::make(NodeId to, MessageBody body) const {
  const Member* member = configuration().find(to);
  return {options_.id,
          to,
          incarnation_,
          member != nullptr ? member->incarnation : Incarnation{},
          configuration().generation,
          term_,
          boot_,
          Boot{},
          std::move(body)};
}

Message Core::answer(const Message& request, MessageBody body) const {
  return {options_.id, request.from, incarnation_, request.from_incarnation, request.generation,
          term_,       boot_,        request.boot, std::move(body)};
}

/// Up to here this node may say that it has the log: nothing before it is damaged.
Index Core::verified_end() const { return damaged_.empty() ? log_.last().index : damaged_.front().index - 1; }

bool operator==(const Core& left, const Core& right) {
  const auto state = [](const Core& core) {
    return std::tie(
        core.random_, core.incarnation_, core.boot_, core.now_, core.term_, core.voted_for_, core.log_, core.durable_,
        core.commit_, core.applied_, core.apply_requested_, core.checkpoint_, core.base_time_, core.configurations_,
        core.role_, core.next_ticket_, core.persists_, core.persisted_, core.reset_pending_, core.election_deadline_,
        core.leader_heard_, core.votes_from_, core.leader_known_alive_, core.may_vote_, core.failed_, core.replies_,
        core.replies_deadline_, core.remote_reads_, core.handing_over_, core.epoch_, core.last_epoch_, core.damaged_,
        core.next_fetch_, core.staged_, core.staged_offset_, core.staged_next_, core.staged_whole_, core.installing_);
  };
  return state(left) == state(right);
}

}  // namespace quorate
