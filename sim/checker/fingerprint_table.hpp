// Flat hash tables of fingerprints with open addressing: an index that numbers them, and the search's memo, a set that
// may grow to gigabytes. A fingerprint is its own hash. Nothing iterates over a table, so its layout decides nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "sim/checker/fingerprint.hpp"

namespace quorate::checker {

/// What all tables of one check may use together.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;

  /// False, and nothing is reserved, if it would be too much.
  [[nodiscard]] bool reserve(std::size_t bytes);
  void release(std::size_t bytes);
  [[nodiscard]] std::size_t peak() const { return peak_; }

 private:
  std::size_t bytes_max_;
  std::size_t used_ = 0;
  std::size_t peak_ = 0;
};

/// Memory of one owner, given back at its end.
class Reservation {
 public:
  explicit Reservation(MemoryBudget& budget) : budget_(&budget) {}
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  ~Reservation() { budget_->release(bytes_); }

  /// False, and nothing changes, if it would be too much. Never gives anything back.
  [[nodiscard]] bool raise_to(std::size_t bytes) {
    if (bytes <= bytes_) return true;
    if (!budget_->reserve(bytes - bytes_)) return false;
    bytes_ = bytes;
    return true;
  }

 private:
  MemoryBudget* budget_;
  std::size_t bytes_ = 0;
};

/// Numbers distinct fingerprints 0, 1, 2, ... in the order in which they come.
class FingerprintIndex {
 public:
  struct Numbered {
    std::uint32_t number;
    bool is_new;
  };
  Numbered insert(Fingerprint fingerprint);
  [[nodiscard]] std::optional<std::uint32_t> find(Fingerprint fingerprint) const;
  [[nodiscard]] Fingerprint operator[](std::uint32_t number) const { return known_[number]; }
  [[nodiscard]] std::size_t size() const { return known_.size(); }
  [[nodiscard]] std::size_t bytes() const;

 private:
  static constexpr std::uint32_t kEmpty = UINT32_MAX;

  [[nodiscard]] std::size_t slot_of(Fingerprint fingerprint) const;
  void grow();

  std::vector<Fingerprint> known_;
  std::vector<std::uint32_t> slots_;  ///< a power of two of them, never full
};

/// A set of fingerprints within a budget. It starts small, and once it is large it is cut into shards that grow one at
/// a time, so that no single insertion takes long or needs the whole set's memory twice.
class FingerprintSet {
 public:
  enum class Insertion { kNew, kKnown, kFull };

  explicit FingerprintSet(MemoryBudget& budget) : budget_(&budget), shards_(1) {}
  FingerprintSet(const FingerprintSet&) = delete;
  FingerprintSet& operator=(const FingerprintSet&) = delete;
  ~FingerprintSet() { clear(); }

  void clear();
  [[nodiscard]] Insertion insert(Fingerprint fingerprint);

 private:
  static constexpr std::size_t kShards = 64;
  static constexpr std::size_t kSlotsFirst = 16;
  static constexpr std::size_t kSlotsBeforeShards = std::size_t{1} << 16;
  static constexpr Fingerprint kEmpty{};

  struct Shard {
    std::vector<Fingerprint> slots;
    std::size_t used = 0;
  };

  Shard& shard_of(Fingerprint fingerprint) { return shards_[(fingerprint.high >> 32) & (shards_.size() - 1)]; }
  static std::size_t slot_of(const Shard& shard, Fingerprint fingerprint);
  bool grow(Shard& shard);
  bool cut_into_shards();

  MemoryBudget* budget_;
  std::vector<Shard> shards_;
};

}  // namespace quorate::checker
