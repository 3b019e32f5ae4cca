// A 64-bit hash of a core's state, for explorers that remember which states they have seen: equal cores have equal
// fingerprints, and what decides how a core goes on is part of it.
#include <type_traits>

#include "consensus/core.hpp"

namespace quorate {

namespace {

class Fingerprint {
 public:
  void add(std::uint64_t word) {
    state_ ^= word + 0x9e3779b97f4a7c15U + (state_ << 6) + (state_ >> 2);
    state_ = (state_ ^ (state_ >> 33)) * 0xff51afd7ed558ccdU;
  }
  template <class Number>
    requires(std::is_integral_v<Number> || std::is_enum_v<Number>)
  void add(Number number) {
    add(static_cast<std::uint64_t>(number));
  }
  template <class Tag>
  void add(StrongNumber<Tag> number) {
    add(number.value);
  }
  void add(Instant instant) { add(instant.time_since_epoch().count()); }
  void add(LogId id) {
    add(id.term);
    add(id.index);
  }
  void add(std::string_view text) {
    add(text.size());
    for (const char letter : text) add(letter);
  }
  void add(const Payload& payload) {
    add(payload.is_absent());
    add(payload.text());
  }
  void add(const Entry& entry) {
    add(entry.id());
    add(entry.kind);
    add(entry.time);
    add(entry.payload);
  }
  void add(const Member& member) {
    add(member.id);
    add(member.incarnation);
    add(member.kind);
    add(member.priority);
    add(member.address);
  }
  void add(const PlacedConfiguration& placed) {
    add(placed.index);
    add(placed.configuration.generation);
    add_all(placed.configuration.members);
    add_all(placed.configuration.outgoing);
  }
  void add(const SnapshotId& id) {
    add(id.last);
    add(id.base);
    add(id.origin);
  }
  void add(const PendingRead& read) {
    add(read.id);
    add(read.from);
    add(read.index);
    add(read.round);
  }
  void add(const Transfer& transfer) {
    add(transfer.proposal);
    add(transfer.target);
    add(transfer.deadline);
    add(transfer.requested);
  }
  void add(const Progress& progress) {
    add(progress.match);
    add(progress.next);
    add(progress.state);
    add(progress.boot);
    add(progress.last_contact);
    add(progress.acknowledged_round);
    add_if(progress.acknowledged_sent);
    add(progress.in_flight_messages());
    add(progress.window_bytes());
    add_if(progress.snapshot.id);
    add(progress.snapshot.acknowledged);
    add(progress.snapshot.next_read);
    add(progress.snapshot.is_probing);
    add(progress.snapshot.patience.count());
  }
  void add(const FollowerState& follower) { add(follower.leader); }
  void add(const PreCandidateState& candidate) { add_all(candidate.granted); }
  void add(const CandidateState& candidate) {
    add_all(candidate.granted);
    add(candidate.own_vote);
    add(candidate.kind);
  }
  void add(const LeaderState& leader) {
    add(leader.progress.size());
    for (const auto& [peer, progress] : leader.progress) {
      add(peer);
      add(progress);
    }
    add(leader.term_start);
    add(leader.elected);
    add(leader.next_heartbeat);
    add(leader.next_quorum_check);
    add(leader.round);
    add_all(leader.reads);
    add_if(leader.transfer);
    add(leader.lease_given_away);
    add(leader.epoch_barrier);
    add(leader.epoch_sequence);
  }
  template <class Range>
  void add_all(const Range& range) {
    add(range.size());
    for (const auto& element : range) add(element);
  }
  template <class T>
  void add_if(const std::optional<T>& optional) {
    add(optional.has_value());
    if (optional) add(*optional);
  }

  [[nodiscard]] std::uint64_t value() const { return state_; }

 private:
  std::uint64_t state_ = 0;
};

}  // namespace

std::uint64_t Core::fingerprint() const {
  Fingerprint fingerprint;
  fingerprint.add(now_);
  fingerprint.add(term_);
  fingerprint.add(voted_for_);
  fingerprint.add(log_.base());
  for (Index index = log_.first_index(); index <= log_.last().index; ++index) fingerprint.add(log_.at(index));
  fingerprint.add(durable_);
  fingerprint.add(commit_);
  fingerprint.add(applied_);
  fingerprint.add(apply_requested_);
  fingerprint.add(checkpoint_);
  fingerprint.add_all(configurations_);
  fingerprint.add(role_.index());
  std::visit([&](const auto& role) { fingerprint.add(role); }, role_);
  fingerprint.add(next_ticket_);
  fingerprint.add(persists_.size());
  for (const PendingPersist& persist : persists_) {
    fingerprint.add(persist.ticket);
    fingerprint.add(persist.durable_through);
    fingerprint.add(persist.submitted);
  }
  fingerprint.add(election_deadline_);
  fingerprint.add(leader_heard_);
  fingerprint.add(leader_known_alive_);
  fingerprint.add(may_vote_);
  fingerprint.add(failed_);
  fingerprint.add(replies_.size());
  for (const PendingReply& reply : replies_) {
    fingerprint.add(reply.id);
    fingerprint.add(reply.proposal);
  }
  fingerprint.add(remote_reads_.size());
  fingerprint.add(epoch_);
  fingerprint.add_all(damaged_);
  fingerprint.add_if(staged_);
  fingerprint.add(staged_offset_);
  fingerprint.add(staged_next_);
  fingerprint.add(installing_);
  return fingerprint.value();
}

}  // namespace quorate
