// The machine's part in state transfer: what is sent to nodes that the log does not reach any more, and what is
// received.
#include <algorithm>
#include <utility>

#include "consensus/assert.hpp"
#include "consensus/storage/snapshot_format.hpp"
#include "statemachine/sqlite/machine.hpp"
#include "statemachine/sqlite/snapshot_sink.hpp"
#include "statemachine/sqlite/snapshot_source.hpp"

namespace quorate::sqlite {

// --- Sending ---

/// The state as it is applied now. It is committed, so that it does not matter whether it is durable here; but a
/// transfer can go on after an interruption only if it is of the same state, so that the last one is taken again as
/// long as it is not behind the checkpoint, and with it the beginning of the log.
Result<SnapshotId> SqliteMachine::open_snapshot(NodeId to, Index base) {
  if (background_) return fail(ErrorKind::kUnavailable, "a large transaction is being applied");
  const Member* member = context_.configuration.find(to);
  if (member != nullptr && member->kind == MemberKind::kWitness) return send_context(to);
  const auto known = sending_.find(to);
  const bool serves = known != sending_.end() && known->second.source != nullptr &&
                      known->second.source->base() == base && known->second.source->last() >= store_->durable().last;
  if (!serves) {
    if (store_->durable().last == LogId{}) return fail(ErrorKind::kNotFound, "there is no checkpoint yet");
    auto source = SnapshotSource::open(*store_, save(context_), base);
    if (!source) return tl::unexpected(source.error());
    sending_[to].source = std::move(*source);
  }
  Sending& sending = sending_[to];
  sending.state = Sending::State::kOpen;
  return SnapshotId{sending.source->last(), base, options_.self};
}

/// A witness has no data: a snapshot without state is all it needs to follow the log again (witness_machine.hpp).
SnapshotId SqliteMachine::send_context(NodeId to) {
  sending_[to] = {nullptr, Payload::copy_of(storage::encode_snapshot_head(context_, {}))};
  return {context_.last, Index{}, options_.self};
}

void SqliteMachine::read_snapshot(NodeId to, std::uint64_t offset, Completion<SnapshotPiece> done) {
  QUORATE_ASSERT(sending_.contains(to));
  if (sending_[to].source == nullptr) {
    return run<SnapshotPiece>(
        [bytes = sending_[to].context, offset]() -> Result<SnapshotPiece> {
          const std::size_t from = static_cast<std::size_t>(std::min<std::uint64_t>(offset, bytes.size()));
          return SnapshotPiece{Payload::copy_of(bytes.bytes().subspan(from)), true};
        },
        std::move(done));
  }
  run<SnapshotPiece>([source = sending_[to].source, offset,
                      bytes = options_.snapshot_piece_bytes] { return source->read(offset, bytes); },
                     std::move(done));
}

void SqliteMachine::close_snapshot(NodeId to) {
  if (const auto sending = sending_.find(to); sending != sending_.end())
    sending->second.state = Sending::State::kClosed;
}

// --- Receiving ---

std::optional<StagedSnapshot> SqliteMachine::staged_snapshot() const { return staged_; }

void SqliteMachine::stage_snapshot(const SnapshotId& id, std::uint64_t offset, Payload bytes,
                                   Completion<std::uint64_t> done) {
  run<std::uint64_t>(
      [sink = sink_, id, offset, bytes = std::move(bytes)] { return sink->stage(id, offset, bytes.bytes()); },
      std::move(done));
}

void SqliteMachine::install_snapshot(const SnapshotId& id, Completion<CheckpointContext> done) {
  if (background_) return after_background_.push_back([this, id, done] { install_snapshot(id, done); });
  is_installing_ = true;
  when_base_is_free([this, id, done = std::move(done)]() mutable {
    run<std::vector<std::byte>>([sink = sink_, store = store_.get(), id] { return sink->install(*store, id); },
                                [this, done = std::move(done)](Result<std::vector<std::byte>> application) {
                                  Result<CheckpointContext> adopted = adopt(std::move(application));
                                  is_installing_ = false;
                                  base_is_free();
                                  done(std::move(adopted));
                                });
  });
}

Result<CheckpointContext> SqliteMachine::adopt(Result<std::vector<std::byte>> application) {
  if (!application) return tl::unexpected(application.error());
  if (const Result<void> loaded = load(*application); !loaded) {
    // The pages have been switched: there is no way back from here.
    return fail(ErrorKind::kUnsupported, "the snapshot's application state cannot be read: " + loaded.error().message);
  }
  QUORATE_ASSERT(context_.last == store_->applied());
  sending_.clear();
  ++snapshots_installed_;
  return context_;
}

}  // namespace quorate::sqlite
