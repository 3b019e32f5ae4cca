// A Storage that keeps its log in memory and forgets it with the process: for benchmarks of the engine, and for tests
// that are not about disks. What was completed can be recovered() from as if it had been read from a disk; what was
// submitted and not completed is not in it. Used on the node's strand only.
#pragma once

#include <deque>
#include <memory>
#include <utility>

#include "consensus/assert.hpp"
#include "consensus/concepts.hpp"
#include "consensus/effect.hpp"

namespace quorate::storage {

template <SerialExecutor Executor>
class MemoryStorage {
 public:
  /// `executor` outlives the storage; its jobs do nothing, it only decides when writes complete.
  explicit MemoryStorage(Executor& executor) : executor_(&executor) {}
  MemoryStorage(const MemoryStorage&) = delete;
  MemoryStorage& operator=(const MemoryStorage&) = delete;

  void submit(PersistBatch batch, Completion<LogId> done) {
    submitted_.push_back({std::move(batch), std::move(done)});
    executor_->run([] {},
                   [this, life = std::weak_ptr<const char>(life_)] {
                     if (!life.expired()) complete_first();
                   });
  }

  void compact(LogId through) {
    if (through.index <= base_.index || through.index > last().index) return;
    entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(through.index - base_.index));
    base_ = through;
  }

  /// `incarnation` and `boot` are left to the caller.
  [[nodiscard]] Recovered recovered() const {
    return {.hard_state = hard_state_, .base = base_, .entries = {entries_.begin(), entries_.end()}};
  }

 private:
  struct Submitted {
    PersistBatch batch;
    Completion<LogId> done;
  };

  [[nodiscard]] LogId last() const { return entries_.empty() ? base_ : entries_.back().id(); }

  void complete_first() {
    Submitted first = std::move(submitted_.front());
    submitted_.pop_front();
    apply(first.batch);
    first.done(last());
  }

  void apply(PersistBatch& batch) {
    if (batch.reset_to) {
      entries_.clear();
      base_ = *batch.reset_to;
    }
    if (batch.truncate_after && *batch.truncate_after < last().index) {
      entries_.resize(*batch.truncate_after - base_.index);
    }
    if (batch.hard_state) hard_state_ = *batch.hard_state;
    for (Entry& entry : batch.entries) {
      QUORATE_ASSERT(entry.index == last().index + 1);
      entries_.push_back(std::move(entry));
    }
    for (Entry& repair : batch.repairs) {
      entries_.at(repair.index - base_.index - 1).payload = std::move(repair.payload);
    }
  }

  Executor* executor_;
  std::deque<Submitted> submitted_;
  HardState hard_state_;
  LogId base_;
  std::deque<Entry> entries_;
  std::shared_ptr<const char> life_ = std::make_shared<const char>();
};

}  // namespace quorate::storage
