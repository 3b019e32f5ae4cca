#include "sim/checker/partition.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "consensus/assert.hpp"

namespace quorate::checker {
namespace {

/// Disjoint sets of keys, by the numbers of their ids.
class KeyGroups {
 public:
  explicit KeyGroups(std::size_t keys) : parents_(keys) { std::iota(parents_.begin(), parents_.end(), 0U); }

  std::uint32_t group_of(ValueId key) {
    std::uint32_t at = key.number;
    while (parents_[at] != at) at = parents_[at] = parents_[parents_[at]];
    return at;
  }
  void join(ValueId left, ValueId right) { parents_[group_of(left)] = group_of(right); }

 private:
  std::vector<std::uint32_t> parents_;
};

bool decides_nothing(const Access& access) { return access.traits.is_observation && !access.action.result; }

struct Event {
  Time time;
  bool is_return;  ///< of two events at one time the invocation comes first: the two calls are concurrent
  std::uint32_t call;

  bool operator<(const Event& other) const {
    return std::tie(time, is_return, call) < std::tie(other.time, other.is_return, other.call);
  }
};

/// Builds a partition in steps, each of which leaves it valid.
class Builder {
 public:
  Builder(const History& history, const ModelFacts& model) : history_(history), model_(model) {}

  void add(std::uint32_t operation) {
    const Operation& source = history_[operation];
    Call call{.operation = operation,
              .first_access = static_cast<std::uint32_t>(part_.accesses.size()),
              .accesses = 0,
              .invoked = 0,
              .returned = kNeverReturns,
              .is_observation = true};
    for (const Action& action : history_.actions(operation)) {
      const Access access{action, object_of(action.key), model_.traits(action)};
      if (decides_nothing(access)) continue;
      part_.accesses.push_back(access);
      ++call.accesses;
      call.is_observation = call.is_observation && access.traits.is_observation;
    }
    // Something that was perhaps seen, and by nobody, constrains nothing.
    const bool is_known = source.outcome == Outcome::kOk;
    if (call.accesses == 0 || (call.is_observation && !is_known)) {
      part_.accesses.resize(call.first_access);
      return;
    }
    QUORATE_ASSERT(!is_known || source.returned.has_value());
    if (is_known) call.returned = 0;
    part_.calls.push_back(call);
  }

  Partition finish() {
    drop_unnoticed_writes();
    number_events();
    find_twins();
    return std::move(part_);
  }

 private:
  std::uint32_t object_of(ValueId key) {
    const auto [at, is_new] = objects_.try_emplace(key.number, static_cast<std::uint32_t>(part_.keys.size()));
    if (is_new) part_.keys.push_back(key);
    return at->second;
  }

  bool is_noticed(const Call& call) const;
  void drop_unnoticed_writes();
  void number_events();
  void find_twins();

  const History& history_;
  const ModelFacts& model_;
  Partition part_;
  std::unordered_map<std::uint32_t, std::uint32_t> objects_;

