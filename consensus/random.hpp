// The project's own source of randomness: a value that can be copied, compared and hashed with whatever holds it. The
// distributions of the standard library differ between implementations, and a seed must mean the same run everywhere,
// so the bounded draws are written out here, without floating point. Not for secrets.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "consensus/assert.hpp"
#include "consensus/types.hpp"

namespace quorate {

/// Spreads the bits of a number over all 64 (the finaliser of SplitMix64); a bijection.
[[nodiscard]] constexpr std::uint64_t mix_bits(std::uint64_t value) {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9ULL;
  value = (value ^ (value >> 27)) * 0x94d049bb133111ebULL;
  return value ^ (value >> 31);
}

/// A probability in millionths: integers, so that a draw is the same on every machine.
struct PartsPerMillion {
  std::uint32_t value = 0;

  friend constexpr auto operator<=>(const PartsPerMillion&, const PartsPerMillion&) = default;
};
inline constexpr std::uint32_t kMillion = 1'000'000;
[[nodiscard]] constexpr PartsPerMillion percent(std::uint32_t value) { return {value * (kMillion / 100)}; }

/// xoshiro256** (Blackman, Vigna), seeded through SplitMix64.
class Random {
 public:
  explicit constexpr Random(std::uint64_t seed) {
    for (std::uint64_t& word : state_) word = mix_bits(seed += 0x9e3779b97f4a7c15ULL);
  }

  /// 64 uniform bits.
  constexpr std::uint64_t next() {
    const std::uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  /// Uniform in [0, bound), without bias (Lemire's multiplication with rejection). `bound` must not be 0.
  constexpr std::uint64_t below(std::uint64_t bound) {
    QUORATE_ASSERT(bound != 0);
    Wide product = Wide{next()} * bound;
    if (static_cast<std::uint64_t>(product) < bound) {
      const std::uint64_t biased = (0 - bound) % bound;
      while (static_cast<std::uint64_t>(product) < biased) product = Wide{next()} * bound;
    }
    return static_cast<std::uint64_t>(product >> 64);
  }

  /// Uniform in [first, last]; both ends are possible.
  constexpr std::uint64_t between(std::uint64_t first, std::uint64_t last) {
    QUORATE_ASSERT(first <= last);
    const std::uint64_t width = last - first;
    return width == UINT64_MAX ? next() : first + below(width + 1);
  }

  constexpr Duration between(Duration first, Duration last) {
    QUORATE_ASSERT(first <= last);
    return first + Duration{static_cast<Duration::rep>(below(static_cast<std::uint64_t>((last - first).count()) + 1))};
  }

  /// True with the given probability. 0 and 1 draw nothing.
  constexpr bool chance(PartsPerMillion probability) {
    if (probability.value == 0) return false;
    return probability.value >= kMillion || below(kMillion) < probability.value;
  }

  /// An independent generator for one purpose: what others draw from theirs does not change what this one gives.
  [[nodiscard]] constexpr Random fork(std::uint64_t purpose) const {
    return Random(mix_bits(state_[0] ^ std::rotl(state_[3], 17)) ^ mix_bits(purpose + 0x9e3779b97f4a7c15ULL));
  }

  friend constexpr bool operator==(const Random&, const Random&) = default;

 private:
  __extension__ using Wide = unsigned __int128;

  std::array<std::uint64_t, 4> state_{};
};

}  // namespace quorate
