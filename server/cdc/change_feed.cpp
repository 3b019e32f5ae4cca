#include "server/cdc/change_feed.hpp"

#include <algorithm>
#include <utility>

#include <pthread.h>

#include "consensus/assert.hpp"

namespace quorate::cdc {

using sqlite::ChangeBatch;
using sqlite::ChangeIndex;
using sqlite::ChangePosition;

namespace {

/// After the queue could not be read, which a page that is being repaired explains.
constexpr Duration kReadPause = std::chrono::seconds(1);

std::uint64_t events_in(const ChangeBatch& batch) {
  std::uint64_t events = 0;
  for (const sqlite::ChangeGroup& group : batch.groups) events += group.changes.size();
  return events;
}

}  // namespace

ChangeFeed::ChangeFeed(FeedOptions options, std::unique_ptr<Sink> sink, Sender sender, Surroundings surroundings)
    : options_(std::move(options)),
      sink_(std::move(sink)),
      sender_(std::move(sender)),
      surroundings_(std::move(surroundings)),
      thread_([this] { work(); }) {
  pthread_setname_np(thread_.native_handle(), "quorate-cdc");
}

ChangeFeed::~ChangeFeed() { stop(); }

void ChangeFeed::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    life_.reset();
  }
  sink_->give_up();
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void ChangeFeed::lead(sqlite::PageStore& store) {
  const std::lock_guard lock(mutex_);
  if (lead_.store != nullptr) return;
  lead_ = {&store, lead_.number + 1};
  figures_.is_leading = true;
  figures_.delivered = {};
  wake_.notify_all();
}

void ChangeFeed::retire() {
  const std::lock_guard lock(mutex_);
  if (lead_.store == nullptr) return;
  lead_ = {nullptr, lead_.number + 1};
  figures_.is_leading = false;
  wake_.notify_all();
}

void ChangeFeed::look() {
  const std::lock_guard lock(mutex_);
  ++news_;
  wake_.notify_all();
}

ChangeFeed::Figures ChangeFeed::figures() const {
  const std::lock_guard lock(mutex_);
  return figures_;
}

// --- The thread ---

void ChangeFeed::work() {
  for (;;) {
    Lead lead;
    {
      Lock lock(mutex_);
      wake_.wait(lock, [this] { return is_stopping_ || lead_.store != nullptr; });
      if (is_stopping_) return;
      lead = lead_;
      forgotten_up_to_ = {};
    }
    deliver_all(lead);
  }
}

void ChangeFeed::deliver_all(const Lead& lead) {
  delivered_up_to_ = {};
  forgotten_at_ = Clock::now();
  for (bool is_current = true; is_current;) {
    std::uint64_t news = 0;
    {
      const std::lock_guard lock(mutex_);
      if (!holds_locked(lead)) return;
      news = news_;
    }
    Result<ChangeBatch> batch = read(lead, delivered_up_to_);
    if (batch && !batch->groups.empty() && batch->groups.size() < options_.batch_groups_max) {
      await_full_batch(lead, batch->groups.front().index);
      batch = read(lead, delivered_up_to_);
    }
    if (!batch) {
      surroundings_.warn("the queue of the change feed cannot be read: " + batch.error().message);
      is_current = pause(lead, kReadPause);
    } else if (batch->groups.empty()) {
      await_news(lead, news);
    } else {
      is_current = transmit(lead, *batch);
    }
    forget_if_due();
  }
}

Result<ChangeBatch> ChangeFeed::read(const Lead& lead, const ChangePosition& from) const {
  const sqlite::Pin pin = lead.store->pin(sqlite::PinKind::kApplied);
  return sqlite::read_changes(*lead.store, pin, from, {.groups = options_.batch_groups_max, .bytes = kBatchBytesMax});
}

void ChangeFeed::await_full_batch(const Lead& lead, ChangeIndex first) {
  const Clock::time_point deadline = Clock::now() + options_.batch_delay_max;
  Lock lock(mutex_);
  for (;;) {
    const std::uint64_t news = news_;
    lock.unlock();
    const Result<sqlite::ChangeQueueState> state =
        sqlite::change_queue_state(*lead.store, lead.store->pin(sqlite::PinKind::kApplied));
    if (!state || state->next.value - first.value >= options_.batch_groups_max) return;
    lock.lock();
    const auto is_over = [&] { return !holds_locked(lead) || news_ != news; };
    if (!wake_.wait_until(lock, deadline, is_over) || !holds_locked(lead)) return;
  }
}

