// Is there an order of the operations, each at one instant between its invocation and its return, in which a correct
// object would have answered as recorded? (Herlihy and Wing 1990.) Operations of unknown outcome may take effect at any
// time after their invocation, or never.
//
// The question is hard in the worst case, so the answer may be that nobody knows: never take kUnknown for a pass. One
// thread, no clock: time comes in as a function, and without one the same history always gets the same answer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consensus/result.hpp"
#include "sim/checker/history.hpp"
#include "sim/checker/models.hpp"
#include "sim/checker/search.hpp"

namespace quorate::checker {

enum class Verdict : std::uint8_t { kLinearizable, kNotLinearizable, kUnknown };

/// Why a check ended without an answer.
enum class Exhausted : std::uint8_t { kNothing, kSteps, kMemory, kTime };

struct CheckLimits {
  std::uint64_t steps_max = std::numeric_limits<std::uint64_t>::max();  ///< a step tries one operation
  std::size_t memory_bytes_max = std::size_t{2} << 30;  ///< of what the search remembers, without the history itself
  std::function<bool()> is_time_up;                     ///< asked every few thousand steps; may be empty
};

/// Evidence against a history. Operations are numbers of the history.
struct Violation {
  std::vector<ValueId> keys;           ///< of the part of the history that has no order
  std::size_t operation = 0;           ///< no order explains it together with all that returned before it
  std::vector<std::size_t> order;      ///< explains all that returned before it
  std::vector<std::string> states;     ///< what that order leaves, one for each key
  std::vector<std::size_t> in_flight;  ///< had been invoked when it returned and is not in that order; holds it too
  /// The limits did not suffice to search for less: it may be that an earlier return is the first without an
  /// explanation, and `order` may be empty.
  bool is_first = true;
};

struct Report {
  Verdict verdict = Verdict::kUnknown;
  Exhausted exhausted = Exhausted::kNothing;
  std::optional<Violation> violation;  ///< if the verdict is kNotLinearizable
  std::vector<ValueId> undecided;      ///< keys of the parts without an answer, if the verdict is kUnknown
  std::size_t partitions = 0;
  std::uint64_t steps = 0;
  std::size_t memory_bytes_peak = 0;
};

namespace detail {

/// A partition's search, whatever its model.
class AnySearch {
 public:
  virtual ~AnySearch() = default;
  virtual Progress run(std::uint64_t steps) = 0;
  [[nodiscard]] virtual std::uint64_t steps() const = 0;
  [[nodiscard]] virtual const Partition& partition() const = 0;
  [[nodiscard]] virtual std::vector<std::uint32_t> order() const = 0;
  [[nodiscard]] virtual std::vector<std::string> states() const = 0;
  [[nodiscard]] virtual std::uint32_t explained_at_most() const = 0;
};

template <Model M>
class SearchOf final : public AnySearch {
 public:
  SearchOf(const History& history, const M& model, const Operations& operations, std::uint32_t returns,
           MemoryBudget& budget)
      : search_(history.values(), model, make_partition(history, operations, kFactsOf<M>), returns, budget) {}

  Progress run(std::uint64_t steps) override { return search_.run(steps); }
  std::uint64_t steps() const override { return search_.steps(); }
  const Partition& partition() const override { return search_.partition(); }
  std::vector<std::uint32_t> order() const override { return search_.order(); }
  std::uint32_t explained_at_most() const override { return search_.explained_at_most(); }
  std::vector<std::string> states() const override {
    std::vector<std::string> texts;
    for (const auto& state : search_.states()) texts.push_back(M::describe(state, search_.values()));
    return texts;
  }

 private:
  Search<M> search_;
};

/// Makes a search over these operations for an order that explains their first returns.
using SearchFactory =
    std::function<std::unique_ptr<AnySearch>(const Operations&, std::uint32_t returns, MemoryBudget&)>;

[[nodiscard]] Report judge(const History& history, const SearchFactory& make_search, const CheckLimits& limits);

}  // namespace detail

/// Fails if the history holds something that the model does not know.
template <Model M>
[[nodiscard]] Result<Report> check(const History& history, const M& model, const CheckLimits& limits = {}) {
  if (Result<void> known = check_functions(history, kFactsOf<M>); !known) return tl::unexpected(known.error());
  return detail::judge(
      history,
      [&](const Operations& operations, std::uint32_t returns, MemoryBudget& budget) {
        return std::make_unique<detail::SearchOf<M>>(history, model, operations, returns, budget);
      },
      limits);
}

/// The same for a model chosen at run time.
[[nodiscard]] Result<Report> check(const History& history, const AnyModel& model, const CheckLimits& limits = {});

}  // namespace quorate::checker
