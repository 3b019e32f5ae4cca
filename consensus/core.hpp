// The Raft protocol as a value: events in, effects out. No thread, no I/O, no clock; its only randomness is a generator
// seeded by its options. A core can be copied, compared and hashed, which is what makes it possible to explore.
//
// step() never fails: what cannot be done is refused in an effect, and what contradicts the protocol is a Fatal effect,
// after which the core ignores everything. One rule family lives in each .cpp: election, append (follower), replication
// (leader), membership, read_index, transfer, snapshot, repair; core.cpp dispatches.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "consensus/concepts.hpp"
#include "consensus/configuration.hpp"
#include "consensus/coverage.hpp"
#include "consensus/effect.hpp"
#include "consensus/event.hpp"
#include "consensus/log.hpp"
#include "consensus/options.hpp"
#include "consensus/progress.hpp"
#include "consensus/random.hpp"
#include "consensus/ring.hpp"
#include "consensus/types.hpp"

namespace quorate {

class Output;

/// A configuration and the index of the entry that holds it (0: from the bootstrap or the snapshot).
struct PlacedConfiguration {
  Index index;
  Configuration configuration;
  friend bool operator==(const PlacedConfiguration&, const PlacedConfiguration&) = default;
};

struct FollowerState {
  NodeId leader;
  friend bool operator==(const FollowerState&, const FollowerState&) = default;
};
struct PreCandidateState {
  std::set<NodeId> granted;
  friend bool operator==(const PreCandidateState&, const PreCandidateState&) = default;
};
struct CandidateState {
  std::set<NodeId> granted;
  Ticket own_vote;  ///< the own vote counts once this write is durable (pitfall A5)
  CampaignKind kind = CampaignKind::kTimeout;
  friend bool operator==(const CandidateState&, const CandidateState&) = default;
};
struct PendingRead {
  ReadId id;
  NodeId from;              ///< kNoNode: asked here
  Boot boot;                ///< of `from`
  Index index;              ///< 0: not known before an entry of this term is committed
  std::uint64_t round = 0;  ///< confirmed when a quorum answered this round
  friend bool operator==(const PendingRead&, const PendingRead&) = default;
};
struct Transfer {
  ProposalId proposal;
  NodeId target;
  Instant deadline;
  bool requested = false;  ///< TimeoutNow was sent
  friend bool operator==(const Transfer&, const Transfer&) = default;
};
struct LeaderState {
  std::map<NodeId, Progress> progress;  ///< all members but this one
  Index term_start;                     ///< the no-op of this term
  Instant elected;
  LogTime time_base;  ///< log time when elected
  Instant next_heartbeat;
  Instant next_quorum_check;
  std::uint64_t round = 0;  ///< the latest heartbeat round sent
  std::deque<PendingRead> reads;
  std::optional<Transfer> transfer;
  bool lease_given_away = false;  ///< TimeoutNow was sent in this term
  Index epoch_barrier;            ///< a new epoch starts once this is applied
  std::uint64_t epoch_sequence = 0;
  std::size_t uncommitted_bytes = 0;
  friend bool operator==(const LeaderState&, const LeaderState&) = default;
};

class Core {
 public:
  /// `applied` is what the state machine recovered; it may be ahead of the log (a snapshot was installed and the crash
  /// came before the log was reset), never behind its base: validate_recovered() says so before.
  /// `staged` is what the state machine still holds of an interrupted transfer.
  Core(CoreOptions options, Recovered recovered, CheckpointContext applied, Instant now,
       std::optional<StagedSnapshot> staged = std::nullopt);

  /// Whether log and state machine fit together; an explanation for a person if not (pitfalls A18, C16, C17).
  [[nodiscard]] static Result<void> validate_recovered(const Recovered& recovered, const CheckpointContext& applied);

  /// Handles one event; appends what is to be done to `effects`, which it does not clear.
  void step(Event event, Effects& effects);

  /// When the core wants a Tick at the latest.
  [[nodiscard]] Instant deadline() const;

