// Delivers the queue of the change feed to its endpoint, in order, as long as this node leads: reads what is committed,
// sends it in batches, repeats what fails, and has what was delivered forgotten. A new leader goes on with what has not
// been forgotten, so that everything is delivered once at least; whoever wants it once at most compares indexes.
//
// However slow the endpoint is, nobody else waits for it: what is not delivered yet stays in the queue, which is on
// disk, and no more than one batch of it is in memory.
//
// Threads: a thread of its own reads and sends. open(), lead(), retire(), stop() and the destructor on the loop, the
// rest on any.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "consensus/result.hpp"
#include "server/cdc/envelope.hpp"
#include "server/cdc/feed_options.hpp"
#include "server/cdc/sink.hpp"
#include "statemachine/sqlite/change_queue.hpp"
#include "statemachine/sqlite/page_store.hpp"

namespace quorate::cdc {

/// Groups that are sent together are no larger in the queue than this, but for the last of them.
inline constexpr std::size_t kBatchBytesMax = std::size_t{4} << 20;

class ChangeFeed {
 public:
  /// Called on the feed's thread.
  struct Surroundings {
    /// Has what is before a position forgotten, by all replicas, and calls back on the loop.
    std::function<void(sqlite::ChangePosition, std::function<void(Result<void>)> done)> forget;
    std::function<void(const std::string&)> warn;
    std::function<void(const std::string&)> inform;
  };

  ChangeFeed(FeedOptions options, std::unique_ptr<Sink> sink, Sender sender, Surroundings surroundings);
  ~ChangeFeed();
  ChangeFeed(const ChangeFeed&) = delete;
  ChangeFeed& operator=(const ChangeFeed&) = delete;

  /// This node leads. The store must be there until stop().
  void lead(sqlite::PageStore& store);
  /// It does not. What is being sent may still arrive.
  void retire();
  /// Something may have been put into the queue.
  void look();
  /// For good. Afterwards nobody uses the store any more.
  void stop();

  struct Figures {
    bool is_leading = false;
    sqlite::ChangeIndex delivered;     ///< the last group that was, since this node leads; 0: none
    std::uint64_t groups_sent = 0;     ///< and accepted, as all below that are "sent"
    std::uint64_t events_sent = 0;     ///< the rows in them
    std::uint64_t documents_sent = 0;  ///< the requests, or lines, that they came in
    std::uint64_t failures = 0;        ///< attempts that failed
    std::uint64_t retries = 0;         ///< attempts that were not the first
    std::uint64_t groups_dropped = 0;  ///< given up because of transmit_max_retries
    std::uint64_t events_dropped = 0;
    std::uint64_t forgotten = 0;  ///< how often the queue was shortened
    std::string last_error;       ///< empty if the last attempt succeeded
  };
  [[nodiscard]] Figures figures() const;

 private:
  using Clock = std::chrono::steady_clock;
  struct Lead {
    sqlite::PageStore* store = nullptr;
    std::uint64_t number = 0;
  };
  using Lock = std::unique_lock<std::mutex>;

  void work();
  void deliver_all(const Lead& lead);
  [[nodiscard]] Result<sqlite::ChangeBatch> read(const Lead& lead, const sqlite::ChangePosition& from) const;
  void await_full_batch(const Lead& lead, sqlite::ChangeIndex first);
  void await_news(const Lead& lead, std::uint64_t known_news);
  bool transmit(const Lead& lead, const sqlite::ChangeBatch& batch);
  void note_failure(const std::string& why);
  void note_delivery(const sqlite::ChangeBatch& batch, std::uint64_t events);
  void note_drop(const sqlite::ChangeBatch& batch, std::uint64_t events);
  void forget_if_due();
  /// Whether the lead is still held, after having waited so long for it to end.
  bool pause(const Lead& lead, Duration duration);
  [[nodiscard]] bool holds_locked(const Lead& lead) const { return !is_stopping_ && lead.number == lead_.number; }

  const FeedOptions options_;
  const std::unique_ptr<Sink> sink_;
  const Sender sender_;
  const Surroundings surroundings_;

  // The thread's own.
  sqlite::ChangePosition delivered_up_to_;
  Clock::time_point forgotten_at_;

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable wake_;
  Lead lead_;  ///< without a store: this node does not lead
  std::uint64_t news_ = 0;
  sqlite::ChangeIndex forgotten_up_to_;
  bool is_forgetting_ = false;
  bool is_stopping_ = false;
  Figures figures_;
  std::shared_ptr<const char> life_ = std::make_shared<const char>();
  std::thread thread_;
};

}  // namespace quorate::cdc
