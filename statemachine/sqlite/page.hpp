// The vocabulary of the page store: numbers of pages, databases and versions, and page images. Values only; nothing
// here reads or writes anything.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "consensus/assert.hpp"
#include "consensus/effect.hpp"
#include "consensus/payload.hpp"
#include "consensus/types.hpp"
#include "statemachine/sqlite/limits.hpp"

namespace quorate::sqlite {

/// A database of a node; the same number on every replica. 0 is "none"; 1 is the one that is always there by
/// convention.
using DatabaseId = StrongNumber<struct DatabaseIdTag>;
/// A page within a database, counted from 1 as SQLite does.
using PageNumber = StrongNumber<struct PageNumberTag>;
/// How many pages a database has.
using PageCount = StrongNumber<struct PageCountTag>;
/// A position in this store's own chain of versions. Never reused within a process life, not even after speculation was
/// dropped, and meaningless outside the process: what is replicated is named by LogId.
using VersionId = StrongNumber<struct VersionIdTag>;

/// SQLite numbers pages with 32 bits and uses at most 2^32 - 2 of them.
inline constexpr std::uint64_t kPageNumberMax = 0xFFFF'FFFE;

/// The name of a version while the leader that made it does not know yet whether it will be committed.
struct Speculation {
  Epoch epoch;
  std::uint64_t sequence = 0;

  friend constexpr auto operator<=>(const Speculation&, const Speculation&) = default;
};

/// A power of two from 512 to 65536; fixed for the life of a database.
class PageSize {
 public:
  constexpr PageSize() = default;
  [[nodiscard]] static constexpr std::optional<PageSize> of(std::uint64_t bytes) {
    if (!std::has_single_bit(bytes) || bytes < kPageBytesMin || bytes > kPageBytesMax) return std::nullopt;
    PageSize size;
    size.bytes_ = static_cast<std::uint32_t>(bytes);
    return size;
  }
  [[nodiscard]] constexpr std::size_t bytes() const { return bytes_; }
  [[nodiscard]] constexpr std::uint8_t log2() const { return static_cast<std::uint8_t>(std::countr_zero(bytes_)); }
  friend constexpr bool operator==(PageSize, PageSize) = default;

 private:
  std::uint32_t bytes_ = 4096;
};

/// The bytes of one page. Empty stands for a page of zeros, whatever the page size: a hole, or a page cut off.
using PageImage = Payload;

/// A page of zeros of any size.
[[nodiscard]] inline std::span<const std::byte> zero_page(PageSize size) {
  static constexpr std::array<std::byte, kPageBytesMax> kZeros{};
  return std::span(kZeros).first(size.bytes());
}

/// The image's bytes, with a hole spelled out as zeros.
[[nodiscard]] inline std::span<const std::byte> bytes_of(const PageImage& image, PageSize size) {
  QUORATE_ASSERT(image.empty() || image.size() == size.bytes());
  return image.empty() ? zero_page(size) : image.bytes();
}

/// SQLite keeps its lock bytes at 1 GiB; the page that holds them is never written and counts as zeros everywhere.
[[nodiscard]] constexpr PageNumber lock_byte_page(PageSize size) {
  return PageNumber{(std::uint64_t{1} << 30) / size.bytes() + 1};
}

}  // namespace quorate::sqlite
