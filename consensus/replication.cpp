// The leader's side of replication: Raft 5.3 and 5.4.2, pipelined (thesis 10.2.1), with back-pressure and epochs for
// leader-executed applications.
#include <algorithm>

#include "consensus/core.hpp"
#include "consensus/output.hpp"
#include "consensus/quorum.hpp"

namespace quorate {

namespace {

/// A request that is not answered for this many round trips is taken for lost.
constexpr int kRetryRoundTrips = 3;

/// Witnesses keep ids only.
void strip_bodies(std::vector<Entry>& entries) {
  for (Entry& entry : entries) {
    if (entry.kind == EntryKind::kCommand) entry.payload = Payload::absent();
  }
}

}  // namespace

void Core::handle(event::Propose& propose, Output& out) {
  for (Proposal& proposal : propose.proposals) {
    if (const Refusal refusal = refuse_proposal(proposal); refusal != Refusal::kNone) {
      if (refusal == Refusal::kOverloaded) mark(Mark::kProposalOverloaded);
      out.emit(effect::Reply{proposal.id, Outcome::kRefused, refusal, {}});
      // What was speculated on top of the refused proposal can never be appended.
      if (proposal.epoch != Epoch{} && proposal.epoch == epoch_) {
        mark(Mark::kEpochEndedByRefusal);
        end_epoch(out);
      }
      continue;
    }
    const LogId id = append_own(EntryKind::kCommand, std::move(proposal.payload), out);
    replies_.push_back({id, proposal.id});
    if (proposal.epoch == Epoch{}) continue;
    ++std::get<LeaderState>(role_).epoch_sequence;
    out.emit(effect::Appended{proposal.id, id, proposal.epoch, proposal.sequence});
  }
  if (leading() == nullptr) return;
  replicate(out);
  start_epoch(out);
}

Refusal Core::refuse_proposal(const Proposal& proposal) const {
  const LeaderState* leader = leading();
  if (leader == nullptr) return Refusal::kNotLeader;
  if (leader->transfer) return Refusal::kTransferring;
  if (proposal.payload.size() > kEntryBytesMax) return Refusal::kTooLarge;
  if (proposal.epoch != Epoch{} && (proposal.epoch != epoch_ || proposal.sequence != leader->epoch_sequence)) {
    return Refusal::kStaleEpoch;
  }
  const bool too_much_open = leader->uncommitted_bytes > 0 &&
                             leader->uncommitted_bytes + proposal.payload.size() > options_.uncommitted_bytes_max;
  if (too_much_open || log_.bytes() > options_.log_bytes_max) return Refusal::kOverloaded;
  return Refusal::kNone;
}

LogId Core::append_own(EntryKind kind, Payload payload, Output& out) {
  auto& leader = std::get<LeaderState>(role_);
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now_ - leader.elected);
  Entry entry{term_, log_.last().index + 1, kind,
              LogTime{leader.time_base.value + static_cast<std::uint64_t>(elapsed.count())}, std::move(payload)};
  const LogId id = entry.id();
  leader.uncommitted_bytes += entry_cost_bytes(entry);
  log_.append(entry);
  out.batch.entries.push_back(std::move(entry));
  return id;
}

void Core::replicate(Output& out) {
  for (auto& [peer, progress] : std::get<LeaderState>(role_).progress) replicate_to(peer, progress, out);
}