/// Until there may be something to send, or to be forgotten.
void ChangeFeed::await_news(const Lead& lead, std::uint64_t known_news) {
  Lock lock(mutex_);
  const bool was_forgetting = is_forgetting_;
  const auto is_over = [&] { return !holds_locked(lead) || news_ != known_news || is_forgetting_ != was_forgetting; };
  const bool is_due_later = delivered_up_to_.index > std::max(forgotten_up_to_, ChangeIndex{1});
  if (is_due_later && !was_forgetting) {
    wake_.wait_until(lock, forgotten_at_ + options_.high_watermark_interval, is_over);
  } else {
    wake_.wait(lock, is_over);
  }
}

bool ChangeFeed::pause(const Lead& lead, Duration duration) {
  Lock lock(mutex_);
  return !wake_.wait_for(lock, duration, [&] { return !holds_locked(lead); });
}

bool ChangeFeed::transmit(const Lead& lead, const ChangeBatch& batch) {
  const std::string document = envelope_of(batch.groups, sender_);
  const std::uint64_t events = events_in(batch);
  Duration backoff = options_.backoff_min;
  for (std::uint64_t attempt = 0;; ++attempt) {
    const Result<void> sent = sink_->deliver(document);
    if (sent) {
      note_delivery(batch, events);
      break;
    }
    note_failure(sent.error().message);
    if (options_.retries_max && attempt >= *options_.retries_max) {
      note_drop(batch, events);
      break;
    }
    if (!pause(lead, backoff)) return false;
    if (options_.retry_policy == RetryPolicy::kExponential) backoff = std::min(backoff * 2, options_.backoff_max);
    const std::lock_guard lock(mutex_);
    ++figures_.retries;
  }
  delivered_up_to_ = batch.after;
  return true;
}

void ChangeFeed::note_failure(const std::string& why) {
  bool is_first = false;
  {
    const std::lock_guard lock(mutex_);
    if (is_stopping_) return;
    ++figures_.failures;
    is_first = figures_.last_error.empty();
    figures_.last_error = why;
  }
  // It is tried again and again; saying it once is enough.
  if (is_first) surroundings_.warn("the change feed is not delivered: " + why);
}

void ChangeFeed::note_delivery(const ChangeBatch& batch, std::uint64_t events) {
  std::string overcome;
  {
    const std::lock_guard lock(mutex_);
    ++figures_.documents_sent;
    figures_.groups_sent += batch.groups.size();
    figures_.events_sent += events;
    figures_.delivered = batch.groups.back().index;
    overcome.swap(figures_.last_error);
  }
  if (!overcome.empty()) surroundings_.inform("the change feed is delivered again");
}

void ChangeFeed::note_drop(const ChangeBatch& batch, std::uint64_t events) {
  {
    const std::lock_guard lock(mutex_);
    figures_.groups_dropped += batch.groups.size();
    figures_.events_dropped += events;
  }
  surroundings_.warn("the change feed gives up groups " + std::to_string(batch.groups.front().index.value) + " to " +
                     std::to_string(batch.groups.back().index.value) +
                     ", which the endpoint did not take within transmit_max_retries");
}

void ChangeFeed::forget_if_due() {
  const Clock::time_point now = Clock::now();
  if (now < forgotten_at_ + options_.high_watermark_interval) return;
  std::weak_ptr<const char> life;
  {
    const std::lock_guard lock(mutex_);
    if (is_stopping_ || is_forgetting_ || delivered_up_to_.index <= std::max(forgotten_up_to_, ChangeIndex{1})) return;
    is_forgetting_ = true;
    life = life_;
  }
  forgotten_at_ = now;
  surroundings_.forget(delivered_up_to_, [this, life, index = delivered_up_to_.index](const Result<void>& done) {
    // On the loop, which is where stop() is called.
    if (life.expired()) return;
    const std::lock_guard lock(mutex_);
    is_forgetting_ = false;
    wake_.notify_all();
    if (!done) return;
    ++figures_.forgotten;
    forgotten_up_to_ = std::max(forgotten_up_to_, index);
  });
}

}  // namespace quorate::cdc
