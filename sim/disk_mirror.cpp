#include "sim/disk_mirror.hpp"

#include <algorithm>

#include "consensus/assert.hpp"

namespace quorate::sim {

void DiskMirror::submitted(const PersistBatch& batch) {
  pending_.push_back({batch.ticket, batch.reset_to, batch.truncate_after, batch.hard_state, batch.entries.size()});
  for (const Entry& entry : batch.entries) pending_terms_.push_back(entry.term);
}

void DiskMirror::completed(Ticket ticket) {
  while (!pending_.empty() && pending_.front().ticket <= ticket) {
    const Pending& write = pending_.front();
    if (write.reset_to) {
      base_ = *write.reset_to;
      terms_.clear();
    }
    if (write.truncate_after) cut_after(*write.truncate_after);
    if (write.hard_state) hard_state_ = *write.hard_state;
    const auto first = pending_terms_.begin();
    const auto end = first + static_cast<std::ptrdiff_t>(write.entries);
    terms_.insert(terms_.end(), first, end);
    pending_terms_.erase(first, end);
    pending_.pop_front();
  }
}

void DiskMirror::compacted(LogId through) {
  while (base_.index < through.index && !terms_.empty()) {
    base_ = {terms_.front(), base_.index + 1};
    terms_.pop_front();
  }
}

void DiskMirror::recovered(const Recovered& found) {
  pending_.clear();
  pending_terms_.clear();
  hard_state_ = found.hard_state;
  base_ = found.base;
  terms_.clear();
  for (const Entry& entry : found.entries) terms_.push_back(entry.term);
}

bool DiskMirror::holds(LogId id) const {
  if (id.index <= base_.index) return id.index < base_.index || id.term == base_.term;
  const std::uint64_t at = id.index - base_.index - 1;
  return at < terms_.size() && terms_[at] == id.term;
}

LogId DiskMirror::last() const { return terms_.empty() ? base_ : LogId{terms_.back(), base_.index + terms_.size()}; }

bool DiskMirror::is_kept_by(const Recovered& found) const {
  if (found.hard_state.term < hard_state_.term) return false;
  const bool same_term = found.hard_state.term == hard_state_.term;
  if (same_term && hard_state_.voted_for != kNoNode && found.hard_state.voted_for != hard_state_.voted_for)
    return false;

  // A write under way at the crash may have reached the disk: a truncation takes entries away, a reset all of them.
  Index kept_through = last().index;
  for (const Pending& write : pending_) {
    if (write.truncate_after) kept_through = std::min(kept_through, *write.truncate_after);
    if (write.reset_to && found.base == *write.reset_to) return true;
  }
  for (Index index = std::max(base_.index, found.base.index) + 1; index <= kept_through; ++index) {
    const std::uint64_t at = index - found.base.index - 1;
    if (at >= found.entries.size() || found.entries[at].term != terms_[index - base_.index - 1]) return false;
  }
  return true;
}

void DiskMirror::cut_after(Index index) {
  if (index < base_.index) {
    terms_.clear();
    return;
  }
  const std::uint64_t keep = index - base_.index;
  if (keep < terms_.size()) terms_.erase(terms_.begin() + static_cast<std::ptrdiff_t>(keep), terms_.end());
}

}  // namespace quorate::sim
