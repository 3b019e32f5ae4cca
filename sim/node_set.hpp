// A set of nodes of a simulated cluster, as a value of one word. Simulated node ids are small numbers.
#pragma once

#include <bit>
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

#include "consensus/assert.hpp"
#include "consensus/random.hpp"
#include "consensus/types.hpp"

namespace quorate::sim {

/// Ids of simulated nodes are 1..kNodesMax.
inline constexpr std::uint64_t kNodesMax = 63;

class NodeSet {
 public:
  constexpr NodeSet() = default;
  constexpr NodeSet(std::initializer_list<NodeId> nodes) {
    for (const NodeId node : nodes) insert(node);
  }
  static constexpr NodeSet from_bits(std::uint64_t bits) {
    NodeSet set;
    set.bits_ = bits;
    return set;
  }
  /// Nodes 1..count.
  static constexpr NodeSet first(std::uint64_t count) {
    QUORATE_ASSERT(count <= kNodesMax);
    return from_bits((std::uint64_t{1} << count) - 1);
  }

  constexpr void insert(NodeId node) { bits_ |= bit(node); }
  constexpr void erase(NodeId node) { bits_ &= ~bit(node); }
  [[nodiscard]] constexpr bool contains(NodeId node) const { return (bits_ & bit(node)) != 0; }
  [[nodiscard]] constexpr std::size_t size() const { return static_cast<std::size_t>(std::popcount(bits_)); }
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  [[nodiscard]] constexpr std::uint64_t bits() const { return bits_; }

  friend constexpr NodeSet operator|(NodeSet a, NodeSet b) { return from_bits(a.bits_ | b.bits_); }
  friend constexpr NodeSet operator&(NodeSet a, NodeSet b) { return from_bits(a.bits_ & b.bits_); }
  friend constexpr NodeSet operator-(NodeSet a, NodeSet b) { return from_bits(a.bits_ & ~b.bits_); }
  friend constexpr bool operator==(NodeSet, NodeSet) = default;

  /// In ascending order of id.
  class Iterator {
   public:
    constexpr explicit Iterator(std::uint64_t rest) : rest_(rest) {}
    constexpr NodeId operator*() const { return NodeId{static_cast<std::uint64_t>(std::countr_zero(rest_)) + 1}; }
    constexpr Iterator& operator++() { return rest_ &= rest_ - 1, *this; }
    friend constexpr bool operator==(Iterator, Iterator) = default;

   private:
    std::uint64_t rest_;
  };
  [[nodiscard]] constexpr Iterator begin() const { return Iterator(bits_); }
  [[nodiscard]] constexpr Iterator end() const { return Iterator(0); }

 private:
  static constexpr std::uint64_t bit(NodeId node) {
    QUORATE_ASSERT(node.value - 1 < kNodesMax);
    return std::uint64_t{1} << (node.value - 1);
  }

  std::uint64_t bits_ = 0;
};

/// In a random order.
[[nodiscard]] inline std::vector<NodeId> shuffled(Random& random, NodeSet nodes) {
  std::vector<NodeId> order;
  for (const NodeId node : nodes) order.push_back(node);
  for (std::size_t left = order.size(); left > 1; --left) std::swap(order[left - 1], order[random.below(left)]);
  return order;
}

}  // namespace quorate::sim
