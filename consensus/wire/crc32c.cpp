#include "consensus/wire/crc32c.hpp"

#include <array>

#include "consensus/wire/little_endian.hpp"

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <arm_acle.h>
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace quorate::wire {
namespace {

constexpr std::uint32_t kPolynomialReversed = 0x82f63b78;

/// tables[k][b]: what byte b contributes when k more bytes follow it.
constexpr auto kTables = [] {
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomialReversed : 0);
    tables[0][byte] = crc;
  }
  for (std::size_t k = 1; k < tables.size(); ++k) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t before = tables[k - 1][byte];
      tables[k][byte] = (before >> 8) ^ tables[0][before & 0xff];
    }
  }
  return tables;
}();

#if defined(__x86_64__)

__attribute__((target("sse4.2"))) std::uint32_t crc32c_sse42(std::uint32_t so_far, const std::byte* data,
                                                             std::size_t size) {
  std::uint64_t crc = ~so_far;
  for (; size >= 8; data += 8, size -= 8) crc = _mm_crc32_u64(crc, load_little_endian<std::uint64_t>(data));
  auto narrow = static_cast<std::uint32_t>(crc);
  for (; size > 0; ++data, --size) narrow = _mm_crc32_u8(narrow, std::to_integer<std::uint8_t>(*data));
  return ~narrow;
}

detail::Crc32cFunction by_instruction() { return __builtin_cpu_supports("sse4.2") != 0 ? &crc32c_sse42 : nullptr; }

#elif defined(__aarch64__) && defined(__linux__)

#if defined(__clang__)
__attribute__((target("crc")))
#else
__attribute__((target("+crc")))
#endif
std::uint32_t
crc32c_armv8(std::uint32_t so_far, const std::byte* data, std::size_t size) {
  std::uint32_t crc = ~so_far;
  for (; size >= 8; data += 8, size -= 8) crc = __crc32cd(crc, load_little_endian<std::uint64_t>(data));
  for (; size > 0; ++data, --size) crc = __crc32cb(crc, std::to_integer<std::uint8_t>(*data));
  return ~crc;
}

detail::Crc32cFunction by_instruction() { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0 ? &crc32c_armv8 : nullptr; }

#else

detail::Crc32cFunction by_instruction() { return nullptr; }

#endif

}  // namespace

namespace detail {

std::uint32_t crc32c_by_tables(std::uint32_t so_far, const std::byte* data, std::size_t size) {
  std::uint32_t crc = ~so_far;
  for (; size >= 8; data += 8, size -= 8) {
    const std::uint32_t low = load_little_endian<std::uint32_t>(data) ^ crc;
    const std::uint32_t high = load_little_endian<std::uint32_t>(data + 4);
    crc = kTables[7][low & 0xff] ^ kTables[6][(low >> 8) & 0xff] ^ kTables[5][(low >> 16) & 0xff] ^
          kTables[4][low >> 24] ^ kTables[3][high & 0xff] ^ kTables[2][(high >> 8) & 0xff] ^
          kTables[1][(high >> 16) & 0xff] ^ kTables[0][high >> 24];
  }
  for (; size > 0; ++data, --size) crc = (crc >> 8) ^ kTables[0][(crc ^ std::to_integer<std::uint32_t>(*data)) & 0xff];
  return ~crc;
}

Crc32cFunction crc32c_by_instruction() { return by_instruction(); }

}  // namespace detail

Crc32c crc32c(std::span<const std::byte> bytes, Crc32c so_far) {
  static const detail::Crc32cFunction fastest =
      by_instruction() != nullptr ? by_instruction() : &detail::crc32c_by_tables;
  return Crc32c{fastest(so_far.value, bytes.data(), bytes.size())};
}

}  // namespace quorate::wire
