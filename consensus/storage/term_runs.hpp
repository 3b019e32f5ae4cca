// The term of every index of a log, in the room of a few numbers: terms never decrease along a log (Raft 5.3), so only
// the places where they change are kept. A plain value.
#pragma once

#include <algorithm>
#include <vector>

#include "consensus/assert.hpp"
#include "consensus/types.hpp"

namespace quorate::storage {

class TermRuns {
 public:
  explicit TermRuns(LogId base = {}) : base_(base) {}

  /// Of an index from the base to the last one appended.
  [[nodiscard]] Term at(Index index) const {
    QUORATE_ASSERT(index >= base_.index);
    const auto after = std::ranges::upper_bound(runs_, index, {}, &LogId::index);
    return after == runs_.begin() ? base_.term : std::prev(after)->term;
  }

  void append(LogId id) {
    if (runs_.empty() ? id.term != base_.term : id.term != runs_.back().term) runs_.push_back(id);
  }
  void truncate_after(Index index) {
    while (!runs_.empty() && runs_.back().index > index) runs_.pop_back();
  }
  void compact(LogId through) {
    const auto after = std::ranges::upper_bound(runs_, through.index, {}, &LogId::index);
    runs_.erase(runs_.begin(), after);
    base_ = through;
  }
  void reset(LogId base) { *this = TermRuns(base); }

 private:
  LogId base_;
  std::vector<LogId> runs_;  ///< the first id of each term after the base's
};

}  // namespace quorate::storage
