#include "consensus/log.hpp"

#include <algorithm>

namespace quorate {

Log::Log(LogId base, std::vector<Entry> entries) : base_(base) {
  for (Entry& entry : entries) append(std::move(entry));
}

std::optional<Term> Log::term_at(Index index) const {
  if (index == base_.index) return base_.term;
  if (!contains(index)) return std::nullopt;
  return at(index).term;
}

std::vector<Entry> Log::slice(Index first, std::size_t bytes_max, std::size_t count_max) const {
  std::vector<Entry> entries;
  if (!contains(first)) return entries;
  const std::size_t available = std::min<std::size_t>(count_max, last().index - first + 1);
  std::size_t bytes = 0;
  std::size_t count = 0;
  auto entry = entries_.begin() + static_cast<std::ptrdiff_t>(first - first_index());
  for (; count < available; ++count, ++entry) {
    bytes += entry_cost_bytes(*entry);
    if (count > 0 && bytes > bytes_max) break;
  }
  entries.reserve(count);
  entries.insert(entries.end(), entry - static_cast<std::ptrdiff_t>(count), entry);
  return entries;
}

LogId Log::last_at_most(LogId bound) const {
  if (entries_.empty() || bound.index <= base_.index) return base_;
  const auto end = entries_.begin() + static_cast<std::ptrdiff_t>(std::min(bound.index, last().index) - base_.index);
  // Terms never decrease, so the entries of later terms than the bound are a suffix.
  const auto later =
      std::partition_point(entries_.begin(), end, [&](const Entry& entry) { return entry.term <= bound.term; });
  return later == entries_.begin() ? base_ : std::prev(later)->id();
}

void Log::append(Entry entry) {
  QUORATE_ASSERT(entry.index == last().index + 1);
  QUORATE_ASSERT(entry.term >= last().term);
  bytes_ += entry_cost_bytes(entry);
  entries_.push_back(std::move(entry));
}

void Log::truncate_after(Index index) {
  QUORATE_ASSERT(index >= base_.index);
  while (last().index > index) {
    bytes_ -= entry_cost_bytes(entries_.back());
    entries_.pop_back();
  }
}

void Log::compact(LogId through) {
  QUORATE_ASSERT(matches(through));
  while (!entries_.empty() && entries_.front().index <= through.index) {
    bytes_ -= entry_cost_bytes(entries_.front());
    entries_.pop_front();
  }
  base_ = through;
}

void Log::reset(LogId base) {
  entries_.clear();
  bytes_ = 0;
  base_ = base;
}

void Log::repair(const Entry& entry) {
  QUORATE_ASSERT(contains(entry.index));
  Entry& damaged = entries_[entry.index - first_index()];
  QUORATE_ASSERT(damaged.term == entry.term);
  bytes_ += entry.payload.size();
  bytes_ -= damaged.payload.size();
  damaged = entry;
}

}  // namespace quorate
