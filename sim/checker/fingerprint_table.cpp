#include "sim/checker/fingerprint_table.hpp"

#include <algorithm>
#include <utility>

#include "consensus/assert.hpp"

namespace quorate::checker {

bool MemoryBudget::reserve(std::size_t bytes) {
  if (bytes > bytes_max_ - used_) return false;
  used_ += bytes;
  peak_ = std::max(peak_, used_);
  return true;
}

void MemoryBudget::release(std::size_t bytes) {
  QUORATE_ASSERT(bytes <= used_);
  used_ -= bytes;
}

FingerprintIndex::Numbered FingerprintIndex::insert(Fingerprint fingerprint) {
  if ((known_.size() + 1) * 3 > slots_.size() * 2) grow();
  std::uint32_t& slot = slots_[slot_of(fingerprint)];
  if (slot != kEmpty) return {slot, false};
  QUORATE_ASSERT(known_.size() < kEmpty);
  slot = static_cast<std::uint32_t>(known_.size());
  known_.push_back(fingerprint);
  return {slot, true};
}

std::optional<std::uint32_t> FingerprintIndex::find(Fingerprint fingerprint) const {
  if (slots_.empty()) return std::nullopt;
  const std::uint32_t number = slots_[slot_of(fingerprint)];
  return number == kEmpty ? std::nullopt : std::optional(number);
}

std::size_t FingerprintIndex::bytes() const {
  return known_.capacity() * sizeof(Fingerprint) + slots_.capacity() * sizeof(std::uint32_t);
}

/// The slot that holds the fingerprint's number, or the empty one in which it belongs.
std::size_t FingerprintIndex::slot_of(Fingerprint fingerprint) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = fingerprint.low & mask;
  while (slots_[at] != kEmpty && known_[slots_[at]] != fingerprint) at = (at + 1) & mask;
  return at;
}

void FingerprintIndex::grow() {
  slots_.assign(std::max<std::size_t>(16, slots_.size() * 2), kEmpty);
  for (std::uint32_t number = 0; number < known_.size(); ++number) slots_[slot_of(known_[number])] = number;
}

void FingerprintSet::clear() {
  for (const Shard& shard : shards_) budget_->release(shard.slots.size() * sizeof(Fingerprint));
  shards_ = std::vector<Shard>(1);
}

FingerprintSet::Insertion FingerprintSet::insert(Fingerprint fingerprint) {
  if (fingerprint == kEmpty) fingerprint.low = 1;
  Shard* shard = &shard_of(fingerprint);
  Fingerprint* slot = shard->slots.empty() ? nullptr : &shard->slots[slot_of(*shard, fingerprint)];
  if (slot != nullptr && *slot == fingerprint) return Insertion::kKnown;
  if (shard->used * 4 >= shard->slots.size() * 3) {
    if (grow(*shard)) {
      shard = &shard_of(fingerprint);
      slot = &shard->slots[slot_of(*shard, fingerprint)];
    } else if (shard->used + 1 >= shard->slots.size()) {
      return Insertion::kFull;  // one slot stays empty, for probes to end
    }
  }
  *slot = fingerprint;
  ++shard->used;
  return Insertion::kNew;
}

std::size_t FingerprintSet::slot_of(const Shard& shard, Fingerprint fingerprint) {
  const std::size_t mask = shard.slots.size() - 1;
  std::size_t at = fingerprint.low & mask;
  while (shard.slots[at] != kEmpty && shard.slots[at] != fingerprint) at = (at + 1) & mask;
  return at;
}

bool FingerprintSet::grow(Shard& shard) {
  if (shards_.size() == 1 && shard.slots.size() >= kSlotsBeforeShards) return cut_into_shards();
  const std::size_t slots = std::max(kSlotsFirst, shard.slots.size() * 2);
  if (!budget_->reserve(slots * sizeof(Fingerprint))) return false;
  const Shard old = std::exchange(shard, Shard{std::vector<Fingerprint>(slots), shard.used});
  for (const Fingerprint& fingerprint : old.slots) {
    if (fingerprint != kEmpty) shard.slots[slot_of(shard, fingerprint)] = fingerprint;
  }
  budget_->release(old.slots.size() * sizeof(Fingerprint));
  return true;
}

bool FingerprintSet::cut_into_shards() {
  const std::size_t slots_each = kSlotsBeforeShards * 4 / kShards;
  if (!budget_->reserve(kShards * slots_each * sizeof(Fingerprint))) return false;
  const std::vector<Shard> old =
      std::exchange(shards_, std::vector<Shard>(kShards, Shard{std::vector<Fingerprint>(slots_each), 0}));
  for (const Fingerprint& fingerprint : old.front().slots) {
    if (fingerprint == kEmpty) continue;
    Shard& shard = shard_of(fingerprint);
    shard.slots[slot_of(shard, fingerprint)] = fingerprint;
    ++shard.used;
  }
  budget_->release(old.front().slots.size() * sizeof(Fingerprint));
  return true;
}

}  // namespace quorate::checker
