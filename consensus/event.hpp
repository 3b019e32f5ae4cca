// What goes into the core. Every event carries the time at which it happened; the core has no clock of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "consensus/configuration.hpp"
#include "consensus/effect.hpp"
#include "consensus/message.hpp"
#include "consensus/types.hpp"

namespace quorate {

/// A wish to append one command. `epoch` 0: not speculative. Otherwise `sequence` counts the epoch's proposals from 0,
/// and a proposal that is not the next one is refused.
struct Proposal {
  ProposalId id;
  Payload payload;
  Epoch epoch;
  std::uint64_t sequence = 0;
  friend bool operator==(const Proposal&, const Proposal&) = default;
};

namespace event {

/// Time has passed; sent at the core's next deadline, or whenever the driver likes.
struct Tick {};
struct Received {
  Message message;
};
/// All proposals that came in together; appended and sent as one batch.
struct Propose {
  std::vector<Proposal> proposals;
};
/// Wants an index at which a read is linearizable; answered by ReadReady or ReadFailed on leaders and followers alike.
struct Read {
  ReadId id;
};
struct ChangeMembership {
  ProposalId id;
  ConfigurationChange change;
};
/// Gives up a joint configuration that cannot or shall not be finished; back to the one before it.
struct AbortMembershipChange {
  ProposalId id;
};
/// Hand leadership to `target`, or to the best voter if it is kNoNode. Replied kCommitted when another leader was seen.
struct TransferLeadership {
  ProposalId id;
  NodeId target;
};
/// The batch is durable. Completions come in the order of the tickets.
struct Persisted {
  Ticket ticket;
  LogId last;  ///< the last entry that the log on disk then had
};
/// Everything up to `index` has been applied.
struct Applied {
  Index index;
};
/// The state machine's own state up to `last` is durable, so that the log before it is needed only by laggards.
struct Checkpointed {
  LogId last;
  Configuration configuration;  ///< in force at `last`
  LogTime time;                 ///< log time of `last`
};
struct SnapshotOpened {
  NodeId to;
  SnapshotId id;
};
struct SnapshotRead {
  NodeId to;
  SnapshotId id;
  std::uint64_t offset = 0;
  Payload bytes;
  std::uint8_t is_last = 0;
};
/// The snapshot for `to` cannot be opened or read now; it is tried again later.
struct SnapshotUnavailable {
  NodeId to;
};
/// `next_offset` bytes of `id` are durable.
struct SnapshotStaged {
  SnapshotId id;
  std::uint64_t next_offset = 0;
};
struct SnapshotInstalled {
  SnapshotId id;
  Configuration configuration;
  LogTime time;
};
/// The staged bytes failed verification and were discarded.
struct SnapshotRejected {
  SnapshotId id;
};
/// The connection to a peer broke: whatever was in flight is lost, and a dead leader need not be waited for.
struct PeerDisconnected {
  NodeId peer;
};

}  // namespace event

using EventBody =
    std::variant<event::Tick, event::Received, event::Propose, event::Read, event::ChangeMembership,
                 event::AbortMembershipChange, event::TransferLeadership, event::Persisted, event::Applied,
                 event::Checkpointed, event::SnapshotOpened, event::SnapshotRead, event::SnapshotUnavailable,
                 event::SnapshotStaged, event::SnapshotInstalled, event::SnapshotRejected, event::PeerDisconnected>;

struct Event {
  Instant now;
  EventBody body;
};

}  // namespace quorate
