// 64-bit fingerprints of bytes and numbers, for the digests by which replicas are compared. The values are the same on
// every platform and in every build: they travel and are stored, so that changing them is a change of format. They find
// divergence and rot, and are no defence against somebody who forges bytes on purpose. Pure functions, any thread.
//
// The digest of a collection is the sum (modulo 2^64) of one term per element: a change costs as much as what it
// touches, in whatever order the changes come.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace quorate {

/// XXH3-64 of the bytes; `seed` binds them to where they stand, for example to the fingerprint of their key.
[[nodiscard]] std::uint64_t fingerprint(std::span<const std::byte> bytes, std::uint64_t seed = 0);
[[nodiscard]] inline std::uint64_t fingerprint(std::string_view text, std::uint64_t seed = 0) {
  return fingerprint(std::as_bytes(std::span(text)), seed);
}
/// Of a number; 0 included.
[[nodiscard]] std::uint64_t fingerprint(std::uint64_t number, std::uint64_t seed);

}  // namespace quorate
