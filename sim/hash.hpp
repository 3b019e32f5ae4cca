// An order-dependent 64-bit hash of what happened in a run, the same on every build.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string_view>

#include "consensus/fingerprint.hpp"
#include "consensus/random.hpp"
#include "consensus/types.hpp"

namespace quorate::sim {

class Hasher {
 public:
  constexpr void add(std::uint64_t value) { state_ = (std::rotl(state_, 29) ^ value) * 0x9fb21c651e98df25ULL; }
  template <class Tag>
  constexpr void add(StrongNumber<Tag> number) {
    add(number.value);
  }
  constexpr void add(const LogId& id) {
    add(id.term);
    add(id.index);
  }
  void add(std::span<const std::byte> bytes) { add(fingerprint(bytes)); }
  void add(std::string_view text) { add(fingerprint(text)); }

  [[nodiscard]] constexpr std::uint64_t value() const { return mix_bits(state_); }

 private:
  std::uint64_t state_ = 0x243f6a8885a308d3ULL;
};

}  // namespace quorate::sim
