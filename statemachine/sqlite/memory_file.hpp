// A file in memory, for what SQLite wants to write down but nobody needs to keep: rollback journals, super-journals,
// temporary tables, sorters. Grows in chunks, so that appending never copies; keeps one chunk when it is emptied, for
// the next transaction's journal. One thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

namespace quorate::sqlite {

/// Memory that several files share; a write that would exceed it is refused.
class MemoryBudget {
 public:
  explicit MemoryBudget(std::uint64_t bytes_max) : bytes_max_(bytes_max) {}
  [[nodiscard]] bool take(std::uint64_t bytes) {
    if (bytes > bytes_max_ - used_) return false;
    used_ += bytes;
    return true;
  }
  void give_back(std::uint64_t bytes) { used_ -= bytes; }
  [[nodiscard]] std::uint64_t used() const { return used_; }

 private:
  std::uint64_t bytes_max_;
  std::uint64_t used_ = 0;
};

class MemoryFile {
 public:
  /// The budget outlives the file.
  explicit MemoryFile(MemoryBudget& budget) : budget_(&budget) {}
  ~MemoryFile() { budget_->give_back(chunks_.size() * kChunkBytes); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  [[nodiscard]] std::uint64_t size() const { return size_; }

  /// Fills `into` with zeros where the file ends before; returns how many bytes there were.
  std::size_t read(std::uint64_t offset, std::span<std::byte> into) const {
    const std::uint64_t there = offset < size_ ? std::min<std::uint64_t>(into.size(), size_ - offset) : 0;
    const auto count = static_cast<std::size_t>(there);
    for_each_chunk(offset, count, [&](const Chunk& chunk, std::size_t at, std::size_t done, std::size_t length) {
      std::memcpy(into.data() + done, chunk.data() + at, length);
    });
    std::ranges::fill(into.subspan(count), std::byte{0});
    return count;
  }

  /// False if the budget does not allow it; nothing is written then.
  [[nodiscard]] bool write(std::uint64_t offset, std::span<const std::byte> from) {
    if (!reserve(offset + from.size())) return false;
    for_each_chunk(offset, from.size(), [&](Chunk& chunk, std::size_t at, std::size_t done, std::size_t length) {
      std::memcpy(chunk.data() + at, from.data() + done, length);
    });
    size_ = std::max(size_, offset + from.size());
    return true;
  }

  /// Only ever cuts.
  void truncate(std::uint64_t size) {
    if (size >= size_) return;
    const std::size_t keep = std::max<std::size_t>(1, static_cast<std::size_t>((size + kChunkBytes - 1) / kChunkBytes));
    if (keep < chunks_.size()) {
      budget_->give_back((chunks_.size() - keep) * kChunkBytes);
      chunks_.resize(keep);
    }
    // What is behind the end must read as zeros if the file grows over it.
    for_each_chunk(size, static_cast<std::size_t>(std::min<std::uint64_t>(size_, keep * kChunkBytes) - size),
                   [](Chunk& chunk, std::size_t at, std::size_t, std::size_t length) {
                     std::memset(chunk.data() + at, 0, length);
                   });
    size_ = size;
  }

 private:
  static constexpr std::size_t kChunkBytes = std::size_t{64} << 10;
  using Chunk = std::array<std::byte, kChunkBytes>;

  [[nodiscard]] bool reserve(std::uint64_t size) {
    while (chunks_.size() * kChunkBytes < size) {
      if (!budget_->take(kChunkBytes)) return false;
      chunks_.push_back(std::make_unique<Chunk>());
    }
    return true;
  }

  template <class Visit>
  void for_each_chunk(std::uint64_t offset, std::size_t count, Visit&& visit) const {
    for (std::size_t done = 0; done < count;) {
      const auto at = static_cast<std::size_t>((offset + done) % kChunkBytes);
      const std::size_t length = std::min(count - done, kChunkBytes - at);
      visit(*chunks_[static_cast<std::size_t>((offset + done) / kChunkBytes)], at, done, length);
      done += length;
    }
  }

  MemoryBudget* budget_;
  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::uint64_t size_ = 0;
};

}  // namespace quorate::sqlite
