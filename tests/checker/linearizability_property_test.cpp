// The checker against brute force, on small histories of every model: some as a correct object would have answered,
// some with answers made up. Not only the verdict is compared: the evidence has to be true.
#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "sim/checker/linearizability.hpp"
#include "tests/checker/naive_checker.hpp"

namespace quorate::checker {
namespace {

using testing::Kind;
using testing::Objects;

constexpr std::size_t kDraftsMax = 8;
constexpr int kHistoriesPerCase = 30;
constexpr int kKeys = 2;
constexpr int kValues = 3;

/// How an operation goes: when, what for, and what becomes of it.
struct Draft {
  int invoked;
  int effect_after;  ///< its invocation
  int return_after;  ///< its effect
  int fate;          ///< 0, 1: unknown outcome, without or with an effect; 2: refused; otherwise it is answered
  int lie;           ///< 0: the answer is made up
  int made_up;
  std::vector<std::tuple<int, int, int, int>> actions;  ///< function, key, argument, expected
};

/// Ranges otherwise grow with the size of a case, and the first hundred cases would all be alike.
template <class T>
rc::Gen<T> full_range(rc::Gen<T> gen) {
  return rc::gen::resize(rc::kNominalSize, std::move(gen));
}

std::ostream& operator<<(std::ostream& out, const Draft& draft) {
  out << "{invoked " << draft.invoked << ", effect +" << draft.effect_after << ", return +" << draft.return_after
      << ", fate " << draft.fate << ", lie " << draft.lie << ", made up " << draft.made_up << ", actions";
  for (const auto& [function, key, argument, expected] : draft.actions) {
    out << " (" << function << ' ' << key << ' ' << argument << ' ' << expected << ')';
  }
  return out << '}';
}

/// Of a history's drafts.
struct Shape {
  int actions_max = 1;   ///< of a transaction
  int invoked_max = 12;  ///< the shorter, the more are under way at once
  int first_lie = 0;     ///< 0: one answer in six is made up; 1: none
};

rc::Gen<Draft> a_draft(const Shape& shape) {
  const auto action = rc::gen::tuple(rc::gen::inRange(0, 9), rc::gen::inRange(0, kKeys), rc::gen::inRange(0, kValues),
                                     rc::gen::inRange(0, kValues));
  const auto actions = rc::gen::mapcat(rc::gen::inRange(1, shape.actions_max + 1), [action](int count) {
    return rc::gen::container<std::vector<std::tuple<int, int, int, int>>>(static_cast<std::size_t>(count), action);
  });
  return rc::gen::build<Draft>(
      rc::gen::set(&Draft::invoked, rc::gen::inRange(0, shape.invoked_max)),
      rc::gen::set(&Draft::effect_after, rc::gen::inRange(0, 8)),
      rc::gen::set(&Draft::return_after, rc::gen::inRange(0, 4)), rc::gen::set(&Draft::fate, rc::gen::inRange(0, 10)),
      rc::gen::set(&Draft::lie, rc::gen::inRange(shape.first_lie, 6)),
      rc::gen::set(&Draft::made_up, rc::gen::inRange(0, kValues)), rc::gen::set(&Draft::actions, actions));
}

std::vector<Function> functions_of(Kind kind) {
  using enum Function;
  switch (kind) {
    case Kind::kRegister: return {kRead, kWrite};
    case Kind::kCasRegister: return {kRead, kWrite, kCompareAndSet};
    case Kind::kKeyValue: return {kRead, kWrite, kCompareAndSet, kAppend, kDelete};
    case Kind::kList: return {kRead, kAppend};
    case Kind::kMutex: return {kAcquire, kRelease};
    case Kind::kSet: return {kRead, kAdd, kRemove};
  }
  return {};
}

AnyModel model_of(Kind kind) {
  switch (kind) {
    case Kind::kRegister: return Register{};
    case Kind::kCasRegister: return CasRegister{};
    case Kind::kKeyValue: return KeyValue{};
    case Kind::kList: return AppendList{};
    case Kind::kMutex: return Mutex{};
    case Kind::kSet: return Set{};
  }
  return Register{};
}

/// What an argument or an answer may be: texts, so that they can be appended, and nothing where an entry can be absent.
Value value_of(Kind kind, int number) {
  if (kind == Kind::kKeyValue || kind == Kind::kCasRegister) {
    return number == 0 ? Value{} : Value{std::string(1, static_cast<char>('a' + number - 1))};
  }
  return {std::int64_t{number}};
}

Value made_up_answer(Kind kind, Function function, int number) {
  if (function != Function::kRead) return {number == 0};
  if (kind != Kind::kList && kind != Kind::kSet) return value_of(kind, number);
  return {List(static_cast<std::size_t>(number), value_of(kind, number))};
}

bool answers(Kind kind, Function function) {
  return kind == Kind::kMutex || (function != Function::kWrite && function != Function::kAppend);
}

/// Lets the drafts happen to real objects, in the order of their effects.
History play(Kind kind, const std::vector<Draft>& drafts) {
  History history;
  const std::vector<Function> functions = functions_of(kind);
  std::vector<std::size_t> by_effect(drafts.size());
  for (std::size_t at = 0; at < drafts.size(); ++at) by_effect[at] = at;
  std::stable_sort(by_effect.begin(), by_effect.end(), [&](std::size_t left, std::size_t right) {
    return drafts[left].invoked + drafts[left].effect_after < drafts[right].invoked + drafts[right].effect_after;
  });
  std::map<int, Value> objects;
  for (const std::size_t at : by_effect) {
    const Draft& draft = drafts[at];
    const bool is_unknown = draft.fate <= 1;
    std::vector<Action> actions;
    for (const auto& [chosen, key, argument, expected] : draft.actions) {
      const Function function = functions[static_cast<std::size_t>(chosen) % functions.size()];
      // An absent entry cannot be appended to another.
      const int appended = function == Function::kAppend ? std::max(argument, 1) : argument;
      Action action{.function = function,
                    .key = history.values().intern({std::int64_t{key}}),
                    .argument = history.values().intern(value_of(kind, appended)),
                    .expected = history.values().intern(value_of(kind, expected))};
      Value& object = objects.try_emplace(key, testing::fresh(kind)).first->second;
      if (draft.fate != 0 && draft.fate != 2) {
        const auto told = testing::perform(kind, object, function, value_of(kind, appended), value_of(kind, expected));
        if (told && answers(kind, function) && !is_unknown) action.result = history.values().intern(*told);
      }
      if (draft.lie == 0 && action.result) {
        action.result = history.values().intern(made_up_answer(kind, function, draft.made_up));
      }
      actions.push_back(action);
    }
    const Time invoked{draft.invoked};
    history.add({.client = ClientId{at},
                 .invoked = invoked,
                 .returned = invoked + Time{draft.effect_after + draft.return_after},
                 .outcome = is_unknown        ? Outcome::kUnknown
                            : draft.fate == 2 ? Outcome::kRefused
                                              : Outcome::kOk},
                actions);
  }
  return history;
}

std::vector<std::size_t> all_of(const History& history) {
  std::vector<std::size_t> operations(history.size());
  for (std::size_t at = 0; at < operations.size(); ++at) operations[at] = at;
  return operations;
}

/// The operations on these keys.
std::vector<std::size_t> touching(const History& history, const std::vector<ValueId>& keys) {
  std::vector<std::size_t> operations;
  for (std::size_t at = 0; at < history.size(); ++at) {
    const auto actions = history.actions(at);
    const bool touches = std::any_of(actions.begin(), actions.end(), [&](const Action& action) {
      return std::find(keys.begin(), keys.end(), action.key) != keys.end();
    });
    if (touches && history[at].outcome != Outcome::kRefused) operations.push_back(at);
  }
  return operations;
}

bool precedes(const History& history, std::size_t earlier, std::size_t later) {
  return history[earlier].outcome == Outcome::kOk && *history[earlier].returned < history[later].invoked;
}

/// Returns at the same instant happen in the order of the history: the history before the return of operation `first`,
/// if it is among those at `end`.
History before_tied_returns(const History& history, Time end, std::size_t first) {
  History earlier;
  earlier.values() = history.values();
  for (std::size_t at = 0; at < history.size(); ++at) {
    Operation operation = history[at];
    if (at >= first && operation.outcome == Outcome::kOk && operation.returned == end)
      operation.outcome = Outcome::kUnknown;
    earlier.add(operation, history.actions(at));
  }
  return earlier;
}

void expect_true_evidence(Kind kind, const History& history, const Violation& violation) {
  RC_ASSERT(violation.is_first);
  const std::vector<std::size_t> part = touching(history, violation.keys);
  const Time end = *history[violation.operation].returned;
  RC_ASSERT(!testing::is_linearizable(kind, before_tied_returns(history, end, violation.operation + 1), part, end));
  RC_ASSERT(testing::is_linearizable(kind, before_tied_returns(history, end, violation.operation), part, end));

  Objects objects(kind, history);
  for (std::size_t at = 0; at < violation.order.size(); ++at) {
    RC_ASSERT(objects.explain(violation.order[at]));
    for (std::size_t later = at + 1; later < violation.order.size(); ++later) {
      RC_ASSERT(!precedes(history, violation.order[later], violation.order[at]));
    }
  }
  const std::set<std::size_t> ordered(violation.order.begin(), violation.order.end());
  for (std::size_t at = 0; at < violation.keys.size(); ++at) {
    if (kind != Kind::kMutex && kind != Kind::kSet) {
      RC_ASSERT(to_text(objects[violation.keys[at]]) == violation.states[at]);
    }
  }
  for (const std::size_t open : violation.in_flight) RC_ASSERT(!ordered.contains(open));
  RC_ASSERT(std::count(violation.in_flight.begin(), violation.in_flight.end(), violation.operation) == 1);
}

History some_history(Kind kind, std::size_t drafts_max, const Shape& shape) {
  const auto count = *full_range(rc::gen::inRange<std::size_t>(1, drafts_max + 1));
  return play(kind, *rc::gen::container<std::vector<Draft>>(count, full_range(a_draft(shape))));
}

void compare_with_brute_force(Kind kind, int actions_max) {
  for (int round = 0; round < kHistoriesPerCase; ++round) {
    const History history = some_history(kind, kDraftsMax, {.actions_max = actions_max});
    const Result<Report> report = check(history, model_of(kind));
    RC_ASSERT(report.has_value());
    const bool expected = testing::is_linearizable(kind, history, all_of(history), Time::max());
    RC_ASSERT(report->verdict == (expected ? Verdict::kLinearizable : Verdict::kNotLinearizable));
    RC_ASSERT(report->violation.has_value() == !expected);
    if (report->violation) expect_true_evidence(kind, history, *report->violation);
  }
}

RC_GTEST_PROP(LinearizabilityProperty, RegisterAgreesWithBruteForce, ()) {
  compare_with_brute_force(Kind::kRegister, 1);
}
RC_GTEST_PROP(LinearizabilityProperty, CasRegisterAgreesWithBruteForce, ()) {
  compare_with_brute_force(Kind::kCasRegister, 1);
}
RC_GTEST_PROP(LinearizabilityProperty, KeyValueAgreesWithBruteForce, ()) {
  compare_with_brute_force(Kind::kKeyValue, 1);
}
RC_GTEST_PROP(LinearizabilityProperty, KeyValueTransactionsAgreeWithBruteForce, ()) {
  compare_with_brute_force(Kind::kKeyValue, 3);
}
RC_GTEST_PROP(LinearizabilityProperty, ListAgreesWithBruteForce, ()) { compare_with_brute_force(Kind::kList, 1); }
RC_GTEST_PROP(LinearizabilityProperty, ListTransactionsAgreeWithBruteForce, ()) {
  compare_with_brute_force(Kind::kList, 3);
}
RC_GTEST_PROP(LinearizabilityProperty, MutexAgreesWithBruteForce, ()) { compare_with_brute_force(Kind::kMutex, 1); }
RC_GTEST_PROP(LinearizabilityProperty, SetAgreesWithBruteForce, ()) { compare_with_brute_force(Kind::kSet, 2); }

/// Too long for brute force; but what really happened explains itself.
RC_GTEST_PROP(LinearizabilityProperty, WhatHappenedIsLinearizable, ()) {
  for (const Kind kind :
       {Kind::kRegister, Kind::kCasRegister, Kind::kKeyValue, Kind::kList, Kind::kMutex, Kind::kSet}) {
    // Of an unanswered transaction on locks, the checker takes every part to have succeeded: there are none such.
    const int actions_max = kind == Kind::kMutex ? 1 : 2;
    const History history = some_history(kind, 60, {.actions_max = actions_max, .invoked_max = 150, .first_lie = 1});
    const Result<Report> report = check(history, model_of(kind), {.steps_max = 5'000'000});
    RC_ASSERT(report.has_value());
    RC_ASSERT(report->verdict == Verdict::kLinearizable);
  }
}

}  // namespace
}  // namespace quorate::checker
