#include "sim/checker/explanation.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "sim/checker/partition.hpp"

namespace quorate::checker {
namespace {

/// So much of a long order is shown: what came last is what matters.
constexpr std::size_t kOrderShownMax = 8;
constexpr std::size_t kInFlightShownMax = 20;

std::string describe(const Values& values, const Action& action) {
  const auto text = [&](ValueId id) { return to_text(values[id]); };
  std::string words(name_of(action.function));
  if (action.key != kNil) words += ' ' + text(action.key);
  switch (action.function) {
    case Function::kWrite: words += " = " + text(action.argument); break;
    case Function::kCompareAndSet: words += " from " + text(action.expected) + " to " + text(action.argument); break;
    case Function::kAppend:
    case Function::kAdd:
    case Function::kRemove: words += ' ' + text(action.argument); break;
    case Function::kRead:
    case Function::kDelete:
    case Function::kAcquire:
    case Function::kRelease: break;
  }
  if (action.result) words += " -> " + text(*action.result);
  return words;
}

std::string milliseconds(Time time) {
  std::string digits = std::to_string(time.count() / 1000);
  if (digits.size() < 4) digits.insert(0, 4 - digits.size(), '0');
  return digits.insert(digits.size() - 3, ".");
}

std::string when(const Operation& operation, TimeUnit unit) {
  const auto moment = [&](Time time) {
    return unit == TimeUnit::kEvents ? std::to_string(time.count()) : milliseconds(time);
  };
  const bool is_known = operation.outcome == Outcome::kOk;
  const std::string span =
      moment(operation.invoked) + " to " + (is_known ? moment(*operation.returned) : std::string("whenever"));
  return unit == TimeUnit::kEvents ? "  [events " + span + "]" : "  [" + span + " ms]";
}

/// What might explain an impossible read: where its value came from, as far as plain writes tell.
class ReadHint {
 public:
  ReadHint(const History& history, const Violation& violation)
      : history_(history), violation_(violation), read_(history[violation.operation]) {}

  std::string text() {
    const auto actions = history_.actions(violation_.operation);
    if (actions.size() != 1 || actions.front().function != Function::kRead || !actions.front().result) return {};
    key_ = actions.front().key;
    seen_ = *actions.front().result;
    if (!find_writers()) return {};
    const std::string value = to_text(history_.values()[seen_]);
    if (writers_.empty()) {
      return seen_ == kNil ? "" : "No operation of the history that may have happened leaves " + value + ".\n";
    }
    if (writers_.size() != 1) return {};
    const std::size_t writer = writers_.front();
    if (read_.outcome == Outcome::kOk && history_[writer].invoked > *read_.returned) {
      return value + " was written only after the read had returned: " + describe(history_, writer) + ".\n";
    }
    if (const auto later = overwriter_of(writer)) {
      return "A stale read: " + value + " was written by " + describe(history_, writer) +
             ", which had returned before " + describe(history_, *later) +
             " was invoked, and that had returned before the read was.\n";
    }
    return {};
  }

 private:
  /// False if something other than writes of whole values changes the object.
  bool find_writers() {
    for (std::size_t number = 0; number < history_.size(); ++number) {
      if (history_[number].outcome == Outcome::kRefused) continue;
      for (const Action& action : history_.actions(number)) {
        if (action.key != key_ || action.function == Function::kRead || action.result == kFalse) continue;
        const bool is_whole = action.function == Function::kWrite || action.function == Function::kCompareAndSet;
        if (!is_whole) return false;
        (action.argument == seen_ ? writers_ : overwriters_).push_back(number);
      }
    }
    return true;
  }

  [[nodiscard]] bool precedes(std::size_t earlier, const Operation& later) const {
    return history_[earlier].outcome == Outcome::kOk && *history_[earlier].returned < later.invoked;
  }

  /// A write that lies wholly between the writer and the read.
  [[nodiscard]] std::optional<std::size_t> overwriter_of(std::size_t writer) const {
    for (const std::size_t other : overwriters_) {
      if (precedes(writer, history_[other]) && precedes(other, read_)) return other;
    }
    return std::nullopt;
  }

  const History& history_;
  const Violation& violation_;
  const Operation& read_;
  ValueId key_;
  ValueId seen_;
  std::vector<std::size_t> writers_;
  std::vector<std::size_t> overwriters_;
};

std::string state_of(const History& history, const Violation& violation) {
  std::string text;
  for (std::size_t at = 0; at < violation.states.size(); ++at) {
    if (at > 0) text += ", ";
    if (violation.keys[at] != kNil) text += to_text(history.values()[violation.keys[at]]) + " = ";
    text += violation.states[at];
  }
  return text;
}

}  // namespace

std::string describe(const History& history, std::size_t operation) {
  const Operation& source = history[operation];
  std::string words = place_of(history, operation) + ", client " + std::to_string(source.client.value) + ": ";
  const auto actions = history.actions(operation);
  if (actions.size() > 1) words += "txn ";
  for (std::size_t at = 0; at < actions.size(); ++at) {
    if (at > 0) words += "; ";
    words += describe(history.values(), actions[at]);
  }
  if (source.outcome == Outcome::kUnknown) words += " (outcome unknown)";
  return words;
}

std::string explain(const History& history, const Violation& violation, TimeUnit unit) {
  const auto line = [&](std::size_t operation) {
    return "  " + describe(history, operation) + when(history[operation], unit) + '\n';
  };
  std::string text = violation.is_first
                         ? "No order of the operations explains this one together with all that returned before it:\n"
                         : "No order of the operations explains all that had returned when this one had (the limits "
                           "did not suffice to find the first such operation):\n";
  text += line(violation.operation) + ReadHint(history, violation).text();
  if (violation.is_first) {
    text += "\nWithout it there is an order, " + std::to_string(violation.order.size()) + " operations long, ending:\n";
    const std::size_t shown = std::min(kOrderShownMax, violation.order.size());
    if (shown < violation.order.size()) text += "  ...\n";
    for (std::size_t at = violation.order.size() - shown; at < violation.order.size(); ++at) {
      text += line(violation.order[at]);
    }
    text += "which leaves " + state_of(history, violation) + '\n';
  }
  text += "\nInvoked before it returned, and not in that order:\n";
  const std::size_t shown = std::min(kInFlightShownMax, violation.in_flight.size());
  for (std::size_t at = 0; at < shown; ++at) text += line(violation.in_flight[at]);
  if (shown < violation.in_flight.size()) {
    text += "  and " + std::to_string(violation.in_flight.size() - shown) + " more\n";
  }
  return text;
}

}  // namespace quorate::checker
