// What comes out of the core: obligations, in the order in which they must be begun. An effect that must wait for a
// write names the write's ticket; everything else may be done at once. The driver decides nothing.
//
// Durability matrix (checked by a test on every simulated run):
//
//   message                          leaves after this is durable
//   PreVote*, refusals, Heartbeat*   nothing
//   VoteRequest(T)                   (T, self) and every entry that the request advertises
//   VoteResponse(T, granted)         (T, candidate), as one record
//   AppendRequest                    nothing; the leader counts its own copy once it is durable
//   AppendAccepted(i)                the term and every entry <= i
//   SnapshotProgress(applied = s)    the installed snapshot and the log's reset to it
//
//   Apply(i)                         emitted once i is committed and durable here
//   Compact(i)                       emitted once a snapshot >= i is durable
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "consensus/configuration.hpp"
#include "consensus/entry.hpp"
#include "consensus/message.hpp"
#include "consensus/types.hpp"

namespace quorate {

/// The part of a node's state that must survive a crash besides the log (Raft figure 2). Always written as one record.
struct HardState {
  Term term;
  NodeId voted_for;
  Index commit;  ///< a hint: known to be committed; never beyond the log that is written with it

  friend bool operator==(const HardState&, const HardState&) = default;
};

/// One write to the log, made in the order of its fields and durable as a whole before its ticket completes. A crash
/// before that leaves any prefix of the fields (entries: any prefix of them), never a later one without an earlier one.
struct PersistBatch {
  Ticket ticket;
  std::optional<LogId> reset_to;        ///< forget the whole log; it goes on after this id, which a snapshot covers
  std::optional<Index> truncate_after;  ///< forget all entries beyond this index
  std::optional<HardState> hard_state;
  std::vector<Entry> entries;  ///< appended; contiguous
  std::vector<Entry> repairs;  ///< bodies of entries that are in the log already, with the same ids

  friend bool operator==(const PersistBatch&, const PersistBatch&) = default;
};

/// Ends whenever a proposal of it is refused or leadership is lost; 0 is "not leading".
using Epoch = StrongNumber<struct EpochTag>;

/// What is known about a proposal at the end. Unknown means just that: it may or may not be committed, now or later.
enum class Outcome : std::uint8_t { kCommitted, kRefused, kUnknown };

enum class Refusal : std::uint8_t {
  kNone,
  kNotLeader,
  kOverloaded,       ///< too many uncommitted bytes; try again later
  kTooLarge,         ///< larger than an entry may be
  kOverwritten,      ///< another leader's entry was committed in its place
  kStaleEpoch,       ///< made on speculation that has been dropped
  kTransferring,     ///< leadership is being handed over
  kChangePending,    ///< another configuration change is not finished
  kNotYetCommitted,  ///< the leader has not committed an entry of its own term yet
  kNotCaughtUp,      ///< the new voter's log is too far behind
  kInvalid,          ///< the request makes no sense; see the message
  kNoQuorum,         ///< leadership could not be confirmed
  kTimedOut,         ///< not finished in time, and given up
  kStopped,
};
[[nodiscard]] const char* describe(Refusal refusal);

enum class Role : std::uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };
[[nodiscard]] const char* name_of(Role role);

namespace effect {

struct Persist {
  PersistBatch batch;
  friend bool operator==(const Persist&, const Persist&) = default;
};
struct Send {
  Message message;
  Ticket after;  ///< 0: at once
  friend bool operator==(const Send&, const Send&) = default;
};
/// Everything up to `through` is committed and durable here; apply it in order.
struct Apply {
  Index through;
  friend bool operator==(const Apply&, const Apply&) = default;
};
/// The proposal was appended at `id`; its fate is open. `epoch` and `sequence` as proposed.
struct Appended {
  ProposalId proposal;
  LogId id;
  Epoch epoch;
  std::uint64_t sequence = 0;
  friend bool operator==(const Appended&, const Appended&) = default;
};
/// The end of a proposal. Committed comes before the Apply that covers it.
struct Reply {
  ProposalId proposal;
  Outcome outcome = Outcome::kUnknown;
  Refusal refusal = Refusal::kNone;
  LogId id;
  friend bool operator==(const Reply&, const Reply&) = default;
};
/// State applied up to `index` answers the read linearizably. `index` is committed; it may not be applied yet.
struct ReadReady {
  ReadId read;
  Index index;
  friend bool operator==(const ReadReady&, const ReadReady&) = default;
};
struct ReadFailed {
  ReadId read;
  Refusal refusal = Refusal::kNotLeader;
  friend bool operator==(const ReadFailed&, const ReadFailed&) = default;
};
/// Open the state machine's snapshot for `to`, as a difference to `base` if it can; answer with SnapshotOpened.
struct OpenSnapshot {
  NodeId to;
  Index base;
  friend bool operator==(const OpenSnapshot&, const OpenSnapshot&) = default;
};
/// Read from an opened snapshot; answer with SnapshotRead.
struct ReadSnapshot {
  NodeId to;
  SnapshotId id;
  std::uint64_t offset = 0;
  friend bool operator==(const ReadSnapshot&, const ReadSnapshot&) = default;
};
struct CloseSnapshot {
  NodeId to;
  friend bool operator==(const CloseSnapshot&, const CloseSnapshot&) = default;
};
/// Keep a received chunk durably; answer with SnapshotStaged. A chunk at offset 0 starts over.
struct StageSnapshot {
  SnapshotId id;
  std::uint64_t offset = 0;
  Payload bytes;
  friend bool operator==(const StageSnapshot&, const StageSnapshot&) = default;
};
/// Verify what was staged and make it the state, durably; answer with SnapshotInstalled or SnapshotRejected.
struct InstallSnapshot {
  SnapshotId id;
  friend bool operator==(const InstallSnapshot&, const InstallSnapshot&) = default;
};
/// The log up to and including `through` is covered by a durable snapshot and may be deleted.
struct Compact {
  LogId through;
  friend bool operator==(const Compact&, const Compact&) = default;
};
struct RoleChanged {
  Role role = Role::kFollower;
  Term term;
  NodeId leader;  ///< kNoNode: unknown
  friend bool operator==(const RoleChanged&, const RoleChanged&) = default;
};
/// A configuration came into force (or came back, when a later one was truncated).
struct ConfigurationChanged {
  Configuration configuration;
  friend bool operator==(const ConfigurationChanged&, const ConfigurationChanged&) = default;
};
/// A leader-executed application may speculate in this epoch, starting at sequence 0; 0: it must drop all speculation.
struct EpochChanged {
  Epoch epoch;
  friend bool operator==(const EpochChanged&, const EpochChanged&) = default;
};
/// The node must stop at once and not write anything more: its own state, or a peer's, contradicts the protocol.
struct Fatal {
  std::string reason;
  friend bool operator==(const Fatal&, const Fatal&) = default;
};

}  // namespace effect

using Effect = std::variant<effect::Persist, effect::Send, effect::Apply, effect::Appended, effect::Reply,
                            effect::ReadReady, effect::ReadFailed, effect::OpenSnapshot, effect::ReadSnapshot,
                            effect::CloseSnapshot, effect::StageSnapshot, effect::InstallSnapshot, effect::Compact,
                            effect::RoleChanged, effect::ConfigurationChanged, effect::EpochChanged, effect::Fatal>;

/// A reusable buffer: the driver clears it between steps, so that the steady state does not allocate for it.
using Effects = std::vector<Effect>;

}  // namespace quorate
