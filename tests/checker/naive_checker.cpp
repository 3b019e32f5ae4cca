#include "tests/checker/naive_checker.hpp"

#include <algorithm>
#include <utility>

namespace quorate::checker::testing {
namespace {

constexpr Value kNothing{};

List sorted(List list) {
  std::sort(list.begin(), list.end(),
            [](const Value& left, const Value& right) { return to_text(left) < to_text(right); });
  return list;
}

Value key_value(Value& entry, Function function, const Value& argument, const Value& expected) {
  switch (function) {
    case Function::kWrite: entry = argument; return kNothing;
    case Function::kCompareAndSet: {
      if (entry != expected) return {false};
      entry = argument;
      return {true};
    }
    case Function::kDelete: return {std::exchange(entry, kNothing) != kNothing};
    case Function::kAppend:
      if (entry == kNothing) entry = {std::string()};
      std::get<std::string>(entry.data) += std::get<std::string>(argument.data);
      return kNothing;
    default: return entry;
  }
}

Value set(List& elements, Function function, const Value& argument) {
  const auto at = std::find(elements.begin(), elements.end(), argument);
  const bool is_there = at != elements.end();
  if (function == Function::kAdd) {
    if (!is_there) elements.push_back(argument);
    return {!is_there};
  }
  if (function == Function::kRemove) {
    if (is_there) elements.erase(at);
    return {is_there};
  }
  return {sorted(elements)};
}

Value mutex(Value& held, Function function) {
  const Value wanted{function == Function::kAcquire};
  return {std::exchange(held, wanted) != wanted};
}

class BruteForce {
 public:
  BruteForce(const History& history, const std::vector<std::size_t>& operations, Time until)
      : history_(history), until_(until) {
    for (const std::size_t operation : operations) {
      const Operation& source = history[operation];
      if (source.outcome != Outcome::kRefused && source.invoked <= until) open_.push_back(operation);
    }
  }

  bool explain_all(const Objects& objects) {
    if (std::none_of(open_.begin(), open_.end(), [&](std::size_t operation) { return returns(operation); })) {
      return true;
    }
    for (std::size_t at = 0; at < open_.size(); ++at) {
      const std::size_t next = open_[at];
      if (std::any_of(open_.begin(), open_.end(), [&](std::size_t other) { return precedes(other, next); })) continue;
      Objects after = objects;
      if (!after.explain(next)) continue;
      open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(at));
      const bool explained = explain_all(after);
      open_.insert(open_.begin() + static_cast<std::ptrdiff_t>(at), next);
      if (explained) return true;
    }
    return false;
  }

 private:
  bool returns(std::size_t operation) const {
    return history_[operation].outcome == Outcome::kOk && *history_[operation].returned <= until_;
  }
  bool precedes(std::size_t earlier, std::size_t later) const {
    return returns(earlier) && *history_[earlier].returned < history_[later].invoked;
  }

  const History& history_;
  Time until_;
  std::vector<std::size_t> open_;
};

}  // namespace

Value fresh(Kind kind) {
  switch (kind) {
    case Kind::kList:
    case Kind::kSet: return {List{}};
    case Kind::kMutex: return {false};
    default: return kNothing;
  }
}

std::optional<Value> perform(Kind kind, Value& object, Function function, const Value& argument,
                             const Value& expected) {
  switch (kind) {
    case Kind::kSet: return set(std::get<List>(object.data), function, argument);
    case Kind::kMutex: return mutex(object, function);
    case Kind::kList:
      if (function == Function::kRead) return object;
      std::get<List>(object.data).push_back(argument);
      return kNothing;
    default:
      if (function == Function::kAppend && object != kNothing && !std::holds_alternative<std::string>(object.data)) {
        return std::nullopt;
      }
      return key_value(object, function, argument, expected);
  }
}

bool Objects::explain(std::size_t operation) {
  const Values& values = history_->values();
  for (const Action& action : history_->actions(operation)) {
    Value& object = objects_[action.key.number];
    const std::optional<Value> told =
        perform(kind_, object, action.function, values[action.argument], values[action.expected]);
    if (!told) return false;
    if (action.result) {
      const Value& recorded = values[*action.result];
      const auto* list = std::get_if<List>(&recorded.data);
      const bool fits = kind_ == Kind::kSet && list != nullptr ? *told == Value{sorted(*list)} : *told == recorded;
      if (!fits) return false;
    } else if (kind_ == Kind::kMutex && *told != Value{true}) {
      return false;
    }
  }
  return true;
}

bool is_linearizable(Kind kind, const History& history, const std::vector<std::size_t>& operations, Time until) {
  return BruteForce(history, operations, until).explain_all(Objects(kind, history));
}

}  // namespace quorate::checker::testing
