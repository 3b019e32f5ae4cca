#include "consensus/fingerprint.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "consensus/wire/little_endian.hpp"

namespace quorate {

std::uint64_t fingerprint(std::span<const std::byte> bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

std::uint64_t fingerprint(std::uint64_t number, std::uint64_t seed) {
  std::byte bytes[sizeof number];
  wire::store_little_endian(bytes, number);
  return XXH3_64bits_withSeed(bytes, sizeof bytes, seed);
}

}  // namespace quorate
