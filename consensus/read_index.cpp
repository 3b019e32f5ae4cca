// Linearizable reads: ReadIndex rounds (thesis 6.4), asked on any node, and leases (thesis 6.4.1).
//
// A round is a heartbeat with a number. A read joins the next round to be sent; when a quorum has answered that round
// or a later one, the leader was the leader after the read arrived, so the commit index noted at arrival is recent
// enough. One round serves all reads that wait for it.
#include <algorithm>

#include "consensus/core.hpp"
#include "consensus/output.hpp"
#include "consensus/quorum.hpp"

namespace quorate {

void Core::handle(event::Read& read, Output& out) {
  if (leading() != nullptr) {
    if (lease_valid(now_)) {
      mark(Mark::kLeaseRead);
      out.emit(effect::ReadReady{read.id, commit_});
    } else {
      queue_read({read.id, kNoNode, Boot{}, Index{}, 0}, out);
    }
  } else if (leader() == kNoNode) {
    out.emit(effect::ReadFailed{read.id, Refusal::kNotLeader});
  } else if (remote_reads_.size() >= kReadsPendingMax) {
    out.emit(effect::ReadFailed{read.id, Refusal::kOverloaded});
  } else {
    mark(Mark::kReadForwarded);
    remote_reads_.push_back({read.id, now_ + 2 * options_.election_timeout});
    out.send(make(leader(), ReadIndexRequest{read.id}));
  }
}

void Core::on(const Message& message, ReadIndexRequest& request, Output& out) {
  if (leading() == nullptr || !configuration().contains(message.from)) {
    out.send(answer(message, ReadIndexResponse{request.read, Index{}}));
    return;
  }
  queue_read({request.read, message.from, message.boot, Index{}, 0}, out);
}

void Core::queue_read(PendingRead read, Output& out) {
  auto& leader = std::get<LeaderState>(role_);
  if (leader.reads.size() >= kReadsPendingMax) {
    if (read.from == kNoNode) out.emit(effect::ReadFailed{read.id, Refusal::kOverloaded});
    return;  // whoever asked from elsewhere tries again
  }
  // Before an entry of the own term is committed, entries that an earlier leader committed may not be known to be
  // (thesis 6.4, pitfall G1): such a read gets its index, and its round, when that has happened.
  if (has_committed_in_term()) {
    read.index = commit_;
    read.round = leader.round + 1;
  } else {
    mark(Mark::kReadWaitedForOwnTerm);
  }
  leader.reads.push_back(read);
  release_reads(out);
}

/// Answers what is confirmed, and starts the next round if reads wait for it.
void Core::release_reads(Output& out) {
  auto& leader = std::get<LeaderState>(role_);
  if (leader.reads.empty() || !has_committed_in_term()) return;
  for (PendingRead& read : leader.reads) {
    if (read.index != Index{}) continue;
    read.index = commit_;
    read.round = leader.round + 1;
  }
  start_round_if_needed(out);
  const auto confirmed = quorum_value<std::uint64_t>(configuration(), [&](NodeId node) {
    if (node == options_.id) return leader.round;
    const auto peer = leader.progress.find(node);
    return peer == leader.progress.end() ? 0 : peer->second.acknowledged_round;
  });
  while (!leader.reads.empty() && leader.reads.front().round <= confirmed) {
    answer_read(leader.reads.front(), out);
    leader.reads.pop_front();
  }
  start_round_if_needed(out);
}

/// One round is under way at a time; what arrives meanwhile shares the next one.
void Core::start_round_if_needed(Output& out) {
  auto& leader = std::get<LeaderState>(role_);
  if (leader.reads.empty() || leader.reads.front().round <= leader.round) return;
  ++leader.round;
  send_heartbeats(out);
}

void Core::answer_read(const PendingRead& read, Output& out) {
  if (read.from == kNoNode) {
    out.emit(effect::ReadReady{read.id, read.index});
    return;
  }
  Message response = make(read.from, ReadIndexResponse{read.id, read.index});
  response.echo = read.boot;
  out.send(std::move(response));
}

void Core::on(const Message& message, ReadIndexResponse& response, Output& out) {
  if (takes_for_promises(message, response)) return;
  const auto read = std::ranges::find(remote_reads_, response.read, &RemoteRead::id);
  if (read == remote_reads_.end() || message.from != leader()) return;  // pitfall G11
  remote_reads_.erase(read);
  if (response.index == Index{}) {
    out.emit(effect::ReadFailed{response.read, Refusal::kNotLeader});
  } else {
    out.emit(effect::ReadReady{response.read, response.index});
  }
}

/// Whoever leaves office cannot confirm anything any more (pitfall G12).
void Core::fail_reads(Refusal refusal, Output& out) {
  auto& leader = std::get<LeaderState>(role_);
  for (const PendingRead& read : leader.reads) {
    if (read.from == kNoNode) out.emit(effect::ReadFailed{read.id, refusal});
  }
  leader.reads.clear();
}

void Core::fail_remote_reads(Refusal refusal, Output& out) {
  for (const RemoteRead& read : remote_reads_) out.emit(effect::ReadFailed{read.id, refusal});
  remote_reads_.clear();
}

/// thesis 6.4.1: a quorum heard from this leader no earlier than `start` and grants nobody a vote for one election
/// timeout after that, by clocks that differ by no more than the drift bound. Not after TimeoutNow was sent: its target
/// does not wait.
bool Core::lease_valid(Instant now) const {
  const LeaderState* leader = leading();
  if (options_.lease_reads == Switch::kOff || leader == nullptr || leader->lease_given_away ||
      !has_committed_in_term()) {
    return false;
  }
  const Instant start = quorum_value<Instant>(configuration(), [&](NodeId node) {
    if (node == options_.id) return now;
    const auto peer = leader->progress.find(node);
    const bool heard = peer != leader->progress.end() && peer->second.acknowledged_sent.has_value();
    return heard ? *peer->second.acknowledged_sent : Instant::min();
  });
  const Duration length = options_.election_timeout - options_.election_timeout / 1'000'000 * options_.clock_drift_ppm;
  return start != Instant::min() && now < start + length;
}

}  // namespace quorate
