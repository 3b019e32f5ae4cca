// The numbers of the protocol, each a type of its own, so that a term cannot be passed where an index is meant.
// Values only: no behaviour beyond comparison and arithmetic that makes sense for the number.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>

namespace quorate {

/// A 64-bit number that only compares and mixes with its own kind.
template <class Tag>
struct StrongNumber {
  std::uint64_t value = 0;

  friend constexpr auto operator<=>(const StrongNumber&, const StrongNumber&) = default;
};

/// A Raft term. 0 is "before the first election".
using Term = StrongNumber<struct TermTag>;
/// A position in the replicated log. 0 is "before the first entry".
using Index = StrongNumber<struct IndexTag>;
/// Drawn at random when a cluster is created; frames and directories of another cluster are refused.
using ClusterId = StrongNumber<struct ClusterIdTag>;
/// Identifies a server within its cluster for ever. 0 is "no node".
using NodeId = StrongNumber<struct NodeIdTag>;
/// Created with a data directory and part of the configuration: a wiped server comes back with another one.
using Incarnation = StrongNumber<struct IncarnationTag>;
/// Counts process starts on one data directory; echoed in every answer, so that answers to an earlier life are ignored.
using Boot = StrongNumber<struct BootTag>;
/// Counts lost-majority recoveries of a cluster; members of an older generation are refused.
using Generation = StrongNumber<struct GenerationTag>;
/// Names a client request within one process life of one node.
using ProposalId = StrongNumber<struct ProposalIdTag>;
using ReadId = StrongNumber<struct ReadIdTag>;
/// Numbers the writes handed to storage by one core; completions arrive in this order.
using Ticket = StrongNumber<struct TicketTag>;

inline constexpr NodeId kNoNode{};

constexpr Index operator+(Index index, std::uint64_t count) { return Index{index.value + count}; }
constexpr Index operator-(Index index, std::uint64_t count) { return Index{index.value - count}; }
constexpr std::uint64_t operator-(Index to, Index from) { return to.value - from.value; }
constexpr Index& operator++(Index& index) { return ++index.value, index; }
constexpr Term operator+(Term term, std::uint64_t count) { return Term{term.value + count}; }

/// Names one entry of the log: no two different entries ever share it (Raft 5.3, Log Matching).
/// Ordered as the up-to-date rule of Raft 5.4.1 compares logs: by term first, then by index.
struct LogId {
  Term term;
  Index index;

  friend constexpr auto operator<=>(const LogId&, const LogId&) = default;
};

/// The monotonic time that events carry. Its zero is the start of the process (or of the simulated world);
/// values of different nodes are never compared.
struct MonotonicTime {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonotonicTime>;
  static constexpr bool is_steady = true;
};
using Instant = MonotonicTime::time_point;
using Duration = MonotonicTime::duration;

}  // namespace quorate

template <class Tag>
struct std::hash<quorate::StrongNumber<Tag>> {
  std::size_t operator()(quorate::StrongNumber<Tag> number) const noexcept {
    return std::hash<std::uint64_t>{}(number.value);
  }
};
