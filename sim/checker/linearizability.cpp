#include "sim/checker/linearizability.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace quorate::checker {
namespace {

/// In each round every partition without an answer gets so many more steps. One that is easy and wrong is found even if
/// all others are hard, and at most a constant factor of the work is lost by the changes.
constexpr std::uint64_t kStepsFirstRound = 1024;
constexpr std::uint64_t kRoundGrowth = 4;
/// Between two looks at the clock: well below a millisecond unless single steps are slow.
constexpr std::uint64_t kStepsPerLook = 2048;
constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint32_t kAllReturns = UINT32_MAX;

/// Shares steps, memory and time between the partitions of one history.
class Judge {
 public:
  Judge(const History& history, const detail::SearchFactory& make_search, const CheckLimits& limits)
      : history_(history),
        make_search_(make_search),
        limits_(limits),
        budget_(limits.memory_bytes_max),
        groups_(group_by_keys(history)),
        searches_(groups_.size()) {
    report_.partitions = groups_.size();
  }

  Report run() {
    std::vector<std::size_t> open(groups_.size());
    for (std::size_t group = 0; group < open.size(); ++group) open[group] = group;
    std::uint64_t steps = kStepsFirstRound;
    while (!open.empty() && !is_decided()) {
      std::vector<std::size_t> still_open;
      for (const std::size_t group : open) {
        if (is_decided() || !advance(group, steps)) still_open.push_back(group);
      }
      open = std::move(still_open);
      steps *= kRoundGrowth;
    }
    conclude(open);
    return std::move(report_);
  }

 private:
  /// No further step can change the verdict, or none may be taken.
  [[nodiscard]] bool is_decided() const {
    return report_.violation || report_.exhausted == Exhausted::kSteps || report_.exhausted == Exhausted::kTime;
  }

  /// True if there is nothing more to do for this group.
  bool advance(std::size_t group, std::uint64_t steps) {
    if (!searches_[group]) searches_[group] = make_search_(groups_[group], kAllReturns, budget_);
    switch (run_within_limits(*searches_[group], steps)) {
      case Progress::kSuspended: return false;
      case Progress::kFound: break;
      case Progress::kExhausted: accuse(group); break;
      case Progress::kOutOfMemory:
        report_.exhausted = Exhausted::kMemory;
        add_undecided(group);
        break;
    }
    searches_[group].reset();
    return true;
  }

  /// Finds the first return without an explanation: there is an order up to there, and none from there on.
  void accuse(std::size_t group) {
    const Partition partition = searches_[group]->partition();
    Violation violation;
    violation.keys = partition.keys;
    std::vector<bool> is_ordered(partition.calls.size(), false);
    std::uint32_t explained = 0;
    // A search that looks ahead gives up before it comes to the return that stops it, so that its bound has to be
    // tried. It nearly always holds; if not, the next bound is smaller.
    for (Progress progress = Progress::kExhausted; progress == Progress::kExhausted;) {
      explained = searches_[group]->explained_at_most();
      searches_[group] = make_search_(groups_[group], explained, budget_);
      progress = run_within_limits(*searches_[group], kUnlimited);
      violation.is_first = progress == Progress::kFound;
    }
    if (violation.is_first) {
      violation.states = searches_[group]->states();
      for (const std::uint32_t call : searches_[group]->order()) {
        is_ordered[call] = true;
        violation.order.push_back(partition.calls[call].operation);
      }
    }
    const Call& blocked = partition.calls[partition.by_return[explained]];
    violation.operation = blocked.operation;
    for (std::size_t call = 0; call < partition.calls.size(); ++call) {
      if (!is_ordered[call] && partition.calls[call].invoked < blocked.returned) {
        violation.in_flight.push_back(partition.calls[call].operation);
      }
    }
    report_.violation = std::move(violation);
  }

  Progress run_within_limits(detail::AnySearch& search, std::uint64_t steps) {
    Progress progress = Progress::kSuspended;
    const std::uint64_t until = steps == kUnlimited ? kUnlimited : search.steps() + steps;
    while (progress == Progress::kSuspended && search.steps() < until) {
      if (limits_.is_time_up && limits_.is_time_up()) report_.exhausted = Exhausted::kTime;
      if (report_.steps >= limits_.steps_max) report_.exhausted = Exhausted::kSteps;
      if (is_decided()) break;
      const std::uint64_t before = search.steps();
      progress = search.run(std::min({kStepsPerLook, until - before, limits_.steps_max - report_.steps}));
      report_.steps += search.steps() - before;
    }
    return progress;
  }

  void conclude(const std::vector<std::size_t>& open) {
    report_.memory_bytes_peak = budget_.peak();
    if (report_.violation) {
      report_.verdict = Verdict::kNotLinearizable;
      report_.exhausted = Exhausted::kNothing;
      report_.undecided.clear();
      return;
    }
    for (const std::size_t group : open) add_undecided(group);
    report_.verdict = report_.undecided.empty() ? Verdict::kLinearizable : Verdict::kUnknown;
  }

  void add_undecided(std::size_t group) {
    std::set<ValueId> keys;
    for (const std::uint32_t operation : groups_[group]) {
      for (const Action& action : history_.actions(operation)) keys.insert(action.key);
    }
    report_.undecided.insert(report_.undecided.end(), keys.begin(), keys.end());
  }

  const History& history_;
  const detail::SearchFactory& make_search_;
  const CheckLimits& limits_;
  MemoryBudget budget_;
  std::vector<Operations> groups_;
  std::vector<std::unique_ptr<detail::AnySearch>> searches_;
  Report report_;
};

}  // namespace

Report detail::judge(const History& history, const SearchFactory& make_search, const CheckLimits& limits) {
  return Judge(history, make_search, limits).run();
}

Result<Report> check(const History& history, const AnyModel& model, const CheckLimits& limits) {
  return std::visit([&](const auto& chosen) { return check(history, chosen, limits); }, model);
}

}  // namespace quorate::checker
