// The part of the replicated log that is in memory: everything behind the last compaction. Not durable by itself; what
// is durable is bookkeeping of the core. A plain value.
//
// Invariants: indexes are contiguous from base().index + 1; terms never decrease (Raft 5.3).
#pragma once

#include <optional>
#include <vector>

#include "consensus/assert.hpp"
#include "consensus/entry.hpp"
#include "consensus/ring.hpp"
#include "consensus/types.hpp"

namespace quorate {

class Log {
 public:
  Log() = default;
  Log(LogId base, std::vector<Entry> entries);

  /// The id that the first entry follows; what is at and before it is covered by a snapshot.
  [[nodiscard]] LogId base() const { return base_; }
  [[nodiscard]] LogId last() const { return entries_.empty() ? base_ : entries_.back().id(); }
  [[nodiscard]] Index first_index() const { return base_.index + 1; }
  [[nodiscard]] bool contains(Index index) const { return index > base_.index && index <= last().index; }
  /// What the bodies in memory and their fields take.
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

  /// The entry's term; the base's term at the base; nothing elsewhere.
  [[nodiscard]] std::optional<Term> term_at(Index index) const;
  /// Whether the log has exactly this entry (or ends its snapshot with it).
  [[nodiscard]] bool matches(LogId id) const { return term_at(id.index) == id.term; }
  [[nodiscard]] const Entry& at(Index index) const {
    QUORATE_ASSERT(contains(index));
    return entries_[index - first_index()];
  }
  /// Entries from `first`, at least one if there is one, as long as together they stay below both limits.
  [[nodiscard]] std::vector<Entry> slice(Index first, std::size_t bytes_max, std::size_t count_max) const;
  /// The last own id whose index is at most `bound.index` and whose term is at most `bound.term`: where the logs may
  /// still agree, if the other log has `bound`. Never before the base.
  [[nodiscard]] LogId last_at_most(LogId bound) const;

  void append(Entry entry);
  void truncate_after(Index index);
  /// Forgets everything up to and including `through`, which must be in the log or be the base.
  void compact(LogId through);
  /// Forgets everything; goes on behind `base`.
  void reset(LogId base);
  /// Puts the body of an entry that was damaged on disk in its place.
  void repair(const Entry& entry);

  friend bool operator==(const Log&, const Log&) = default;

 private:
  LogId base_;
  Ring<Entry> entries_;
  std::size_t bytes_ = 0;
};

}  // namespace quorate
