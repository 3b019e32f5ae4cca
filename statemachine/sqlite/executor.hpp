// The leader's way of a request: from a client's statements to an entry of the log, and back with its results.
//
//   execute -> queue -> job: SQLite runs a batch on the newest version and seals it -> bundle -> propose -> applied ->
//   done
//
// Requests are taken in the order in which they came, as many as there are at once. The next batch runs as soon as the
// last one is sealed and proposed, on top of what is not committed yet; but nobody is told anything before the versions
// that it rests upon are committed. While an interactive session holds the write slot, other writers wait in the queue.
//
// How a request ends is certain, or said to be unknown: what is still in the queue when the leadership is lost, or its
// deadline passes, had no effect; what has been proposed ends as its entry does; what is proposed and not confirmed by
// its deadline is unknown. A statement that is running at its deadline, when the stop flag of its request goes up, or
// when the leadership is lost is interrupted, and undone.
//
// What an earlier leader has staged of a load (loader.hpp) and did not bring to its end is dropped as an epoch begins.
//
// A request with a key takes effect once: one that is repeated while the first is under way waits for it, and one that
// is repeated later gets the answer that was kept.
//
// Threads: everything on the node's strand, `done` too, which is called exactly once, possibly from within the call.
// SQL runs in jobs of the runner, one at a time. Destroy it only when none is at work or will be; what is open then is
// dropped.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consensus/node.hpp"
#include "statemachine/sqlite/batch.hpp"
#include "statemachine/sqlite/interactive.hpp"
#include "statemachine/sqlite/jobs.hpp"
#include "statemachine/sqlite/machine.hpp"
#include "statemachine/sqlite/request.hpp"

namespace quorate::sqlite {

struct ExecutorOptions {
  ConnectionOptions connection;           ///< `now` is the strand's clock as well
  std::function<std::uint64_t()> random;  ///< tokens of sessions; called within jobs
  Duration session_idle_max = std::chrono::seconds(30);
  Duration session_transaction_max = std::chrono::seconds(300);
  /// Requests that wait; more are refused.
  std::size_t queue_max = 65'536;
  /// Of one batch. The bytes are those of SQL and parameters.
  std::size_t batch_requests_max = 1024;
  std::size_t batch_bytes_max = std::size_t{1} << 20;
  /// Of entries proposed and not yet applied. Keep it well below what the engine takes, whose refusal ends an epoch.
  std::size_t in_flight_bytes_max = std::size_t{32} << 20;
  std::size_t bundles_in_flight_max = 64;
  /// While a bundle is in flight the next one begins so long after it at the earliest, and takes with it what has come
  /// by then. Where a bundle is committed sooner than that, one is in flight at a time, as large as can be; where a
  /// round trip is long, several are.
  Duration bundle_interval{};
  std::size_t part_bytes = kDeltaPartBytes;
  /// Called on the strand whenever something of this leader's has been committed; may be null.
  std::function<void()> committed;
};

/// What the answer to a request that changes nothing rests on.
enum class Proof : std::uint8_t {
  kLog,   ///< an entry of its own: nobody else led when it was answered
  kHead,  ///< that this node believed to lead
};

struct Submission {
  Request request;
  std::string idempotency_key;  ///< empty: none
  Instant deadline = Instant::max();
  Proof proof = Proof::kLog;
};

struct Execution {
  enum class End : std::uint8_t {
    kDone,       ///< it ran; errors of statements are in the response
    kNotLeader,  ///< this node does not lead, or not any more; it had no effect
    kRefused,    ///< not now: overloaded, out of time; it had no effect
    kInvalid,    ///< it will never be possible; it had no effect
    kTooLarge,   ///< larger than a named limit; it had no effect
    kUnknown,    ///< it may have taken effect, now or later
  };
  enum class Answer : std::uint8_t {
    kFirst,     ///< of this execution
    kRepeated,  ///< of an earlier one with the same key
    kNotKept,   ///< there was an earlier one with the same key, whose response was too large to keep
  };

  End end = End::kDone;
  std::string error;  ///< for people; empty if done
  Response response;
  Answer answer = Answer::kFirst;
  Index log_index;             ///< of the entry that carries it; 0 if it needed none
  std::uint32_t position = 0;  ///< in the order of the requests of that entry
  Index state_index;           ///< the state at this index contains what the response tells of
};

enum class TransactionEnd : std::uint8_t { kCommit, kRollBack };

class Executor {
 public:
  using Propose = std::function<void(Payload, Epoch, std::uint64_t sequence, ProposalCallback)>;
  using Done = std::function<void(Execution)>;

