// CRC-32C (Castagnoli), the checksum of every frame and of every stored record. Finds what disks and networks do by
// accident; it is no defence against an adversary. Pure functions, any thread.
//
// One of three implementations is chosen at the first use: the CPU's own instruction (SSE 4.2, ARMv8 CRC), or tables
// that take eight bytes at a time. A property test holds them against each other.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <span>

namespace quorate::wire {

struct Crc32c {
  std::uint32_t value = 0;

  friend constexpr auto operator<=>(const Crc32c&, const Crc32c&) = default;
};

/// The checksum of `bytes`, or, with `so_far`, of what `so_far` covers followed by `bytes`.
[[nodiscard]] Crc32c crc32c(std::span<const std::byte> bytes, Crc32c so_far = {});

/// The form in which a checksum is stored. The CRC of data that contains its own CRC is a constant; rotated and offset,
/// a stored checksum does not weaken the checksum of whatever it is embedded in.
[[nodiscard]] constexpr std::uint32_t masked(Crc32c crc) {
  return ((crc.value >> 15) | (crc.value << 17)) + 0xa282ead8U;
}

namespace detail {

using Crc32cFunction = std::uint32_t (*)(std::uint32_t so_far, const std::byte* data, std::size_t size);

[[nodiscard]] std::uint32_t crc32c_by_tables(std::uint32_t so_far, const std::byte* data, std::size_t size);
/// The implementation that uses the CPU's instruction, or null if this CPU has none.
[[nodiscard]] Crc32cFunction crc32c_by_instruction();

}  // namespace detail
}  // namespace quorate::wire
