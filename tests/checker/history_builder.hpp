// Histories for tests, an operation to a line: builder.put({1, 4}, "x", 7).get({2, 3}, "x", 7);
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/checker/history.hpp"

namespace quorate::checker::testing {

/// What a test writes for a value: nil, 7, "text", true or a list of numbers.
struct Literal {
  Literal(std::nullptr_t) : value{} {}                     // NOLINT(google-explicit-constructor)
  Literal(int number) : value{std::int64_t{number}} {}     // NOLINT(google-explicit-constructor)
  Literal(bool truth) : value{truth} {}                    // NOLINT(google-explicit-constructor)
  Literal(const char* text) : value{std::string(text)} {}  // NOLINT(google-explicit-constructor)
  Literal(std::string text) : value{std::move(text)} {}    // NOLINT(google-explicit-constructor)
  Literal(const std::vector<int>& numbers) {               // NOLINT(google-explicit-constructor)
    List& list = value.data.emplace<List>();
    for (const int number : numbers) list.emplace_back().data = std::int64_t{number};
  }

  Value value;
};

/// When an operation was invoked and when it returned. Without a return its outcome is unknown.
struct When {
  int invoked;
  std::optional<int> returned = std::nullopt;
};

/// An action of a transaction.
struct Step {
  Function function;
  Literal key;
  Literal argument = nullptr;
  Literal expected = nullptr;
  std::optional<Literal> result = std::nullopt;
};

class HistoryBuilder {
 public:
  HistoryBuilder& get(When when, Literal key, Literal result) {
    return add(when, {{Function::kRead, std::move(key), nullptr, nullptr, std::move(result)}});
  }
  HistoryBuilder& get(When when, Literal key) { return add(when, {{Function::kRead, std::move(key)}}); }
  HistoryBuilder& put(When when, Literal key, Literal value) {
    return add(when, {{Function::kWrite, std::move(key), std::move(value)}});
  }
  HistoryBuilder& append(When when, Literal key, Literal value) {
    return add(when, {{Function::kAppend, std::move(key), std::move(value)}});
  }
  HistoryBuilder& cas(When when, Literal key, std::pair<Literal, Literal> from_to, std::optional<bool> result) {
    std::optional<Literal> told;
    if (result) told = Literal(*result);
    return add(when, {{Function::kCompareAndSet, std::move(key), std::move(from_to.second), std::move(from_to.first),
                       std::move(told)}});
  }
  HistoryBuilder& add(When when, const std::vector<Step>& steps) {
    std::vector<Action> actions;
    for (const Step& step : steps) {
      Action action{
          .function = step.function, .key = id(step.key), .argument = id(step.argument), .expected = id(step.expected)};
      if (step.result) action.result = id(*step.result);
      actions.push_back(action);
    }
    Operation operation{.client = ClientId{history_.size()}, .invoked = Time{when.invoked}};
    if (when.returned) {
      operation.returned = Time{*when.returned};
      operation.outcome = Outcome::kOk;
    }
    operation.log_index = std::exchange(index_, std::nullopt);
    history_.add(operation, actions);
    return *this;
  }
  /// Of the next operation.
  HistoryBuilder& at(std::uint64_t index) {
    index_ = Index{index};
    return *this;
  }

  [[nodiscard]] const History& history() const { return history_; }

 private:
  ValueId id(const Literal& literal) { return history_.values().intern(literal.value); }

  History history_;
  std::optional<Index> index_;
};

}  // namespace quorate::checker::testing
