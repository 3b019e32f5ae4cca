// The definition of linearizability, spelled out and tried by brute force, with objects written a second time in the
// plainest way: what the real checker is compared with. For a handful of operations only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/checker/history.hpp"

namespace quorate::checker::testing {

enum class Kind { kRegister, kCasRegister, kKeyValue, kList, kMutex, kSet };

/// Does what the action says to the object and says what a client is told. Nothing if it is impossible whatever the
/// client is told.
std::optional<Value> perform(Kind kind, Value& object, Function function, const Value& argument, const Value& expected);

/// An object before its first operation.
Value fresh(Kind kind);

/// Whether the client may have been told what the operation's actions record, if the objects are `objects` (by key id);
/// they are changed. An operation that is impossible leaves them in any state.
class Objects {
 public:
  Objects(Kind kind, const History& history) : kind_(kind), history_(&history), objects_(history.values().size()) {
    for (Value& object : objects_) object = fresh(kind);
  }
  bool explain(std::size_t operation);
  [[nodiscard]] const Value& operator[](ValueId key) const { return objects_[key.number]; }

 private:
  Kind kind_;
  const History* history_;
  std::vector<Value> objects_;
};

/// `operations` are those of the history to be ordered. Those that return after `until` count as of unknown outcome,
/// those invoked after it not at all.
bool is_linearizable(Kind kind, const History& history, const std::vector<std::size_t>& operations, Time until);

}  // namespace quorate::checker::testing
