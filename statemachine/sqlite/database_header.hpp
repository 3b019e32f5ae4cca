// Where the fields of a database's header are, in the first hundred bytes of page 1 (SQLite's file format,
// section 1.3). All numbers are big-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace quorate::sqlite {

inline constexpr std::size_t kDatabaseHeaderBytes = 100;
inline constexpr std::size_t kPageSizeAt = 16;  ///< two bytes; 1 stands for 65,536
inline constexpr std::size_t kWriteVersionAt = 18;
inline constexpr std::size_t kReadVersionAt = 19;
inline constexpr std::size_t kChangeCounterAt = 24;
inline constexpr std::size_t kPageCountAt = 28;
inline constexpr std::size_t kSchemaCookieAt = 40;
inline constexpr std::size_t kVersionValidForAt = 92;

[[nodiscard]] inline std::uint32_t big_endian_16(std::span<const std::byte> bytes, std::size_t at) {
  return std::to_integer<std::uint32_t>(bytes[at]) << 8 | std::to_integer<std::uint32_t>(bytes[at + 1]);
}
[[nodiscard]] inline std::uint32_t big_endian_32(std::span<const std::byte> bytes, std::size_t at) {
  return big_endian_16(bytes, at) << 16 | big_endian_16(bytes, at + 2);
}
inline void write_big_endian_32(std::span<std::byte> bytes, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<std::byte>(value >> (8 * (3 - i)));
}

}  // namespace quorate::sqlite
