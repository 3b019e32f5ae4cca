#include "consensus/storage/log_replay.hpp"

#include <algorithm>

namespace quorate::storage {
namespace {

/// Of a start whose entry was in a segment that has been deleted. No entry has it.
constexpr Term kUnknownTerm{};

}  // namespace

bool LogReplay::has(LogId id) const {
  if (id.index == start_.index) return id.term == start_.term || start_.term == kUnknownTerm;
  return id.index > start_.index && id.index <= state_.last.index && entries_[id.index - start_.index - 1].id() == id;
}

/// Without damage, what a group states is what the groups before it amount to. Behind a hole the statement wins; and if
/// it names an entry that is here, then so is everything before that entry (Log Matching, Raft 5.3), and nothing is
/// missing.
void LogReplay::begin_group(const LogState& stated) {
  if (!is_detached_ && stated == state_) return;
  state_.hard_state = stated.hard_state;
  if (stated.base.index > state_.base.index) compact(stated.base);
  is_detached_ = !has(stated.last);
  if (is_detached_) {
    lose(stated.lost);
    lose(stated.last);
  } else {
    truncate_after(stated.last.index);
    learn_start(stated.last);
    state_.lost = stated.lost;
  }
}

void LogReplay::learn_start(LogId id) {
  if (id.index != start_.index) return;
  start_ = id;
  if (entries_.empty()) state_.last = id;
}

void LogReplay::apply(const Item& item, FoundBody body) {
  switch (item.type) {
    case ItemType::kHardState: state_.hard_state = item.hard_state(); return;
    case ItemType::kEntry: return append(item, std::move(body));
    case ItemType::kRepair: return repair(item, std::move(body));
    case ItemType::kTruncate: return truncate_after(item.id().index);
    case ItemType::kCompact: return compact(item.id());
    case ItemType::kReset: return reset(item.id());
  }
}

void LogReplay::append(const Item& item, FoundBody body) {
  const LogId id = item.id();
  if (is_detached_ || id.index != state_.last.index + 1) {
    is_detached_ = true;
    return lose(id);
  }
  if (body.is_damaged) damaged_.insert(id.index);
  entries_.push_back(item.entry(std::move(body.payload)));
  state_.last = id;
}

void LogReplay::repair(const Item& item, FoundBody body) {
  const LogId id = item.id();
  if (body.is_damaged || id.index <= start_.index || !has(id)) return;
  entries_[id.index - start_.index - 1].payload = std::move(body.payload);
  damaged_.erase(id.index);
}

void LogReplay::truncate_after(Index index) {
  if (index >= state_.last.index) return;
  if (index < start_.index) start_ = {kUnknownTerm, index};  // to where only deleted segments knew the log
  entries_.resize(std::min<std::uint64_t>(index - start_.index, entries_.size()));
  damaged_.erase(damaged_.upper_bound(index), damaged_.end());
  state_.last = entries_.empty() ? start_ : entries_.back().id();
}

void LogReplay::drop_front(std::size_t count, LogId start) {
  entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(count));
  damaged_.erase(damaged_.begin(), entries_.empty() ? damaged_.end() : damaged_.upper_bound(start.index));
  start_ = start;
  if (entries_.empty()) state_.last = start_;
}

void LogReplay::compact(LogId through) {
  state_.base = through;
  learn_start(through);
  if (through.index <= start_.index) return;
  drop_front(std::min<std::uint64_t>(through.index - start_.index, entries_.size()), through);
}

void LogReplay::reset(LogId base) {
  state_.base = base;
  drop_front(entries_.size(), base);
  state_.last = base;
  is_detached_ = false;
}

/// Notes that this id was once here. Term and index are kept apart at their largest: to be as far again, a log must
/// have reached both.
void LogReplay::lose(LogId id) {
  state_.lost = {std::max(state_.lost.term, id.term), std::max(state_.lost.index, id.index)};
}

Recovered LogReplay::finish() {
  if (state_.base.index < start_.index) {
    // The record that says up to where the front was dropped is lost: what was between is missing.
    lose(state_.last);
    drop_front(entries_.size(), state_.base);
  }
  HardState& hard_state = state_.hard_state;
  hard_state.commit = std::clamp(hard_state.commit, state_.base.index, state_.last.index);  // pitfall C16
  if (state_.last.index >= state_.lost.index && state_.last.term >= state_.lost.term) state_.lost = {};

  Recovered recovered{.hard_state = hard_state, .base = state_.base, .entries = std::move(entries_)};
  for (const Index index : damaged_) recovered.damaged.push_back(recovered.entries[index - state_.base.index - 1].id());
  recovered.promises_lost = state_.lost.index > Index{};
  return recovered;
}

}  // namespace quorate::storage
