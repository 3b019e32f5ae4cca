// Queued writes: acknowledged before they are executed, and executed together. They go on in the order in which they
// came, one batch at a time; what comes while a batch is on its way makes the next one.
//
// Once taken, a write is given up only with the process: a batch that had no effect, because there is no leader for
// instance, is repeated until it has; one of which that is not known too, by its idempotency key, which makes it take
// effect once. A write that fails is told to whoever waits for it, or complained about, and never keeps others from
// being executed.
//
// Bounded: beyond the capacity a write is taken, but not acknowledged before there is room; beyond kQueuedWritesMax and
// kQueuedBytesMax it is refused. Loop thread only. Nothing is durable before it is executed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/database.hpp"
#include "server/sql_outcome.hpp"
#include "server/write_queue_options.hpp"

namespace quorate::server {

inline constexpr std::size_t kQueuedWritesMax = std::size_t{64} << 10;
inline constexpr std::size_t kQueuedBytesMax = std::size_t{64} << 20;
/// Of one batch: what nodes pass on to each other is bounded, too.
inline constexpr std::size_t kBatchBytesMax = std::size_t{8} << 20;

struct QueuedWrite {
  std::vector<sqlite::SqlStatement> statements;
  sqlite::Atomicity atomicity = sqlite::Atomicity::kEach;
  /// It is in the queue for good. From within add(), or later.
  std::function<void()> acknowledge;
  /// It was executed: the first error of its statements, or nothing. May be null: nobody waits.
  std::function<void(const std::string& error)> executed;
};

class WriteQueue {
 public:
  /// Runs a request wherever the leader is (sql_route.hpp).
  using Run = std::function<void(SqlRequest request, std::function<void(SqlOutcome)> done)>;
  using After = std::function<void(Duration delay, std::function<void()> task)>;
  /// Hears of what failed and nobody waited for.
  using Complain = std::function<void(const std::string& what)>;

  /// `seed` tells the batches of this queue from all others that there ever were.
  WriteQueue(const WriteQueueOptions& options, std::uint64_t seed, Run run, After after, Complain complain);

  enum class Taken : std::uint8_t { kYes, kTooMuch };
  /// Nothing of a write that is too much is called back.
  [[nodiscard]] Taken add(QueuedWrite write);
  /// Executes what there is, without waiting for more; `done` when nothing is left. Once.
  void drain(std::function<void()> done);

  struct Stats {
    std::size_t waiting = 0;  ///< those on their way included
    std::uint64_t taken = 0;
    std::uint64_t executed = 0;
    std::uint64_t failed = 0;  ///< of those
    std::uint64_t batches = 0;
    std::uint64_t repeats = 0;  ///< of batches, for one of these reasons:
    std::uint64_t not_leader = 0;
    std::uint64_t refused = 0;  ///< there is no leader, or it takes nothing now
    std::uint64_t unknown = 0;  ///< it may have been executed
    std::uint64_t statements_taken = 0;
    std::uint64_t statements_executed = 0;
  };
  [[nodiscard]] Stats stats() const;

 private:
  struct Waiting {
    QueuedWrite write;
    std::size_t bytes = 0;
    bool is_alone = false;  ///< it was in a batch that failed as a whole
  };
  struct Batch;

  void send();
  void attempt(const std::shared_ptr<Batch>& batch);
  void repeat(const std::shared_ptr<Batch>& batch);
  void ended(const std::shared_ptr<Batch>& batch, const SqlOutcome& outcome);
  void tell_results(Batch& batch, const SqlOutcome& outcome);
  void send_one_by_one(Batch& batch);
  void put_back(Batch& batch, std::size_t from);
  void tell(const QueuedWrite& write, const std::string& error);
  void acknowledge_what_fits();
  void batch_is_over();

  const WriteQueueOptions options_;
  const std::uint64_t seed_;
  const Run run_;
  const After after_;
  const Complain complain_;
  std::deque<Waiting> waiting_;
  std::size_t acknowledged_ = 0;  ///< of waiting_, from the front
  std::size_t bytes_ = 0;         ///< of waiting_
  std::shared_ptr<Batch> sending_;
  bool is_timed_ = false;
  std::function<void()> drained_;
  Stats stats_;
};

}  // namespace quorate::server