  /// `machine` outlives the executor, which becomes its listener. `propose` is Node::propose(), after which the owner
  /// sees to it that the turn is flushed.
  Executor(SqliteMachine& machine, ExecutorOptions options, JobRunner sql_jobs, Propose propose);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// Everything that needs no session.
  void execute(Submission submission, Done done);

  /// Opens a session with a transaction that holds the write slot (BEGIN IMMEDIATE), waiting for the slot if need be.
  void begin(Instant deadline, std::function<void(Execution, std::string token)> done);
  /// In the session's transaction. Keys have no meaning here: the client knows what it has sent.
  void execute_in(std::string token, Submission submission, Done done);
  /// Ends the transaction, and the session with it, whether or not the commit succeeds.
  void end(std::string token, TransactionEnd how, Instant deadline, Done done);

  /// Whether requests are taken now.
  [[nodiscard]] bool can_write() const { return epoch_ != Epoch{}; }
  /// When expire() has something to do next.
  [[nodiscard]] std::optional<Instant> next_deadline() const;
  /// Ends what is over its deadline, and sessions that are over their limits.
  void expire(Instant now);

  struct Stats {
    std::size_t queued = 0;
    std::size_t bundles_in_flight = 0;
    std::size_t bytes_in_flight = 0;
    std::size_t sessions = 0;
    std::uint64_t requests = 0;  ///< run, ever
    std::uint64_t batches = 0;   ///< jobs that ran requests, ever
    std::uint64_t bundles = 0;   ///< proposed, ever
    std::uint64_t repeats = 0;   ///< answered without execution, ever
  };
  [[nodiscard]] Stats stats() const;

 private:
  struct Waiter;
  struct Item;
  struct Job;
  struct Bundle;
  struct Engine;
  using ItemPtr = std::shared_ptr<Item>;
  using Deadlines = std::multimap<Instant, std::weak_ptr<Item>>;

  // Taking in.
  [[nodiscard]] bool answer_repeat(const Submission& submission, std::uint64_t fingerprint, Done& done);
  void enqueue(std::deque<ItemPtr>& queue, const ItemPtr& item, Instant deadline, Done done);
  void wait(const ItemPtr& item, Instant deadline, Done done);

  // Running.
  void run_next();
  [[nodiscard]] bool may_run() const;
  [[nodiscard]] std::vector<ItemPtr> take_batch();
  void start(std::vector<ItemPtr> items);
  void finished(Job& job);
  [[nodiscard]] bool goes_back_for_slot(Job& job);

  // Proposing.
  void bundle_up(Job& job);
  void send_off(const std::shared_ptr<Bundle>& bundle, std::vector<Payload> parts);
  void propose_more();
  void proposed(const std::shared_ptr<Bundle>& bundle, std::size_t bytes, const ProposalResult& result);
  void settle(const std::shared_ptr<Bundle>& bundle, Execution::End end, LogId id);

  // Answering.
  void answer(const ItemPtr& item, Execution execution);
  void give_up(const ItemPtr& item, Execution::End end, std::string error);
  void expire_waiters(const ItemPtr& item, Instant now);
  void epoch_changed(Epoch epoch);
  void begin_epoch();
  void drop_left_over();
  void end_epoch();

  SqliteMachine& machine_;
  ExecutorOptions options_;
  JobRunner sql_jobs_;
  Propose propose_;
  std::shared_ptr<Engine> engine_;  ///< shared with the job that is running
  std::shared_ptr<std::atomic<bool>> stop_ = std::make_shared<std::atomic<bool>>(false);  ///< ... which it ends

  Epoch epoch_;
  Epoch next_epoch_;                     ///< begins when the job of an earlier one has ended
  std::deque<ItemPtr> queue_;            ///< who needs the write slot, first come first served
  std::deque<ItemPtr> session_queue_;    ///< requests of sessions
  std::map<std::string, ItemPtr> keys_;  ///< of requests under way
  Deadlines deadlines_;

  bool is_running_ = false;
  bool is_slot_held_ = false;  ///< by a session
  std::optional<Instant> session_expiry_;
  std::vector<InteractiveToken> abandoned_;  ///< sessions that nobody knows of
  bool are_chores_due_ = false;              ///< sessions are to be closed

  struct Outgoing {
    std::shared_ptr<Bundle> bundle;
    Payload part;
  };
  std::deque<Outgoing> outgoing_;                  ///< sealed, not yet proposed
  std::deque<std::shared_ptr<Bundle>> in_flight_;  ///< sealed, not yet settled; oldest first
  std::size_t bytes_in_flight_ = 0;
  Instant last_sent_off_;
  std::uint64_t next_proposal_ = 0;  ///< of this epoch
  std::uint64_t next_bundle_ = 0;    ///< of this epoch

  Stats stats_;
  std::shared_ptr<const char> life_ = std::make_shared<const char>();
};

}  // namespace quorate::sqlite
