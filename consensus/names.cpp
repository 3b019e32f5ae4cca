// The names that people read in traces, metrics and error messages.
#include <array>
#include <variant>

#include "consensus/assert.hpp"
#include "consensus/effect.hpp"
#include "consensus/message.hpp"

namespace quorate {
namespace {

struct BodyName {
  const char* operator()(const PreVoteRequest&) const { return "PreVoteRequest"; }
  const char* operator()(const PreVoteResponse&) const { return "PreVoteResponse"; }
  const char* operator()(const VoteRequest&) const { return "VoteRequest"; }
  const char* operator()(const VoteResponse&) const { return "VoteResponse"; }
  const char* operator()(const AppendRequest&) const { return "AppendRequest"; }
  const char* operator()(const AppendAccepted&) const { return "AppendAccepted"; }
  const char* operator()(const AppendRejected&) const { return "AppendRejected"; }
  const char* operator()(const Heartbeat&) const { return "Heartbeat"; }
  const char* operator()(const HeartbeatResponse&) const { return "HeartbeatResponse"; }
  const char* operator()(const SnapshotOffer&) const { return "SnapshotOffer"; }
  const char* operator()(const SnapshotChunk&) const { return "SnapshotChunk"; }
  const char* operator()(const SnapshotProgress&) const { return "SnapshotProgress"; }
  const char* operator()(const ReadIndexRequest&) const { return "ReadIndexRequest"; }
  const char* operator()(const ReadIndexResponse&) const { return "ReadIndexResponse"; }
  const char* operator()(const TimeoutNow&) const { return "TimeoutNow"; }
  const char* operator()(const FetchRequest&) const { return "FetchRequest"; }
  const char* operator()(const FetchResponse&) const { return "FetchResponse"; }
};

}  // namespace

const char* name_of(const MessageBody& body) { return std::visit(BodyName{}, body); }

const char* name_of(Role role) {
  switch (role) {
    case Role::kFollower: return "follower";
    case Role::kPreCandidate: return "pre-candidate";
    case Role::kCandidate: return "candidate";
    case Role::kLeader: return "leader";
  }
  QUORATE_ASSERT(false);
}

const char* describe(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNone: return "not refused";
    case Refusal::kNotLeader: return "this node is not the leader";
    case Refusal::kOverloaded: return "too much is waiting to be committed; try again later";
    case Refusal::kTooLarge: return "the request is larger than a log entry may be";
    case Refusal::kOverwritten: return "another leader's entry was committed in its place; it had no effect";
    case Refusal::kStaleEpoch: return "it was made on a speculative state that has been dropped";
    case Refusal::kTransferring: return "leadership is being handed over; try again at the next leader";
    case Refusal::kChangePending: return "another configuration change is not finished";
    case Refusal::kNotYetCommitted: return "the leader has not committed an entry of its own term yet; try again";
    case Refusal::kNotCaughtUp: return "the new voter's log is too far behind; wait until it has caught up";
    case Refusal::kInvalid: return "the request makes no sense in the present state";
    case Refusal::kNoQuorum: return "leadership could not be confirmed by a quorum";
    case Refusal::kTimedOut: return "it was not finished in time and has been given up";
    case Refusal::kStopped: return "the node is shutting down";
  }
  QUORATE_ASSERT(false);
}

}  // namespace quorate