/// Sends as much as the window allows; the leader's own write overlaps with this (thesis 10.2.1).
void Core::replicate_to(NodeId peer, Progress& progress, Output& out) {
  while (progress.may_send(options_.window)) {
    const Index previous = progress.next - 1;
    const auto previous_term = log_.term_at(previous);
    if (!previous_term) {  // compacted; never a request with an unknown `previous` (pitfalls D19, E9)
      mark(Mark::kSnapshotStarted);
      progress.await_snapshot(now_);
      offer_snapshot(peer, progress, out);
      return;
    }
    const bool probing = progress.state == Progress::State::kProbe;
    if (!probing && progress.next > log_.last().index) return;
    // Whoever does not answer at all is asked whether it is there before it is sent anything large.
    const bool silent = probing && now_ - progress.last_contact > options_.election_timeout;
    std::vector<Entry> entries;
    if (!silent) entries = log_.slice(progress.next, options_.append_bytes_max, options_.append_entries_max);
    std::size_t bytes = 0;
    for (const Entry& entry : entries) bytes += entry_cost_bytes(entry);
    const Index last = previous + entries.size();
    const Member* member = configuration().find(peer);
    if (member != nullptr && member->kind == MemberKind::kWitness) strip_bodies(entries);
    out.send(make(peer, AppendRequest{{*previous_term, previous}, commit_, std::move(entries)}));
    progress.sent(last, bytes, now_);
  }
}

/// The peer's progress if the message is an answer of a current member to this life of the leader.
Progress* Core::contact(const Message& message) {
  auto* leader = std::get_if<LeaderState>(&role_);
  if (leader == nullptr || !is_member_identity(message)) return nullptr;
  const auto peer = leader->progress.find(message.from);
  if (peer == leader->progress.end()) return nullptr;  // removed meanwhile (pitfall F18)
  Progress& progress = peer->second;
  if (message.boot < progress.boot) return nullptr;
  if (message.boot > progress.boot) {
    if (progress.boot != Boot{}) {
      mark(Mark::kFollowerRestartNoticed);
      progress.restarted(message.boot);
    }
    progress.boot = message.boot;
  }
  // It was away, or the link was: what it did not answer meanwhile says nothing about how fast they are.
  if (now_ - progress.last_contact > options_.election_timeout) progress.snapshot.patience = Duration{};
  progress.last_contact = now_;
  return &progress;
}

void Core::on(const Message& message, AppendAccepted& accepted, Output& out) {
  Progress* progress = contact(message);
  if (progress == nullptr) return;
  if (accepted.match.index > log_.base().index && !log_.matches(accepted.match)) {
    fatal("node " + std::to_string(message.from.value) + " acknowledges an entry that the leader does not have", out);
    return;
  }
  if (progress->state == Progress::State::kSnapshot && accepted.match.index < log_.base().index) return;
  close_transfer(message.from, *progress, out);
  progress->accepted(accepted.match.index, now_, options_.window);
  maybe_commit(out);
  if (leading() == nullptr) return;
  // A configuration that was committed just now may have ended this member's progress.
  auto& leader = std::get<LeaderState>(role_);
  if (const auto peer = leader.progress.find(message.from); peer != leader.progress.end()) {
    replicate_to(message.from, peer->second, out);
  }
  continue_transfer(out);
}

void Core::on(const Message& message, AppendRejected& rejected, Output& out) {
  Progress* progress = contact(message);
  if (progress == nullptr || progress->state == Progress::State::kSnapshot) return;
  const Index asked = rejected.previous.index;
  // Late or repeated: the request it answers is not the one that counts now (pitfall D12).
  const bool stale =
      progress->state == Progress::State::kProbe ? asked != progress->next - 1 : asked <= progress->match;
  if (stale) return;
  // A hint is where the logs may agree, never that they do (pitfall D5).
  const Index common = std::min(log_.last_at_most(rejected.hint).index, asked - 1);
  // Before the own base nothing can be probed: a snapshot has to bridge the gap.
  progress->rejected(rejected.hint.index < log_.base().index ? rejected.hint.index : common);
  replicate_to(message.from, *progress, out);
}

void Core::on(const Message& message, HeartbeatResponse& response, Output& out) {
  Progress* progress = contact(message);
  if (progress == nullptr) return;
  progress->acknowledged_round = std::max(progress->acknowledged_round, response.round);
  const Instant sent{Duration{response.sent_ns}};
  if (sent <= now_ && (!progress->acknowledged_sent || *progress->acknowledged_sent < sent))
    progress->acknowledged_sent = sent;
  if (progress->state == Progress::State::kProbe) replicate_to(message.from, *progress, out);
  release_reads(out);
}