  std::vector<bool> notices_anything_;         ///< by object: some access may tell any two states apart
  std::unordered_set<std::uint64_t> noticed_;  ///< object and value: some access can tell that state from others
  static std::uint64_t pair(std::uint32_t object, ValueId value) { return std::uint64_t{object} << 32 | value.number; }
};

/// Whether it could matter that this call, of unknown outcome, took effect.
bool Builder::is_noticed(const Call& call) const {
  if (call.accesses != 1) return true;
  const Access& access = part_.accesses[call.first_access];
  if (access.traits.sight != Traits::Sight::kBlind) return true;
  QUORATE_ASSERT(access.traits.left.has_value());
  return notices_anything_[access.object] || noticed_.contains(pair(access.object, *access.traits.left));
}

/// A write of unknown outcome whose value no access can tell from any other may as well never have happened: an order
/// of operations that holds it stays right without it.
void Builder::drop_unnoticed_writes() {
  notices_anything_.assign(part_.keys.size(), false);
  for (const Access& access : part_.accesses) {
    switch (access.traits.sight) {
      case Traits::Sight::kBlind: break;
      case Traits::Sight::kOneValue: noticed_.insert(pair(access.object, access.traits.seen)); break;
      case Traits::Sight::kAny: notices_anything_[access.object] = true; break;
    }
  }
  std::erase_if(part_.calls, [&](const Call& call) { return call.returned == kNeverReturns && !is_noticed(call); });
}

void Builder::number_events() {
  std::vector<Event> events;
  events.reserve(part_.calls.size() * 2);
  for (std::uint32_t number = 0; number < part_.calls.size(); ++number) {
    const Call& call = part_.calls[number];
    const Operation& source = history_[call.operation];
    events.push_back({source.invoked, false, number});
    if (call.returned == kNeverReturns) continue;
    QUORATE_ASSERT(*source.returned >= source.invoked);
    events.push_back({*source.returned, true, number});
  }
  std::sort(events.begin(), events.end());
  for (Moment moment = 0; moment < events.size(); ++moment) {
    Call& call = part_.calls[events[moment].call];
    (events[moment].is_return ? call.returned : call.invoked) = moment;
  }
  std::sort(part_.calls.begin(), part_.calls.end(),
            [](const Call& left, const Call& right) { return left.invoked < right.invoked; });
  for (std::uint32_t number = 0; number < part_.calls.size(); ++number) {
    if (part_.calls[number].returned != kNeverReturns) part_.by_return.push_back(number);
  }
  std::sort(part_.by_return.begin(), part_.by_return.end(), [&](std::uint32_t left, std::uint32_t right) {
    return part_.calls[left].returned < part_.calls[right].returned;
  });
}

/// Of two calls that do the same, the one that was invoked and returned first can always be ordered first: an order in
/// which it is not stays right when the two change places.
void Builder::find_twins() {
  FingerprintIndex deeds;
  std::vector<std::uint32_t> last;
  for (std::uint32_t number = 0; number < part_.calls.size(); ++number) {
    Call& call = part_.calls[number];
    if (call.is_observation) continue;
    Fingerprint deed;
    for (const Access& access : part_.accesses_of(call)) {
      const Action& action = access.action;
      deed = scramble(deed, static_cast<std::uint64_t>(action.function) << 32 | access.object);
      deed = scramble(deed, std::uint64_t{action.argument.number} << 32 | action.expected.number);
      deed = scramble(deed, action.result ? std::uint64_t{action.result->number} + 1 : 0);
    }
    const auto [which, is_new] = deeds.insert(deed);
    if (is_new) {
      last.push_back(number);
      continue;
    }
    if (part_.calls[last[which]].returned <= call.returned) call.twin = last[which];
    last[which] = number;
  }
}

}  // namespace

void Partition::forget_returns_after(std::size_t returns) {
  if (returns >= by_return.size()) return;
  for (std::size_t at = returns; at < by_return.size(); ++at) calls[by_return[at]].returned = kNeverReturns;
  by_return.resize(returns);
}

std::vector<Operations> group_by_keys(const History& history) {
  KeyGroups keys(history.values().size());
  for (std::size_t number = 0; number < history.size(); ++number) {
    if (history[number].outcome == Outcome::kRefused) continue;
    const auto actions = history.actions(number);
    for (const Action& action : actions) keys.join(action.key, actions.front().key);
  }
  constexpr std::uint32_t kNoGroup = UINT32_MAX;
  std::vector<std::uint32_t> group_of_root(history.values().size(), kNoGroup);
  std::vector<Operations> groups;
  for (std::uint32_t number = 0; number < history.size(); ++number) {
    if (history[number].outcome == Outcome::kRefused) continue;
    std::uint32_t& group = group_of_root[keys.group_of(history.actions(number).front().key)];
    if (group == kNoGroup) {
      group = static_cast<std::uint32_t>(groups.size());
      groups.emplace_back();
    }
    groups[group].push_back(number);
  }
  return groups;
}

Result<void> check_functions(const History& history, const ModelFacts& model) {
  for (std::size_t number = 0; number < history.size(); ++number) {
    for (const Action& action : history.actions(number)) {
      if (model.accepts(action.function)) continue;
      return fail(ErrorKind::kInvalidArgument, place_of(history, number) + ": the model " + std::string(model.name) +
                                                   " knows " + std::string(model.accepted) + ", not " +
                                                   std::string(name_of(action.function)));
    }
  }
  return {};
}

Partition make_partition(const History& history, const Operations& operations, const ModelFacts& model) {
  Builder builder(history, model);
  for (const std::uint32_t operation : operations) builder.add(operation);
  return builder.finish();
}

std::string place_of(const History& history, std::size_t operation) {
  const std::uint64_t line = history[operation].line;
  return line != 0 ? "line " + std::to_string(line) : "operation " + std::to_string(operation + 1);
}

}  // namespace quorate::checker
