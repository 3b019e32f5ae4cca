// Which of several nodes that belong to no cluster begins one, where the list of nodes is looked up anew all the time
// and need not be the same for all of them.
//
// Every node that hears of as many as are expected, itself included, chooses the one with the least address, and says
// so whenever it is asked. The chosen one begins the cluster once so many have told it, in one round of questions, that
// they have chosen it. A choice is a promise: whoever wants to choose another one first has none for longer than a
// round of questions may take, and asks on meanwhile; if the former one has begun a cluster, it hears of that, and
// joins it. So for two clusters to come about, a node would have to choose one founder, lose sight of it for good in
// the moment in which it begins, and be needed by another one.
//
// A value with a little state; loop thread only.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "consensus/types.hpp"

namespace quorate::discovery {

/// A round of questions that took longer proves nothing.
inline constexpr Duration kRoundMax = std::chrono::seconds(3);
/// Between two choices.
inline constexpr Duration kPromise = std::chrono::seconds(6);
static_assert(kPromise >= 2 * kRoundMax);

class FounderChoice {
 public:
  /// What another node that belongs to no cluster has said in this round.
  struct Heard {
    std::string name;
    std::string address;  ///< as it advertises it
    std::string choice;   ///< empty: none
  };

  FounderChoice(std::string name, std::string address, std::size_t expected)
      : name_(std::move(name)), address_(std::move(address)), expected_(expected) {}

  /// After a round of questions that was begun at `asked`: true if this node is to begin the cluster, now.
  [[nodiscard]] bool weigh(Instant asked, Instant now, const std::vector<Heard>& heard);

  /// The address of the node that it has chosen; empty: none.
  [[nodiscard]] const std::string& choice() const { return choice_; }

 private:
  void choose(const std::string& address, Instant now);

  std::string name_;
  std::string address_;
  std::size_t expected_;
  std::string choice_;
  Instant free_at_;  ///< no choice before
};

}  // namespace quorate::discovery