  [[nodiscard]] NodeId id() const { return options_.id; }
  [[nodiscard]] Role role() const;
  [[nodiscard]] Term term() const { return term_; }
  [[nodiscard]] NodeId voted_for() const { return voted_for_; }
  /// Whom this node takes for the leader now; itself, another, or kNoNode.
  [[nodiscard]] NodeId leader() const;
  [[nodiscard]] Index commit() const { return commit_; }
  [[nodiscard]] Index applied() const { return applied_; }
  /// Everything up to here is durable in the own log.
  [[nodiscard]] Index durable() const { return durable_; }
  [[nodiscard]] const Log& log() const { return log_; }
  [[nodiscard]] const Configuration& configuration() const { return configurations_.back().configuration; }
  /// Where the configuration in force stands in the log.
  [[nodiscard]] Index configuration_index() const { return configurations_.back().index; }
  /// In force when everything up to `index` was applied; `index` must not be before the log's base.
  [[nodiscard]] const Configuration& configuration_at(Index index) const;
  [[nodiscard]] LogTime time_at(Index index) const;
  [[nodiscard]] Incarnation incarnation() const { return incarnation_; }
  [[nodiscard]] Boot boot() const { return boot_; }
  [[nodiscard]] const std::vector<LogId>& damaged() const { return damaged_; }
  [[nodiscard]] bool may_vote() const { return may_vote_; }
  [[nodiscard]] bool has_failed() const { return failed_; }
  [[nodiscard]] Epoch epoch() const { return epoch_; }
  [[nodiscard]] const LogId& checkpoint() const { return checkpoint_; }
  /// The leader's view of the others; null on everybody else.
  [[nodiscard]] const LeaderState* leading() const { return std::get_if<LeaderState>(&role_); }
  [[nodiscard]] const CoreOptions& options() const { return options_; }
  /// Whether a read executed until `now` may be answered under the lease. Ask again after executing (pitfall G8).
  [[nodiscard]] bool lease_valid(Instant now) const;

  /// Equal state behaves equally from here on. Options are not compared.
  friend bool operator==(const Core& left, const Core& right);
  [[nodiscard]] std::uint64_t fingerprint() const;

 private:
  using RoleState = std::variant<FollowerState, PreCandidateState, CandidateState, LeaderState>;
  struct PendingPersist {
    Ticket ticket;
    Index durable_through;  ///< what is durable then, cut back by every truncation since
    Instant submitted;
    friend bool operator==(const PendingPersist&, const PendingPersist&) = default;
  };
  struct PendingReply {
    LogId id;
    ProposalId proposal;
    friend bool operator==(const PendingReply&, const PendingReply&) = default;
  };
  struct RemoteRead {
    ReadId id;
    Instant deadline;
    friend bool operator==(const RemoteRead&, const RemoteRead&) = default;
  };

  // core.cpp: dispatch, terms, persistence, applying
  void handle(event::Tick&, Output&);
  void handle(event::Received&, Output&);
  void handle(event::Persisted&, Output&);
  void handle(event::Applied&, Output&);
  void handle(event::PeerDisconnected&, Output&);
  bool accept_envelope(const Message&) const;
  bool answers_this_life(const Message&) const;
  bool settle_term(const Message&, Output&);
  void leave_role(Output&);
  void become_follower(Term term, NodeId leader, Output&);
  void follow(NodeId leader, Output&);
  void announce_role(Output&) const;
  void finish(Output&);
  void apply_ready(Output&);
  void expire_waiting(Output&);
  void fatal(std::string reason, Output&);
  [[nodiscard]] Message make(NodeId to, MessageBody body) const;
  [[nodiscard]] Message answer(const Message& request, MessageBody body) const;
  [[nodiscard]] Index verified_end() const;
  void mark(Mark mark) const {
    if (options_.coverage != nullptr) options_.coverage->hit(mark);
  }

  // election.cpp
  void on(const Message&, PreVoteRequest&, Output&);
  void on(const Message&, PreVoteResponse&, Output&);
  void on(const Message&, VoteRequest&, Output&);
  void on(const Message&, VoteResponse&, Output&);
  void election_timeout(Output&);
  void pre_campaign(Output&);
  void campaign(CampaignKind kind, Output&);
  void count_pre_votes(Output&);
  void count_votes(Output&);
  void become_leader(Output&);
  void check_quorum(Output&);
  [[nodiscard]] bool may_campaign() const;
  [[nodiscard]] bool hears_leader() const;
  [[nodiscard]] bool disk_hangs() const;
  [[nodiscard]] std::vector<NodeId> other_voters() const;
  [[nodiscard]] bool is_member_identity(const Message&) const;
  void arm_election_timer();

  // append.cpp: the follower's side of replication
  void on(const Message&, AppendRequest&, Output&);
  void on(const Message&, Heartbeat&, Output&);
  bool take_entries(std::vector<Entry>& entries, Index first, Output&);
  void take_entry(Entry entry, Output&);
  void truncate_after(Index index, Output&);
  void advance_commit(Index to, Output&);

  // replication.cpp: the leader's side
  void handle(event::Propose&, Output&);
  void on(const Message&, AppendAccepted&, Output&);
  void on(const Message&, AppendRejected&, Output&);
  void on(const Message&, HeartbeatResponse&, Output&);
  [[nodiscard]] Refusal refuse_proposal(const Proposal&) const;
  LogId append_own(EntryKind kind, Payload payload, Output&);
  void replicate(Output&);
  void replicate_to(NodeId peer, Progress&, Output&);
  void send_heartbeats(Output&);
  void leader_tick(Output&);
  void retry_lost(Output&);
  void maybe_commit(Output&);
  void start_epoch(Output&);
  void end_epoch(Output&);
  Progress* contact(const Message&);
  [[nodiscard]] bool has_committed_in_term() const;
  [[nodiscard]] Duration retry_after(const Progress&) const;

