// 128-bit fingerprints, by which the checker tells values, states and configurations apart. Two different things share
// one with a chance of about 2^-128 for each pair: less than the chance that the machine miscounts. Fixed constants, no
// seed: the same history gives the same run everywhere. Not for input that an adversary makes up.
#pragma once

#include <cstdint>

#include "consensus/random.hpp"

namespace quorate::checker {

struct Fingerprint {
  std::uint64_t low = 0;
  std::uint64_t high = 0;

  friend constexpr bool operator==(const Fingerprint&, const Fingerprint&) = default;
  constexpr Fingerprint& operator^=(Fingerprint other) {
    low ^= other.low;
    high ^= other.high;
    return *this;
  }
  friend constexpr Fingerprint operator^(Fingerprint left, Fingerprint right) { return left ^= right; }
  friend constexpr Fingerprint operator+(Fingerprint left, Fingerprint right) {
    return {left.low + right.low, left.high + right.high};
  }
  friend constexpr Fingerprint operator-(Fingerprint left, Fingerprint right) {
    return {left.low - right.low, left.high - right.high};
  }
};

/// Random-looking bits that depend on all of `from` and on the number; combining several of them with ^ stays sound.
[[nodiscard]] constexpr Fingerprint scramble(Fingerprint from, std::uint64_t number) {
  const std::uint64_t salt = (number + 1) * 0x9e3779b97f4a7c15ULL;
  return {mix_bits(from.low + salt), mix_bits(from.high + ~salt)};
}
[[nodiscard]] constexpr Fingerprint scramble(std::uint64_t number) { return scramble(Fingerprint{}, number); }

/// The fingerprint of a sequence of symbols, which can be lengthened by one symbol or by another sequence in constant
/// time: two polynomials modulo the prime 2^61 - 1.
class SequenceHash {
 public:
  constexpr void push(Fingerprint symbol) {
    sum_.low = add(multiply(sum_.low, kBase.low), reduce(symbol.low));
    sum_.high = add(multiply(sum_.high, kBase.high), reduce(symbol.high));
    power_.low = multiply(power_.low, kBase.low);
    power_.high = multiply(power_.high, kBase.high);
    ++length_;
  }

  constexpr void append(const SequenceHash& tail) {
    sum_.low = add(multiply(sum_.low, tail.power_.low), tail.sum_.low);
    sum_.high = add(multiply(sum_.high, tail.power_.high), tail.sum_.high);
    power_.low = multiply(power_.low, tail.power_.low);
    power_.high = multiply(power_.high, tail.power_.high);
    length_ += tail.length_;
  }

  [[nodiscard]] constexpr std::uint64_t length() const { return length_; }

  [[nodiscard]] constexpr Fingerprint fingerprint(std::uint64_t kind) const {
    return scramble(scramble(sum_, length_), kind);
  }

 private:
  __extension__ using Wide = unsigned __int128;
  static constexpr std::uint64_t kPrime = (std::uint64_t{1} << 61) - 1;
  static constexpr Fingerprint kBase{0x0b5ad4eceda1ce2aULL, 0x11c9a56e7f3b2d85ULL};

  static constexpr std::uint64_t reduce(std::uint64_t value) {
    value = (value & kPrime) + (value >> 61);
    return value >= kPrime ? value - kPrime : value;
  }
  static constexpr std::uint64_t add(std::uint64_t left, std::uint64_t right) { return reduce(left + right); }
  static constexpr std::uint64_t multiply(std::uint64_t left, std::uint64_t right) {
    const Wide product = Wide{left} * right;
    return add(static_cast<std::uint64_t>(product) & kPrime, static_cast<std::uint64_t>(product >> 61));
  }

  Fingerprint sum_;
  Fingerprint power_{1, 1};  ///< of the bases, as often as there are symbols
  std::uint64_t length_ = 0;
};

}  // namespace quorate::checker
