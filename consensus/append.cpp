// The follower's side of replication: Raft 5.3, and what it promises by an answer.
#include <algorithm>

#include "consensus/configuration_codec.hpp"
#include "consensus/core.hpp"
#include "consensus/output.hpp"

namespace quorate {

void Core::on(const Message& message, AppendRequest& request, Output& out) {
  follow(message.from, out);
  if (failed_) return;
  const LogId previous = request.previous;
  if (previous.index > commit_ && !log_.matches(previous)) {
    mark(Mark::kAppendRejected);
    // Tells the leader the term found as well as the place, so that it can skip a whole term per round trip.
    out.send(answer(message, AppendRejected{previous, log_.last_at_most(previous)}));
    return;
  }
  // The prefix that is known to equal the leader's log bounds both the commit index and the answer (pitfalls D3, D25).
  // What is committed here is in every leader's log, so `previous` needs no comparison below that.
  const Index verified = std::max(commit_, previous.index + request.entries.size());
  if (!take_entries(request.entries, previous.index + 1, out)) return;
  const Index match = std::min({verified, log_.last().index, verified_end()});
  advance_commit(std::min(request.commit, verified), out);
  if (failed_) return;
  out.send_durable(answer(message, AppendAccepted{{log_.term_at(match).value_or(Term{}), match}}));
}

/// Appends what is new and replaces what conflicts (Raft 5.3, steps 3 and 4). False if the request is absurd.
bool Core::take_entries(std::vector<Entry>& entries, Index first, Output& out) {
  Index expected = first;
  Term term = entries.empty() ? Term{} : entries.front().term;
  for (const Entry& entry : entries) {
    if (entry.index != expected || entry.term < term || entry.term > term_) {
      fatal(
          "an append request from the leader of term " + std::to_string(term_.value) + " has a gap or unordered terms",
          out);
      return false;
    }
    term = entry.term;
    ++expected;
  }
  for (Entry& entry : entries) {
    if (entry.index <= log_.base().index) continue;
    if (log_.matches(entry.id())) {
      mark(Mark::kAppendOverlapSkipped);
      repair_entry(entry, out);
      continue;
    }
    if (entry.index <= commit_) {  // pitfall D11
      fatal("the leader of term " + std::to_string(term_.value) + " contradicts committed entry " +
                std::to_string(entry.index.value),
            out);
      return false;
    }
    if (log_.contains(entry.index)) truncate_after(entry.index - 1, out);
    take_entry(std::move(entry), out);
    if (failed_) return false;
  }
  return true;
}

void Core::take_entry(Entry entry, Output& out) {
  if (entry.kind == EntryKind::kConfiguration) {
    auto configuration = decode_configuration(entry.payload.bytes());
    if (!configuration) {
      fatal("entry " + std::to_string(entry.index.value) +
                " holds no valid configuration: " + configuration.error().message,
            out);
      return;
    }
    take_configuration(entry.index, std::move(*configuration), out);
  }
  log_.append(entry);
  out.batch.entries.push_back(std::move(entry));
}

/// Only an actual conflict gets here (pitfalls D10, D25), and never with anything committed.
void Core::truncate_after(Index index, Output& out) {
  QUORATE_ASSERT(index >= commit_);
  mark(Mark::kAppendConflictTruncated);
  log_.truncate_after(index);
  durable_ = std::min(durable_, index);
  for (PendingPersist& pending : persists_) pending.durable_through = std::min(pending.durable_through, index);
  while (!damaged_.empty() && damaged_.back().index > index) damaged_.pop_back();
  out.batch.truncate_after = index;
  roll_back_configurations(index, out);
}

void Core::on(const Message& message, Heartbeat& heartbeat, Output& out) {
  follow(message.from, out);
  if (failed_) return;
  // The leader never names more than it knows this node to match; after a loss of our own log it may still.
  advance_commit(std::min(heartbeat.commit, log_.last().index), out);
  if (may_vote_) {
    out.send(answer(message, HeartbeatResponse{heartbeat.round, heartbeat.sent_ns}));
  } else {
    out.send(answer(message, HeartbeatResponse{}));  // contact, but no confirmation
    ask_for_promises(out);
  }
}

/// Commits everything up to `to` and settles the fate of what was proposed here.
void Core::advance_commit(Index to, Output& out) {
  if (to <= commit_) return;  // pitfall D8
  if (auto* leader = std::get_if<LeaderState>(&role_)) {
    for (Index index = commit_ + 1; index <= to; ++index) leader->uncommitted_bytes -= entry_cost_bytes(log_.at(index));
  }
  commit_ = to;
  while (!replies_.empty() && replies_.front().id.index <= commit_) {
    const PendingReply reply = replies_.front();
    replies_.pop_front();
    if (log_.matches(reply.id)) {
      out.emit(effect::Reply{reply.proposal, Outcome::kCommitted, Refusal::kNone, reply.id});
    } else {  // another leader's entry took the place: now, and not before, it is certain (pitfall I4)
      mark(Mark::kProposalOverwritten);
      out.emit(effect::Reply{reply.proposal, Outcome::kRefused, Refusal::kOverwritten, reply.id});
    }
  }
  if (leading() != nullptr) {
    release_reads(out);
    after_configuration_commit(out);
  }
}

}  // namespace quorate
