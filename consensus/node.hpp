// The driver: turns what happens in the world into events, steps the core, and carries out its effects in order. It
// decides nothing about the protocol. The simulator and the server instantiate this same template with other models of
// the four concepts (concepts.hpp), so that whatever the driver does is simulated too.
//
// Threads: everything is called on one strand, completions included. Callbacks given to propose(), read() and the like
// are invoked on that strand, exactly once each, possibly from within another call of this node, and may call the node
// again (pitfall J9): what they ask for is queued behind what is being done.
//
// Turns: proposals that arrive within one turn of the strand are appended as one batch; the owner ends a turn with
// flush(). Everything else takes effect at once.
//
// Failure: an error of the storage, of the state machine, or a contradiction found by the core stops the node for good:
// nothing is written or sent after it, and every open call is answered with "unknown".
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "consensus/concepts.hpp"
#include "consensus/core.hpp"
#include "consensus/event.hpp"
#include "consensus/ring.hpp"

namespace quorate {

struct NodeOptions {
  CoreOptions core;
  /// A checkpoint is begun when either is exceeded since the last one.
  std::size_t checkpoint_log_bytes = std::size_t{64} << 20;
  std::uint64_t checkpoint_entries = 1'000'000;
};

/// The end of a proposal. `result` is what the state machine answered, if the outcome is kCommitted.
struct ProposalResult {
  Outcome outcome = Outcome::kUnknown;
  Refusal refusal = Refusal::kNone;
  LogId id;
  Payload result;
};
using ProposalCallback = std::function<void(ProposalResult)>;

/// The end of a read: with refusal kNone, the state that is applied now is recent enough, and `index` says which it
/// had to be.
struct ReadResult {
  Refusal refusal = Refusal::kNone;
  Index index;
};
using ReadCallback = std::function<void(ReadResult)>;

template <Storage S, Transport T, StateMachine M, Clock C>
class Node {
 public:
  /// Everything referred to outlives the node. Core::validate_recovered() has been asked before.
  Node(NodeOptions options, Recovered recovered, S& storage, T& transport, M& machine, C& clock)
      : options_(options),
        storage_(storage),
        transport_(transport),
        machine_(machine),
        clock_(clock),
        core_(options.core, std::move(recovered), machine.recovered(), clock.now(), machine.staged_snapshot()),
        applied_(core_.applied()),
        apply_through_(core_.applied()),
        checkpointed_(core_.applied()) {}
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Connects, and sets the first alarm. Nothing happens before.
  void start() {
    transport_.reconfigure(core_.configuration());
    if (core_.has_failed()) stop("a configuration in the log cannot be read");
    run(event::Tick{});
  }

  void receive(Message message) { run(event::Received{std::move(message)}); }
  void tick() { run(event::Tick{}); }
  void peer_disconnected(NodeId peer) { run(event::PeerDisconnected{peer}); }

  /// Appends a command if this node leads. See ProposalResult for what may come of it.
  void propose(Payload command, ProposalCallback done) { propose(std::move(command), Epoch{}, 0, std::move(done)); }
  /// For leader-executed applications: `sequence` counts the proposals of the epoch from 0.
  void propose(Payload command, Epoch epoch, std::uint64_t sequence, ProposalCallback done) {
    if (stopped_) return done({Outcome::kRefused, Refusal::kStopped, {}, {}});
    proposals_.push_back({expect(std::move(done)), std::move(command), epoch, sequence});
  }
  /// Calls back once the applied state is at least as recent as anything acknowledged before this call (linearizable).
  void read(ReadCallback done) {
    if (stopped_) return done({Refusal::kStopped, {}});
    const ReadId id{next_read_++};
    reads_.emplace(id, std::move(done));
    run(event::Read{id});
  }
  /// Calls back once everything up to `index` is applied here.
  void wait_applied(Index index, ReadCallback done) {
    if (stopped_) return done({Refusal::kStopped, {}});
    if (core_.applied() >= index) return done({Refusal::kNone, index});
    waiting_applied_.emplace(index, std::move(done));
  }
  void change_membership(ConfigurationChange change, ProposalCallback done) {
    ask(std::move(done), [&](ProposalId id) { return event::ChangeMembership{id, std::move(change)}; });
  }
  void abort_membership_change(ProposalCallback done) {
    ask(std::move(done), [](ProposalId id) { return event::AbortMembershipChange{id}; });
  }
  /// kNoNode: to the best voter there is.
  void transfer_leadership(NodeId target, ProposalCallback done) {
    ask(std::move(done), [&](ProposalId id) { return event::TransferLeadership{id, target}; });
  }