void Core::send_heartbeats(Output& out) {
  auto& leader = std::get<LeaderState>(role_);
  leader.next_heartbeat = now_ + options_.heartbeat_interval;
  for (auto& [peer, progress] : leader.progress) {
    out.send(make(peer, Heartbeat{std::min(progress.match, commit_), leader.round, now_.time_since_epoch().count()}));
  }
}

void Core::leader_tick(Output& out) {
  if (disk_hangs()) {  // it could neither commit with its own copy nor step aside in time otherwise (pitfall B10)
    mark(Mark::kSteppedDownByDisk);
    become_follower(term_, kNoNode, out);
    return;
  }
  if (options_.check_quorum == Switch::kOn && now_ >= std::get<LeaderState>(role_).next_quorum_check) {
    check_quorum(out);
    if (leading() == nullptr) return;
  }
  auto& leader = std::get<LeaderState>(role_);
  if (leader.transfer && now_ >= leader.transfer->deadline) {
    mark(Mark::kTransferTimedOut);
    abandon_transfer(Refusal::kTimedOut, out);
  }
  if (now_ < leader.next_heartbeat) return;
  send_heartbeats(out);
  retry_lost(out);
  continue_transfer(out);
  start_epoch(out);
}

Duration Core::retry_after(const Progress& progress) const {
  return std::max(options_.heartbeat_interval, kRetryRoundTrips * progress.round_trip());
}

/// Whatever was not answered in time is sent again from where the logs are known to match.
void Core::retry_lost(Output& out) {
  for (auto& [peer, progress] : std::get<LeaderState>(role_).progress) {
    if (progress.state == Progress::State::kSnapshot) {
      retry_snapshot(peer, progress, out);
      continue;
    }
    if (const auto oldest = progress.oldest_in_flight(); oldest && now_ - *oldest >= retry_after(progress)) {
      mark(Mark::kProbeAfterLoss);
      progress.lost(options_.window);
    }
    replicate_to(peer, progress, out);
  }
}

/// Raft 5.3, 5.4.2: a majority's copies commit an entry of the leader's own term, and all before it with it; copies of
/// older terms' entries alone never do (figure 8). The own copy counts from when it is durable (pitfall C2).
void Core::maybe_commit(Output& out) {
  const auto& leader = std::get<LeaderState>(role_);
  const Index agreed = quorum_value<Index>(configuration(), [&](NodeId node) {
    if (node == options_.id) return durable_;
    const auto peer = leader.progress.find(node);
    return peer == leader.progress.end() ? Index{} : peer->second.match;
  });
  if (agreed <= commit_) return;
  if (log_.term_at(agreed) != term_) {
    mark(Mark::kOldTermNotCounted);
    return;
  }
  if (agreed > durable_) mark(Mark::kCommitWithoutOwnDisk);
  advance_commit(agreed, out);
}

bool Core::has_committed_in_term() const { return leading() != nullptr && commit_ >= leading()->term_start; }

/// A new epoch begins once everything that any earlier speculation appended has been applied, so that a leader-executed
/// application starts from a state that cannot be dropped any more.
void Core::start_epoch(Output& out) {
  const auto& leader = std::get<LeaderState>(role_);
  if (epoch_ != Epoch{} || leader.transfer || applied_ < leader.epoch_barrier || !has_committed_in_term()) return;
  ++last_epoch_.value;
  epoch_ = last_epoch_;
  std::get<LeaderState>(role_).epoch_sequence = 0;
  out.emit(effect::EpochChanged{epoch_});
}

void Core::end_epoch(Output& out) {
  epoch_ = Epoch{};
  std::get<LeaderState>(role_).epoch_barrier = log_.last().index;
  out.emit(effect::EpochChanged{});
}

}  // namespace quorate
