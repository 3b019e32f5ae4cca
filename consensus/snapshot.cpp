// Compaction and state transfer: Raft 7. A member whose log ends before the leader's begins gets the state itself, in
// chunks that it makes durable one by one, so that a transfer goes on where it was interrupted, by whichever cause.
//
// Leader: offer -> (SnapshotProgress: what do you have?) -> open -> read and send, a window ahead of what is
// acknowledged -> the receiver's applied state has reached the log -> replicate.
// Receiver: stage chunk by chunk -> install -> continue behind it. Nothing is applied while installing (pitfall E18).
#include <algorithm>

#include "consensus/core.hpp"
#include "consensus/output.hpp"

namespace quorate {

namespace {

/// The longest that a leader waits before it asks again how far a transfer has come.
constexpr Duration kTransferPatienceMax = std::chrono::seconds(8);
/// An answer takes one part in so many off the patience that retries have built up.
constexpr int kPatienceDecay = 8;

}  // namespace

void Core::handle(event::Checkpointed& checkpointed, Output& out) {
  QUORATE_ASSERT(checkpointed.last.index <= applied_);
  if (checkpointed.last.index <= checkpoint_.index) return;
  checkpoint_ = checkpointed.last;
  compact_behind_checkpoint(out);
}

/// Drops the log that the checkpoint covers, but for a tail that spares slow followers a snapshot.
void Core::compact_behind_checkpoint(Output& out) {
  Index through = checkpoint_.index;
  for (std::size_t kept = 0; through > log_.base().index; through = through - 1) {
    kept += entry_cost_bytes(log_.at(through));
    if (kept > options_.trailing_bytes_max) break;
  }
  if (through <= log_.base().index) return;
  base_time_ = time_at(through);
  forget_configurations_before(through);
  log_.compact({*log_.term_at(through), through});
  out.emit(effect::Compact{log_.base()});
}

// ---- the sender ----

/// Asks what the receiver has, or goes back to what it acknowledged last.
void Core::offer_snapshot(NodeId peer, Progress& progress, Output& out) {
  progress.snapshot.last_progress = now_;
  if (!progress.snapshot.id) {
    out.send(make(peer, SnapshotOffer{checkpoint_}));
    return;
  }
  progress.snapshot.next_read = progress.snapshot.acknowledged;
  progress.snapshot.read_to_end = false;
  read_more(peer, progress, out);
}

/// Chunks that nothing came back of are lost, or stuck in a link or a disk that is slower than the leader thinks. Sent
/// again at every chance they would fill it for ever, so that a retry sends one chunk, and waits for twice as long.
void Core::retry_snapshot(NodeId peer, Progress& progress, Output& out) {
  SnapshotTransfer& transfer = progress.snapshot;
  const Duration patience = std::max(transfer.patience, retry_after(progress));
  if (now_ - transfer.last_progress < patience) return;
  if (transfer.id) {
    transfer.patience = std::min(2 * patience, kTransferPatienceMax);
    transfer.is_probing = true;
  }
  offer_snapshot(peer, progress, out);
}

void Core::on(const Message& message, SnapshotProgress& reported, Output& out) {
  Progress* progress = contact(message);
  if (progress == nullptr || progress->state != Progress::State::kSnapshot) return;
  SnapshotTransfer& transfer = progress->snapshot;
  transfer.last_progress = now_;
  transfer.patience -= transfer.patience / kPatienceDecay;
  if (reported.applied.index >= log_.base().index) {  // its own acknowledgement ends the transfer (pitfall E10)
    close_transfer(message.from, *progress, out);
    progress->accepted(reported.applied.index, now_, options_.window);
    maybe_commit(out);
    if (leading() != nullptr) replicate(out);
    return;
  }
  if (transfer.id && reported.applied.index >= transfer.id->last.index) {
    // It has all of this one, and the log has moved on meanwhile: only a newer snapshot leads back to the log.
    close_transfer(message.from, *progress, out);
    offer_snapshot(message.from, *progress, out);
    return;
  }
  if (transfer.id && reported.id != *transfer.id && reported.applied.index < transfer.id->base) {
    // It has nothing of this difference, nor any longer what that is a difference to.
    close_transfer(message.from, *progress, out);
    transfer.last_progress = now_;
  }
  if (!transfer.id) {
    transfer.resumable = reported.id;
    transfer.resumable_offset = reported.next_offset;
    if (!transfer.opening) out.emit(effect::OpenSnapshot{message.from, reported.applied.index});
    transfer.opening = true;
    return;
  }
  const std::uint64_t has = reported.id == *transfer.id ? reported.next_offset : 0;
  if (has < transfer.acknowledged) {  // it lost what it had staged
    transfer.next_read = has;
    transfer.read_to_end = false;
  }
  if (has > transfer.acknowledged) transfer.is_probing = false;
  transfer.acknowledged = has;
  transfer.next_read = std::max(transfer.next_read, has);
  read_more(message.from, *progress, out);
}

void Core::handle(event::SnapshotOpened& opened, Output& out) {
  auto* leader = std::get_if<LeaderState>(&role_);
  const auto peer = leader == nullptr ? std::map<NodeId, Progress>::iterator{} : leader->progress.find(opened.to);
  if (leader == nullptr || peer == leader->progress.end() || !peer->second.snapshot.opening) {
    out.emit(effect::CloseSnapshot{opened.to});
    return;
  }
  SnapshotTransfer& transfer = peer->second.snapshot;
  transfer.opening = false;
  transfer.id = opened.id;
  transfer.last_progress = now_;
  if (transfer.resumable == opened.id && transfer.resumable_offset > 0) {
    mark(Mark::kSnapshotResumed);
    transfer.acknowledged = transfer.next_read = transfer.resumable_offset;
  }
  read_more(opened.to, peer->second, out);
}

void Core::read_more(NodeId peer, Progress& progress, Output& out) {
  SnapshotTransfer& transfer = progress.snapshot;
  const std::size_t window = transfer.is_probing ? 1 : options_.snapshot_window_bytes;  // a chunk begins within it
  const bool window_full = transfer.next_read >= transfer.acknowledged + window;
  if (!transfer.id || transfer.reading || transfer.read_to_end || window_full) return;
  transfer.reading = true;
  out.emit(effect::ReadSnapshot{peer, *transfer.id, transfer.next_read});
}

void Core::handle(event::SnapshotRead& read, Output& out) {
  auto* leader = std::get_if<LeaderState>(&role_);
  if (leader == nullptr) return;
  const auto peer = leader->progress.find(read.to);
  if (peer == leader->progress.end() || peer->second.snapshot.id != read.id) return;
  SnapshotTransfer& transfer = peer->second.snapshot;
  transfer.reading = false;
  if (read.offset == transfer.next_read && !transfer.read_to_end) {  // otherwise it was sent back meanwhile
    transfer.next_read += read.bytes.size();
    transfer.read_to_end = read.is_last != 0;
    out.send(make(read.to, SnapshotChunk{read.id, read.offset, std::move(read.bytes), read.is_last}));
  }
  read_more(read.to, peer->second, out);
}

/// Tried again with the next offer, from a newer checkpoint if there is one by then (pitfall B12).
void Core::handle(event::SnapshotUnavailable& unavailable, Output& out) {
  auto* leader = std::get_if<LeaderState>(&role_);
  if (leader == nullptr) return;
  const auto peer = leader->progress.find(unavailable.to);
  if (peer == leader->progress.end() || peer->second.state != Progress::State::kSnapshot) return;
  close_transfer(unavailable.to, peer->second, out);
  peer->second.snapshot.last_progress = now_;
}

void Core::close_transfer(NodeId peer, Progress& progress, Output& out) {
  if (progress.snapshot.id || progress.snapshot.opening) out.emit(effect::CloseSnapshot{peer});
  progress.snapshot = {};
}

// ---- the receiver ----

SnapshotProgress Core::own_snapshot_progress() const {
  const LogId applied{log_.term_at(applied_).value_or(Term{}), applied_};
  return {staged_.value_or(SnapshotId{}), staged_offset_, applied};
}

void Core::tell_snapshot_progress(Output& out) {
  if (leader() != kNoNode && leader() != options_.id) out.send_durable(make(leader(), own_snapshot_progress()));
}

void Core::on(const Message& message, SnapshotOffer&, Output& out) {
  follow(message.from, out);
  if (!failed_ && !installing_) out.send_durable(answer(message, own_snapshot_progress()));
}

/// Only contiguous bytes of one snapshot are taken (pitfall E14); the beginning of another one replaces it (pitfall
/// E16).
void Core::on(const Message& message, SnapshotChunk& chunk, Output& out) {
  follow(message.from, out);
  if (failed_ || installing_) return;
  if (chunk.id.last.index <= applied_) {  // pitfall E1
    mark(Mark::kSnapshotIgnoredAsOld);
    out.send_durable(answer(message, own_snapshot_progress()));
    return;
  }
  const bool idle = staged_next_ == staged_offset_;
  if (chunk.offset == 0 && staged_ != chunk.id && idle) {
    staged_ = chunk.id;
    staged_offset_ = staged_next_ = 0;
    staged_whole_ = false;
  }
  if (staged_ != chunk.id || chunk.offset != staged_next_ || staged_whole_) {
    out.send_durable(answer(message, own_snapshot_progress()));
    return;
  }
  staged_next_ += chunk.bytes.size();
  staged_whole_ = chunk.is_last != 0;
  out.emit(effect::StageSnapshot{chunk.id, chunk.offset, std::move(chunk.bytes)});
}

void Core::handle(event::SnapshotStaged& staged, Output& out) {
  if (staged_ != staged.id) return;
  staged_offset_ = staged.next_offset;
  const bool is_complete = staged_whole_ && staged_offset_ == staged_next_;
  // While the chunks came, the log may have brought what they contain (pitfall E1).
  const bool is_old = staged.id.last.index <= apply_requested_;
  if (is_old) mark(Mark::kSnapshotIgnoredAsOld);
  if (!is_complete || is_old) return tell_snapshot_progress(out);
  installing_ = true;
  out.emit(effect::InstallSnapshot{staged.id});
}

void Core::handle(event::SnapshotRejected& rejected, Output& out) {
  if (staged_ != rejected.id) return;
  mark(Mark::kSnapshotRejected);  // pitfall E26: fetched again from the start
  installing_ = false;
  staged_.reset();
  staged_offset_ = staged_next_ = 0;
  staged_whole_ = false;
  tell_snapshot_progress(out);
}

void Core::handle(event::SnapshotInstalled& installed, Output& out) {
  QUORATE_ASSERT(installing_ && staged_ == installed.id);
  mark(Mark::kSnapshotInstalled);
  installing_ = false;
  staged_.reset();
  staged_offset_ = staged_next_ = 0;
  staged_whole_ = false;
  adopt_snapshot(installed.id, std::move(installed.configuration), installed.time, out);
  tell_snapshot_progress(out);
}

/// Raft 7: entries behind a snapshot that the log agrees with are kept; otherwise the log starts again behind it
/// (pitfalls E1, E3, E8). The configuration is the snapshot's, or that of a kept later entry (pitfall E4).
void Core::adopt_snapshot(const SnapshotId& id, Configuration configuration, LogTime time, Output& out) {
  const LogId last = id.last;
  QUORATE_ASSERT(last.index > applied_);
  const Configuration before = this->configuration();
  while (!replies_.empty() && replies_.front().id.index <= last.index) {
    // What was committed at its index is inside the snapshot, out of sight.
    out.emit(effect::Reply{replies_.front().proposal, Outcome::kUnknown, Refusal::kNotLeader, replies_.front().id});
    replies_.pop_front();
  }
  std::erase_if(damaged_, [&](const LogId& damaged) { return damaged.index <= last.index; });
  if (log_.matches(last)) {
    std::erase_if(configurations_, [&](const PlacedConfiguration& placed) { return placed.index <= last.index; });
    log_.compact(last);
    out.emit(effect::Compact{last});
  } else {
    configurations_.clear();
    damaged_.clear();
    log_.reset(last);
    out.batch.reset_to = last;
    durable_ = last.index;
    for (PendingPersist& pending : persists_) pending.durable_through = std::min(pending.durable_through, last.index);
  }
  configurations_.insert(configurations_.begin(), {last.index, std::move(configuration)});
  base_time_ = time;
  checkpoint_ = last;
  applied_ = apply_requested_ = last.index;
  durable_ = std::max(durable_, last.index);
  commit_ = std::max(commit_, last.index);
  if (this->configuration() != before) out.emit(effect::ConfigurationChanged{this->configuration()});
}

}  // namespace quorate