  /// Ends a turn: what was proposed in it is appended as one batch.
  void flush() { run(); }

  /// The machine may be able to apply now what it could not before; does nothing if it has not refused anything.
  void resume_apply() {
    if (stopped_ || !is_apply_postponed_) return;
    is_apply_postponed_ = false;
    apply_more();
    run();
  }
  /// The machine has refused to apply the next entry for now; why, for people.
  [[nodiscard]] const std::optional<std::string>& postponement() const { return postponement_; }

  /// Begins a checkpoint now, if none is under way and there is anything new.
  void checkpoint() {
    if (stopped_ || checkpointing_ || is_apply_postponed_ || core_.applied() <= checkpointed_) return;
    checkpointing_ = true;
    const Index last = core_.applied();
    CheckpointContext context{
        {core_.log().term_at(last).value_or(Term{}), last}, core_.time_at(last), core_.configuration_at(last)};
    machine_.checkpoint(std::move(context), guarded([this](Result<CheckpointContext> done) {
                          checkpointing_ = false;
                          if (!done) return stop("checkpoint: " + done.error().message);
                          checkpointed_ = std::max(checkpointed_, done->last.index);
                          run(event::Checkpointed{done->last, std::move(done->configuration), done->time});
                        }));
  }

  /// Ends everything: open calls are answered with "unknown" or "stopped". The node stays as it is from then on.
  void stop(std::string reason) {
    if (stopped_) return;
    stopped_ = true;
    stop_reason_ = std::move(reason);
    life_.reset();
    held_.clear();
    proposals_.clear();
    events_.clear();
    while (!callbacks_.empty()) {
      auto callback = std::move(callbacks_.front());
      callbacks_.pop_front();
      if (callback) callback({Outcome::kUnknown, Refusal::kStopped, {}, {}});
    }
    for (auto& waiting : std::exchange(awaiting_apply_, {}))
      waiting.done({Outcome::kUnknown, Refusal::kStopped, waiting.id, {}});
    for (auto& [id, done] : std::exchange(reads_, {})) done({Refusal::kStopped, {}});
    for (auto& [index, done] : std::exchange(waiting_applied_, {})) done({Refusal::kStopped, {}});
  }

  [[nodiscard]] const Core& core() const { return core_; }
  [[nodiscard]] bool has_stopped() const { return stopped_; }
  [[nodiscard]] const std::string& stop_reason() const { return stop_reason_; }

  /// Called after each step of the core, before its effects are carried out: for invariants, traces and metrics.
  using Observer = std::function<void(const Event&, const Core&, const Effects&)>;
  void observe(Observer observer) { observer_ = std::move(observer); }

 private:
  struct Held {
    Ticket after;
    Message message;
  };
  struct AwaitingApply {
    LogId id;
    ProposalCallback done;
  };

  /// A completion that does nothing once the node is stopped or gone.
  template <class F>
  auto guarded(F action) {
    return [life = std::weak_ptr<const char>(life_), action = std::move(action)](auto&&... result) mutable {
      if (!life.expired()) action(std::forward<decltype(result)>(result)...);
    };
  }

  ProposalId expect(ProposalCallback done) {
    callbacks_.push_back(std::move(done));
    return ProposalId{first_callback_ + callbacks_.size() - 1};
  }

  template <class MakeEvent>
  void ask(ProposalCallback done, MakeEvent&& make_event) {
    if (stopped_) return done({Outcome::kRefused, Refusal::kStopped, {}, {}});
    const ProposalId id = expect(std::move(done));
    run(make_event(id));
  }

  void run(EventBody body) {
    if (stopped_) return;
    events_.push_back(std::move(body));
    run();
  }

  /// Steps through everything there is to do. Calls made by callbacks meanwhile only add to it.
  void run() {
    if (running_ || stopped_) return;
    running_ = true;
    while (!stopped_) {
      if (!proposals_.empty()) {
        step(event::Propose{std::exchange(proposals_, {})});
      } else if (!events_.empty()) {
        EventBody body = std::move(events_.front());
        events_.pop_front();
        step(std::move(body));
      } else {
        break;
      }
      // Between steps, because only then the core knows what has been applied.
      if (checkpoint_due_ && events_.empty()) {
        checkpoint_due_ = false;
        applied_bytes_ = 0;
        checkpoint();
      }
    }
    running_ = false;
    if (!stopped_) clock_.arm(core_.deadline());
  }