  // membership.cpp
  void handle(event::ChangeMembership&, Output&);
  void handle(event::AbortMembershipChange&, Output&);
  [[nodiscard]] Refusal refuse_change(const Configuration& target) const;
  void append_configuration(const Configuration&, ProposalId, Output&);
  void take_configuration(Index index, Configuration, Output&);
  void roll_back_configurations(Index last, Output&);
  void forget_configurations_before(Index index);
  void sync_progress(Output&);
  void after_configuration_commit(Output&);

  // read_index.cpp
  void handle(event::Read&, Output&);
  void on(const Message&, ReadIndexRequest&, Output&);
  void on(const Message&, ReadIndexResponse&, Output&);
  void queue_read(PendingRead, Output&);
  void release_reads(Output&);
  void start_round_if_needed(Output&);
  void answer_read(const PendingRead&, Output&);
  void fail_reads(Refusal, Output&);
  void fail_remote_reads(Refusal, Output&);

  // transfer.cpp
  void handle(event::TransferLeadership&, Output&);
  void on(const Message&, TimeoutNow&, Output&);
  void continue_transfer(Output&);
  void abandon_transfer(Refusal, Output&);
  [[nodiscard]] NodeId best_successor() const;
  [[nodiscard]] bool may_succeed(NodeId node) const;

  // snapshot.cpp
  void handle(event::Checkpointed&, Output&);
  void handle(event::SnapshotOpened&, Output&);
  void handle(event::SnapshotRead&, Output&);
  void handle(event::SnapshotUnavailable&, Output&);
  void handle(event::SnapshotStaged&, Output&);
  void handle(event::SnapshotInstalled&, Output&);
  void handle(event::SnapshotRejected&, Output&);
  void on(const Message&, SnapshotOffer&, Output&);
  void on(const Message&, SnapshotChunk&, Output&);
  void on(const Message&, SnapshotProgress&, Output&);
  void offer_snapshot(NodeId peer, Progress&, Output&);
  void retry_snapshot(NodeId peer, Progress&, Output&);
  void read_more(NodeId peer, Progress&, Output&);
  void close_transfer(NodeId peer, Progress&, Output&);
  void tell_snapshot_progress(Output&);
  void adopt_snapshot(const SnapshotId&, Configuration, LogTime, Output&);
  void compact_behind_checkpoint(Output&);
  [[nodiscard]] SnapshotProgress own_snapshot_progress() const;

  // repair.cpp
  void on(const Message&, FetchRequest&, Output&);
  void on(const Message&, FetchResponse&, Output&);
  void repair_entry(const Entry&, Output&);
  void fetch_damaged(Output&);
  void ask_for_promises(Output&);
  bool takes_for_promises(const Message&, const ReadIndexResponse&);
  [[nodiscard]] bool is_damaged(Index index) const;

  CoreOptions options_;
  Random random_;
  Incarnation incarnation_;
  Boot boot_;

  Instant now_;
  Term term_;
  NodeId voted_for_;
  Log log_;
  Index durable_;
  Index commit_;
  Index applied_;
  Index apply_requested_;                            ///< Apply effects cover everything up to here
  LogId checkpoint_;                                 ///< the state machine's newest durable state
  LogTime base_time_;                                ///< log time at the log's base
  std::vector<PlacedConfiguration> configurations_;  ///< from the one in force at the log's base on; never empty
  RoleState role_;

  Ticket next_ticket_{1};
  std::deque<PendingPersist> persists_;
  HardState persisted_;         ///< the last one handed to storage
  bool reset_pending_ = false;  ///< the log on disk must still be reset to the recovered snapshot

  Instant election_deadline_;
  Instant leader_heard_;             ///< when the leader of this term last spoke
  Instant votes_from_;               ///< grants no vote before (leases on: one maximal timeout after the start)
  bool leader_known_alive_ = false;  ///< cleared when its connection broke
  bool may_vote_ = true;
  bool failed_ = false;

  Ring<PendingReply> replies_;
  std::optional<Instant> replies_deadline_;  ///< after losing office: what is open then is unknown
  std::deque<RemoteRead> remote_reads_;
  std::optional<Transfer> handing_over_;  ///< outlives the leadership until a new leader is seen
  Epoch epoch_;
  Epoch last_epoch_;

  std::vector<LogId> damaged_;
  Instant next_fetch_;
  std::optional<SnapshotId> staged_;  ///< what the state machine holds of an incoming snapshot
  std::uint64_t staged_offset_ = 0;   ///< so many bytes of it are durable
  std::uint64_t staged_next_ = 0;     ///< so many are handed to the state machine
  bool staged_whole_ = false;         ///< the last chunk is among them
  bool installing_ = false;           ///< nothing is applied meanwhile (pitfall E18)
};

}  // namespace quorate
