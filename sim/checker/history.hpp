// A recorded history: what clients asked of a system, when, and what they were told. It is plain data without a
// judgement; the checkers read it, the readers and the simulator fill it. Operations may be added in any order.
//
// Time only orders: an operation precedes another if it returned strictly before the other was invoked. Operations that
// touch in one instant count as concurrent, so a coarse clock can hide a violation but never invent one.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "consensus/types.hpp"
#include "sim/checker/value.hpp"

namespace quorate::checker {

using ClientId = StrongNumber<struct ClientIdTag>;
/// Since the start of the history. Readers of formats without times number the events instead.
using Time = std::chrono::nanoseconds;

enum class Outcome : std::uint8_t {
  kOk,       ///< it took effect between its invocation and its return
  kRefused,  ///< it had no effect and never will
  kUnknown,  ///< it may take effect at any time after its invocation, or never
};

enum class Function : std::uint8_t {
  kRead,
  kWrite,
  kCompareAndSet,
  kAppend,
  kDelete,
  kAdd,
  kRemove,
  kAcquire,
  kRelease,
};

/// The name in histories and messages: get, put, cas, append, delete, add, remove, acquire, release.
[[nodiscard]] std::string_view name_of(Function function);
[[nodiscard]] std::string_view name_of(Outcome outcome);

/// One access to one object. What the fields mean, and which are used, depends on the function:
/// kCompareAndSet sets `argument` where `expected` stands and results in whether it did; kRead results in what it saw;
/// kDelete, kAdd, kRemove and kAcquire may result in whether they changed anything.
struct Action {
  Function function = Function::kRead;
  ValueId key = kNil;
  ValueId argument = kNil;
  ValueId expected = kNil;
  std::optional<ValueId> result;  ///< absent: the client was told nothing that constrains the object

  friend bool operator==(const Action&, const Action&) = default;
};

/// One request of a client: one action, or several that take effect at once, in order (a transaction).
struct Operation {
  ClientId client;
  Time invoked{};
  std::optional<Time> returned;  ///< when the client stopped waiting; of no consequence if the outcome is unknown
  Outcome outcome = Outcome::kUnknown;
  std::optional<Index> log_index;  ///< where the system says it was ordered
  std::uint64_t line = 0;          ///< of the file it was read from; 0 if it was not
};

class History {
 public:
  [[nodiscard]] Values& values() { return values_; }
  [[nodiscard]] const Values& values() const { return values_; }

  /// Keys and values of the actions are ids of this history's values(). At least one action.
  void add(const Operation& operation, std::span<const Action> actions);

  /// Says where the operation was ordered, once that is known.
  void place(std::size_t number, Index log_index) { operations_[number].log_index = log_index; }

  [[nodiscard]] std::size_t size() const { return operations_.size(); }
  [[nodiscard]] const Operation& operator[](std::size_t number) const { return operations_[number]; }
  [[nodiscard]] std::span<const Action> actions(std::size_t number) const;

 private:
  Values values_;
  std::vector<Operation> operations_;
  std::vector<Action> actions_;
  std::vector<std::uint32_t> ends_;  ///< of each operation's actions
};

}  // namespace quorate::checker