  void step(EventBody body) {
    Event event{clock_.now(), std::move(body)};
    effects_.clear();
    if (observer_) {
      const Event seen = event;
      core_.step(std::move(event), effects_);
      observer_(seen, core_, effects_);
    } else {
      core_.step(std::move(event), effects_);
    }
    Effects effects = std::exchange(effects_, {});
    for (Effect& effect : effects) {
      if (stopped_) return;
      std::visit([this](auto& body_of_effect) { this->execute(body_of_effect); }, effect);
    }
    effects.clear();
    effects_ = std::move(effects);
  }

  void execute(effect::Persist& persist) {
    const Ticket ticket = persist.batch.ticket;
    storage_.submit(std::move(persist.batch), guarded([this, ticket](Result<LogId> last) {
                      if (!last) return stop("write-ahead log: " + last.error().message);
                      release(ticket);
                      run(event::Persisted{ticket, *last});
                    }));
  }

  void execute(effect::Send& send) {
    if (send.after > durable_ticket_) {
      held_.push_back({send.after, std::move(send.message)});
    } else {
      transport_.send(std::move(send.message));
    }
  }

  /// Lets go of what waited for this write.
  void release(Ticket ticket) {
    durable_ticket_ = ticket;
    while (!held_.empty() && held_.front().after <= ticket) {
      transport_.send(std::move(held_.front().message));
      held_.pop_front();
    }
  }

  void execute(effect::Apply& apply) {
    apply_through_ = apply.through;
    if (!is_apply_postponed_) apply_more();
  }

  void apply_more() {
    const Index before = applied_;
    postponement_.reset();
    while (applied_ < apply_through_) {
      const Entry& entry = core_.log().at(applied_ + 1);
      Result<Payload> result = machine_.apply(entry);
      if (!result && result.error().kind == ErrorKind::kUnavailable) {
        is_apply_postponed_ = true;
        postponement_ = std::move(result.error().message);
        break;
      }
      if (!result) return stop("applying entry " + std::to_string(entry.index.value) + ": " + result.error().message);
      applied_ = entry.index;
      applied_bytes_ += entry_cost_bytes(entry);
      while (!awaiting_apply_.empty() && awaiting_apply_.front().id.index <= applied_) {
        AwaitingApply waiting = std::move(awaiting_apply_.front());
        awaiting_apply_.pop_front();
        waiting.done({Outcome::kCommitted, Refusal::kNone, waiting.id, std::move(*result)});
        if (stopped_) return;
      }
    }
    if (applied_ == before) return;
    events_.push_back(event::Applied{applied_});
    serve_reads(applied_);
    const bool due =
        applied_bytes_ >= options_.checkpoint_log_bytes || applied_ - checkpointed_ >= options_.checkpoint_entries;
    if (due) checkpoint_due_ = true;
  }

  void execute(effect::Appended& appended) { machine_.appended(appended.epoch, appended.sequence, appended.id); }

  void execute(effect::Reply& reply) {
    ProposalCallback& slot = callbacks_[reply.proposal.value - first_callback_];
    ProposalCallback done = std::exchange(slot, nullptr);
    while (!callbacks_.empty() && !callbacks_.front()) {
      callbacks_.pop_front();
      ++first_callback_;
    }
    if (reply.outcome == Outcome::kCommitted && reply.id.index > core_.applied()) {
      awaiting_apply_.push_back({reply.id, std::move(done)});
    } else {
      done({reply.outcome, reply.refusal, reply.id, {}});
    }
  }

  void execute(effect::ReadReady& ready) {
    auto read = reads_.extract(ready.read);
    if (read.empty()) return;
    wait_applied(ready.index, std::move(read.mapped()));
  }
  void execute(effect::ReadFailed& failed) {
    auto read = reads_.extract(failed.read);
    if (!read.empty()) read.mapped()({failed.refusal, {}});
  }
  void serve_reads(Index applied) {
    while (!waiting_applied_.empty() && waiting_applied_.begin()->first <= applied) {
      auto waiting = waiting_applied_.extract(waiting_applied_.begin());
      waiting.mapped()({Refusal::kNone, waiting.key()});
    }
  }

