// A history cut into parts that can be judged one by one (P-compositionality, Horn and Kroening 2015): a history is
// linearizable if and only if each part is. A part holds the operations on one key, or on several keys that operations
// on more than one tie together, reduced to what a search needs. Copies what it needs of the history.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "consensus/result.hpp"
#include "sim/checker/history.hpp"
#include "sim/checker/models.hpp"

namespace quorate::checker {

/// Numbers of operations of a history, in increasing order.
using Operations = std::vector<std::uint32_t>;

/// One list for each group of keys that belong together. Refused operations are in none.
[[nodiscard]] std::vector<Operations> group_by_keys(const History& history);

/// Place of a call or a return in the order of one partition's events.
using Moment = std::uint32_t;
inline constexpr Moment kNeverReturns = UINT32_MAX;

/// One access to one object of the partition.
struct Access {
  Action action;
  std::uint32_t object;  ///< number of the key within the partition
  Traits traits;
};

/// One operation of the partition. Calls are numbered in the order of their invocation.
struct Call {
  static constexpr std::uint32_t kNoTwin = UINT32_MAX;

  std::uint32_t operation;  ///< number in the history
  std::uint32_t first_access;
  std::uint32_t accesses;
  Moment invoked;
  Moment returned;               ///< kNeverReturns if its outcome is unknown
  std::uint32_t twin = kNoTwin;  ///< an earlier call that does the same and need not be ordered after this one
  bool is_observation;           ///< no access ever changes anything
};

struct Partition {
  std::vector<ValueId> keys;  ///< one object each
  std::vector<Call> calls;
  std::vector<Access> accesses;
  std::vector<std::uint32_t> by_return;  ///< the calls that return, in the order in which they do

  [[nodiscard]] std::span<const Access> accesses_of(const Call& call) const {
    return {accesses.data() + call.first_access, call.accesses};
  }

  /// As if the history had ended after so many returns; of what returns later only the calls are known.
  void forget_returns_after(std::size_t returns);
};

/// The part of a model that partitioning needs.
struct ModelFacts {
  std::string_view name;
  std::string_view accepted;
  bool (*accepts)(Function);
  Traits (*traits)(const Action&);
};
template <Model M>
inline constexpr ModelFacts kFactsOf{M::kName, M::kAccepted, M::accepts, M::traits};

/// Says which operation the model does not know, if there is one.
[[nodiscard]] Result<void> check_functions(const History& history, const ModelFacts& model);

/// Leaves out operations whose presence decides nothing.
[[nodiscard]] Partition make_partition(const History& history, const Operations& operations, const ModelFacts& model);

/// For people: where an operation comes from: "line 7", or "operation 7" if the history was not read from a file.
[[nodiscard]] std::string place_of(const History& history, std::size_t operation);

}  // namespace quorate::checker
