#include "sim/checker/log_order.hpp"

#include <algorithm>
#include <tuple>

namespace quorate::checker {
namespace {

struct Placed {
  Index index;
  bool is_observation;  ///< what reads at an index sees what changed there
  Time invoked;
  std::uint32_t operation;

  bool operator<(const Placed& other) const {
    return std::tie(index, is_observation, invoked, operation) <
           std::tie(other.index, other.is_observation, other.invoked, other.operation);
  }
};

LogOrder contradiction(std::string reason) { return {LogOrder::Answer::kContradicts, std::move(reason)}; }
LogOrder silence(std::string reason) { return {LogOrder::Answer::kSilent, std::move(reason)}; }

/// Whether some operation stands before one that had returned when it was invoked.
std::optional<LogOrder> check_real_time(const History& history, const std::vector<Placed>& log) {
  const Placed* latest = nullptr;  // of those so far, the one invoked last
  for (const Placed& placed : log) {
    const Operation& operation = history[placed.operation];
    if (latest != nullptr && operation.outcome == Outcome::kOk && *operation.returned < latest->invoked) {
      return contradiction(describe(history, placed.operation) + ": had returned before " +
                           describe(history, latest->operation) + " was invoked, and the log puts it behind");
    }
    if (latest == nullptr || placed.invoked > latest->invoked) latest = &placed;
  }
  return std::nullopt;
}

/// Behind all that had returned when it was invoked, before all that was invoked when it had returned.
void find_places(const History& history, detail::LogSequence& sequence) {
  const Operation& homeless = history[*sequence.homeless];
  sequence.last_place = sequence.operations.size();
  for (std::size_t at = 0; at < sequence.operations.size(); ++at) {
    const Operation& placed = history[sequence.operations[at]];
    if (placed.outcome == Outcome::kOk && *placed.returned < homeless.invoked) sequence.first_place = at + 1;
    if (placed.invoked > *homeless.returned) sequence.last_place = std::min(sequence.last_place, at);
  }
}

}  // namespace

detail::LogSequence detail::sequence_of_log(const History& history, const ModelFacts& model) {
  LogSequence sequence;
  std::vector<Placed> log;
  log.reserve(history.size());
  for (std::uint32_t number = 0; number < history.size(); ++number) {
    const Operation& operation = history[number];
    if (operation.outcome == Outcome::kRefused) continue;
    const auto actions = history.actions(number);
    const bool is_observation = std::all_of(actions.begin(), actions.end(),
                                            [&](const Action& action) { return model.traits(action).is_observation; });
    const bool saw_something =
        std::any_of(actions.begin(), actions.end(), [](const Action& action) { return action.result.has_value(); });
    const bool is_known = operation.outcome == Outcome::kOk;
    if (is_observation && !(is_known && saw_something)) continue;
    if (operation.log_index) {
      log.push_back({*operation.log_index, is_observation, operation.invoked, number});
    } else if (is_known && !sequence.homeless) {
      sequence.homeless = number;
    } else if (is_known) {
      sequence.objection = silence(place_of(history, *sequence.homeless) + " has no log index");
      return sequence;
    } else if (!sequence.unplaced) {
      sequence.unplaced = number;
    }
  }
  std::sort(log.begin(), log.end());
  for (std::size_t at = 1; at < log.size(); ++at) {
    if (log[at].index == log[at - 1].index && !log[at].is_observation) {
      sequence.objection =
          silence(place_of(history, log[at - 1].operation) + " and " + place_of(history, log[at].operation) +
                  " share log index " + std::to_string(log[at].index.value) + ", so that their order is not known");
      return sequence;
    }
  }
  sequence.objection = check_real_time(history, log);
  sequence.operations.reserve(log.size());
  for (const Placed& placed : log) sequence.operations.push_back(placed.operation);
  if (sequence.homeless) find_places(history, sequence);
  return sequence;
}

Result<LogOrder> check_log_order(const History& history, const AnyModel& model) {
  return std::visit([&](const auto& chosen) { return check_log_order(history, chosen); }, model);
}

}  // namespace quorate::checker
