#include "sim/checker/history.hpp"

#include "consensus/assert.hpp"

namespace quorate::checker {

std::string_view name_of(Function function) {
  switch (function) {
    case Function::kRead: return "get";
    case Function::kWrite: return "put";
    case Function::kCompareAndSet: return "cas";
    case Function::kAppend: return "append";
    case Function::kDelete: return "delete";
    case Function::kAdd: return "add";
    case Function::kRemove: return "remove";
    case Function::kAcquire: return "acquire";
    case Function::kRelease: return "release";
  }
  QUORATE_ASSERT(false);
}

std::string_view name_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kOk: return "ok";
    case Outcome::kRefused: return "refused";
    case Outcome::kUnknown: return "unknown";
  }
  QUORATE_ASSERT(false);
}

void History::add(const Operation& operation, std::span<const Action> actions) {
  QUORATE_ASSERT(!actions.empty());
  QUORATE_ASSERT(actions_.size() + actions.size() < UINT32_MAX);
  operations_.push_back(operation);
  actions_.insert(actions_.end(), actions.begin(), actions.end());
  ends_.push_back(static_cast<std::uint32_t>(actions_.size()));
}

std::span<const Action> History::actions(std::size_t number) const {
  const std::uint32_t begin = number == 0 ? 0 : ends_[number - 1];
  return {actions_.data() + begin, actions_.data() + ends_[number]};
}

}  // namespace quorate::checker
