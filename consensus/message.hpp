// What one node says to another. Aggregates only; how they look as bytes is in wire/. Any message may be lost, delayed,
// repeated or reordered; nothing in the protocol relies on more than that.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "consensus/entry.hpp"
#include "consensus/types.hpp"

namespace quorate {

enum class Vote : std::uint8_t { kRefused = 0, kGranted = 1 };

enum class CampaignKind : std::uint8_t {
  kTimeout = 0,   ///< the candidate missed its leader
  kTransfer = 1,  ///< the leader asked for it (TimeoutNow): voters do not insist on the leader they have (thesis 3.10)
};

/// Would you vote for me in the term after mine? (thesis 9.6) The envelope carries the asker's current term.
struct PreVoteRequest {
  LogId last;
  friend bool operator==(const PreVoteRequest&, const PreVoteRequest&) = default;
};
/// A refusal carries the answering node's term, from which the asker learns (pitfall B4); a grant the asker's.
struct PreVoteResponse {
  Vote vote = Vote::kRefused;
  friend bool operator==(const PreVoteResponse&, const PreVoteResponse&) = default;
};

struct VoteRequest {  // Raft 5.2, 5.4.1
  LogId last;
  CampaignKind kind = CampaignKind::kTimeout;
  friend bool operator==(const VoteRequest&, const VoteRequest&) = default;
};
struct VoteResponse {
  Vote vote = Vote::kRefused;
  friend bool operator==(const VoteResponse&, const VoteResponse&) = default;
};

struct AppendRequest {  // Raft 5.3
  LogId previous;
  Index commit;
  std::vector<Entry> entries;
  friend bool operator==(const AppendRequest&, const AppendRequest&) = default;
};
/// Everything up to `match` equals the leader's log and is durable here.
struct AppendAccepted {
  LogId match;
  friend bool operator==(const AppendAccepted&, const AppendAccepted&) = default;
};
/// `previous` of the request is not in the log. `hint` is the last own entry that may still be common: its index is at
/// most that of `previous` and so is its term. `last` is the last entry of the log.
struct AppendRejected {
  LogId previous;
  LogId hint;
  friend bool operator==(const AppendRejected&, const AppendRejected&) = default;
};

/// Keeps followers from campaigning, tells them what is committed (never beyond what the follower is known to match),
/// and confirms leadership for the reads of rounds up to `round`. `sent` comes back unchanged and is read by the sender
/// only.
struct Heartbeat {
  Index commit;
  std::uint64_t round = 0;
  std::int64_t sent_ns = 0;
  friend bool operator==(const Heartbeat&, const Heartbeat&) = default;
};
struct HeartbeatResponse {
  std::uint64_t round = 0;
  std::int64_t sent_ns = 0;
  friend bool operator==(const HeartbeatResponse&, const HeartbeatResponse&) = default;
};

/// Names a snapshot's contents: the state after `last` was applied, sent as the difference to the state after `base`
/// (index 0: everything). The same id from any node is the same sequence of bytes only if `origin` is the same too.
struct SnapshotId {
  LogId last;
  Index base;
  NodeId origin;
  friend auto operator<=>(const SnapshotId&, const SnapshotId&) = default;
};
/// "You need a snapshot; which state do you have?" Answered by SnapshotProgress.
struct SnapshotOffer {
  LogId last;
  friend bool operator==(const SnapshotOffer&, const SnapshotOffer&) = default;
};
struct SnapshotChunk {
  SnapshotId id;
  std::uint64_t offset = 0;
  Payload bytes;
  std::uint8_t is_last = 0;
  friend bool operator==(const SnapshotChunk&, const SnapshotChunk&) = default;
};
/// What the receiver has: `next_offset` bytes of `id` are durable. `applied` is the state a new snapshot may build on.
/// After the last chunk was installed, and is durable, `applied` has reached the snapshot.
struct SnapshotProgress {
  SnapshotId id;
  std::uint64_t next_offset = 0;
  LogId applied;
  friend bool operator==(const SnapshotProgress&, const SnapshotProgress&) = default;
};

/// A follower asks for an index at which a read is linearizable (thesis 6.4).
struct ReadIndexRequest {
  ReadId read;
  friend bool operator==(const ReadIndexRequest&, const ReadIndexRequest&) = default;
};
struct ReadIndexResponse {
  ReadId read;
  Index index;  ///< 0: this node cannot confirm that it leads
  friend bool operator==(const ReadIndexResponse&, const ReadIndexResponse&) = default;
};

/// Campaign at once: your log is complete (thesis 3.10).
struct TimeoutNow {
  friend bool operator==(const TimeoutNow&, const TimeoutNow&) = default;
};

/// Asks any peer for entries whose bodies are damaged here; the ids are known, so any copy will do.
struct FetchRequest {
  std::vector<LogId> ids;
  friend bool operator==(const FetchRequest&, const FetchRequest&) = default;
};
struct FetchResponse {
  std::vector<Entry> entries;
  friend bool operator==(const FetchResponse&, const FetchResponse&) = default;
};

using MessageBody =
    std::variant<PreVoteRequest, PreVoteResponse, VoteRequest, VoteResponse, AppendRequest, AppendAccepted,
                 AppendRejected, Heartbeat, HeartbeatResponse, SnapshotOffer, SnapshotChunk, SnapshotProgress,
                 ReadIndexRequest, ReadIndexResponse, TimeoutNow, FetchRequest, FetchResponse>;

/// The envelope that every message has.
struct Message {
  NodeId from;
  NodeId to;
  Incarnation from_incarnation;
  Incarnation to_incarnation;  ///< the receiver drops what was meant for another life of its directory; 0: any
  Generation generation;       ///< of the sender's configuration; older ones are refused
  Term term;                   ///< the sender's current term
  Boot boot;                   ///< of the sender
  Boot echo;                   ///< in answers: `boot` of the request; 0 otherwise
  MessageBody body;

  friend bool operator==(const Message&, const Message&) = default;
};

/// For traces and metrics: "AppendRequest", "VoteResponse", ...
[[nodiscard]] const char* name_of(const MessageBody& body);

}  // namespace quorate