  void execute(effect::OpenSnapshot& open) {
    if (Result<SnapshotId> id = machine_.open_snapshot(open.to, open.base)) {
      events_.push_back(event::SnapshotOpened{open.to, *id});
    } else {
      events_.push_back(event::SnapshotUnavailable{open.to});
    }
  }
  void execute(effect::ReadSnapshot& read) {
    machine_.read_snapshot(read.to, read.offset, guarded([this, read](Result<SnapshotPiece> piece) {
                             if (!piece) return run(event::SnapshotUnavailable{read.to});
                             run(event::SnapshotRead{read.to, read.id, read.offset, std::move(piece->bytes),
                                                     piece->is_last ? std::uint8_t{1} : std::uint8_t{0}});
                           }));
  }
  void execute(effect::CloseSnapshot& close) { machine_.close_snapshot(close.to); }

  void execute(effect::StageSnapshot& stage) {
    machine_.stage_snapshot(stage.id, stage.offset, std::move(stage.bytes),
                            guarded([this, id = stage.id](Result<std::uint64_t> next) {
                              if (!next) return stop("staging a snapshot: " + next.error().message);
                              run(event::SnapshotStaged{id, *next});
                            }));
  }
  void execute(effect::InstallSnapshot& install) {
    machine_.install_snapshot(install.id, guarded([this, id = install.id](Result<CheckpointContext> installed) {
                                if (!installed && installed.error().kind == ErrorKind::kCorrupt) {
                                  run(event::SnapshotRejected{id});
                                  return resume_apply();
                                }
                                if (!installed) return stop("installing a snapshot: " + installed.error().message);
                                checkpointed_ = std::max(checkpointed_, id.last.index);
                                applied_ = std::max(applied_, id.last.index);
                                apply_through_ = std::max(apply_through_, id.last.index);
                                applied_bytes_ = 0;
                                // What was committed and is inside the snapshot has been applied out of our sight, with
                                // its result.
                                while (!awaiting_apply_.empty() && awaiting_apply_.front().id.index <= id.last.index) {
                                  AwaitingApply waiting = std::move(awaiting_apply_.front());
                                  awaiting_apply_.pop_front();
                                  waiting.done({Outcome::kUnknown, Refusal::kNone, waiting.id, {}});
                                }
                                run(event::SnapshotInstalled{id, std::move(installed->configuration), installed->time});
                                serve_reads(core_.applied());
                                resume_apply();
                              }));
  }

  void execute(effect::Compact& compact) { storage_.compact(compact.through); }
  void execute(effect::RoleChanged&) {}
  void execute(effect::ConfigurationChanged& changed) { transport_.reconfigure(changed.configuration); }
  void execute(effect::EpochChanged& changed) { machine_.epoch_changed(changed.epoch); }
  void execute(effect::Fatal& fatal) { stop(std::move(fatal.reason)); }

  NodeOptions options_;
  S& storage_;
  T& transport_;
  M& machine_;
  C& clock_;
  Core core_;
  Observer observer_;

  Effects effects_;
  std::deque<EventBody> events_;
  std::vector<Proposal> proposals_;
  bool running_ = false;
  bool stopped_ = false;
  std::string stop_reason_;
  std::shared_ptr<const char> life_ = std::make_shared<const char>('\0');

  std::deque<Held> held_;
  Ticket durable_ticket_;

  /// Callbacks of proposals by id: ids are consecutive, and settled in about the order in which they were given out.
  Ring<ProposalCallback> callbacks_;
  std::uint64_t first_callback_ = 1;
  Ring<AwaitingApply> awaiting_apply_;
  std::map<ReadId, ReadCallback> reads_;
  std::multimap<Index, ReadCallback> waiting_applied_;
  std::uint64_t next_read_ = 1;

  Index applied_;        ///< as core_.applied(), which hears of it a step later
  Index apply_through_;  ///< may be applied
  bool is_apply_postponed_ = false;
  std::optional<std::string> postponement_;

  bool checkpointing_ = false;
  bool checkpoint_due_ = false;
  std::size_t applied_bytes_ = 0;
  Index checkpointed_;
};

}  // namespace quorate
