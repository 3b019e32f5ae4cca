// Fixed-width integers as bytes, the least significant first, whatever the machine: the one byte order of every format
// of this project.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace quorate::wire {

template <std::unsigned_integral T>
[[nodiscard]] constexpr T reverse_bytes(T value) {
  T reversed = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i) {
    reversed = static_cast<T>((static_cast<std::uint64_t>(reversed) << 8) | (static_cast<std::uint64_t>(value) & 0xff));
    value = static_cast<T>(static_cast<std::uint64_t>(value) >> 8);
  }
  return reversed;
}

template <std::unsigned_integral T>
void store_little_endian(std::byte* at, T value) {
  if constexpr (std::endian::native == std::endian::big) value = reverse_bytes(value);
  std::memcpy(at, &value, sizeof(T));
}

template <std::unsigned_integral T>
[[nodiscard]] T load_little_endian(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  if constexpr (std::endian::native == std::endian::big) value = reverse_bytes(value);
  return value;
}

}  // namespace quorate::wire
