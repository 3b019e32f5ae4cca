// The search for an order: Wing and Gong's depth-first search over the operations that may come next, with Lowe's memo
// of configurations (what has been ordered, and the state it leaves), over one partition of a history.
//
// A configuration is remembered as a 128-bit fingerprint: the exclusive or of one random number per ordered call, mixed
// with the state, so that a step costs the same however long the history is. Four rules cut the search without
// changing its answer; each says why an order that breaks the rule can be made into one that keeps it:
//
//   1. An observation that is possible now is ordered now, without trying anything else: it changes nothing for the
//      others, now or later.
//   2. Of twins (partition.cpp) the earlier goes first: they can change places.
//   3. What follows an action of unknown outcome does not overwrite its object blindly: if so, leave the action out.
//   Nor
//      is it a call that returns and does not touch that object: the action can as well come after it.
//   4. A call of unknown outcome changes something: if not, leave it out.
//
// 1 and 2 change neither which calls there are nor what they do one after another, apart from observations. 3 and 4
// leave out calls of unknown outcome or move them back behind others, which no return forbids. So an order with as few
// of them as possible, and these as late as possible, can be made to keep all four rules.
//
// The search can be suspended after any number of steps. One thread; all memory that can grow large is in the budget.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "sim/checker/fingerprint_table.hpp"
#include "sim/checker/models.hpp"
#include "sim/checker/partition.hpp"

namespace quorate::checker {

/// A list from which calls are taken out and put back in constant time; what was taken out last comes back first.
class CallList {
 public:
  /// For calls numbered below `count`; empty at first.
  explicit CallList(std::uint32_t count) : next_(count + 1), previous_(count + 1), end_(count) {
    next_[end_] = previous_[end_] = end_;
  }

  /// Only before anything is taken out.
  void push_back(std::uint32_t call) {
    next_[call] = end_;
    previous_[call] = previous_[end_];
    next_[previous_[end_]] = call;
    previous_[end_] = call;
  }
  [[nodiscard]] std::uint32_t first() const { return next_[end_]; }
  /// Also of a call that is taken out, as long as what was taken out before it is not back.
  [[nodiscard]] std::uint32_t after(std::uint32_t call) const { return next_[call]; }
  [[nodiscard]] std::uint32_t end() const { return end_; }
  void take_out(std::uint32_t call) {
    next_[previous_[call]] = next_[call];
    previous_[next_[call]] = previous_[call];
  }
  void put_back(std::uint32_t call) {
    next_[previous_[call]] = call;
    previous_[next_[call]] = call;
  }

 private:
  std::vector<std::uint32_t> next_;
  std::vector<std::uint32_t> previous_;
  std::uint32_t end_;
};

enum class Progress {
  kSuspended,    ///< out of steps
  kFound,        ///< there is an order
  kExhausted,    ///< there is none
  kOutOfMemory,  ///< nobody knows
};

template <Model M>
class Search {
 public:
  /// Looks for an order that explains the first `returns` returns of the partition; of what returns later only the
  /// calls are known. `values` must stay as it is while the search lives.
  Search(const Values& values, const M& model, Partition partition, std::uint32_t returns, MemoryBudget& budget)
      : partition_(std::move(partition)),
        values_(values),
        values_reservation_(budget),
        memo_(budget),
        updates_(count()),
        observations_(count()),
        returns_(count()),
        ordered_(count(), 0) {
    for (std::size_t object = 0; object < partition_.keys.size(); ++object) {
      states_.push_back(model.initial(values_));
      states_fingerprint_ ^= of_object(static_cast<std::uint32_t>(object));
    }
    partition_.forget_returns_after(returns);
    for (const std::uint32_t number : partition_.by_return) returns_.push_back(number);
    for (std::uint32_t number = 0; number < count(); ++number) {
      if (!call(number).is_observation) {
        updates_.push_back(number);
      } else if (call(number).returned != kNeverReturns) {
        observations_.push_back(number);
      }
    }
    candidate_ = absorb() ? updates_.first() : updates_.end();
  }

  /// Goes on for about `steps` steps: one step tries one call. kSuspended is the only answer after which it may be
  /// called again.
  Progress run(std::uint64_t steps) {
    const std::uint64_t until = steps_ + steps;
    while (steps_ < until) {
      ++steps_;
      if (returns_.first() == returns_.end()) return Progress::kFound;
      if (!is_in_time(candidate_, updates_)) {
        note_blocked(returns_.first());
        if (!backtrack()) {
          memo_.clear();
          return Progress::kExhausted;
        }
      } else if (!may_come_next(candidate_) || !order(candidate_, Reason::kChoice)) {
        candidate_ = updates_.after(candidate_);
      } else {
        if (!absorb()) {
          QUORATE_ASSERT(backtrack());
          continue;
        }
        if (!values_reservation_.raise_to(values_.bytes())) return Progress::kOutOfMemory;
        switch (memo_.insert(configuration())) {
          case FingerprintSet::Insertion::kNew: candidate_ = updates_.first(); break;
          case FingerprintSet::Insertion::kKnown: QUORATE_ASSERT(backtrack()); break;
          case FingerprintSet::Insertion::kFull: return Progress::kOutOfMemory;
        }
      }
    }
    return Progress::kSuspended;
  }

  [[nodiscard]] std::uint64_t steps() const { return steps_; }
  [[nodiscard]] const Partition& partition() const { return partition_; }
  [[nodiscard]] const DerivedValues& values() const { return values_; }

  /// The order found, as calls of the partition. Only after kFound.
  [[nodiscard]] std::vector<std::uint32_t> order() const {
    std::vector<std::uint32_t> calls;
    for (const Ordered& ordered : path_) calls.push_back(ordered.call);
    return calls;
  }
  /// What it leaves, one state for each key. Only after kFound.
  [[nodiscard]] const std::vector<typename M::State>& states() const { return states_; }
  /// No order explains more than so many of the first returns; one may explain as many. Only after kExhausted.
  [[nodiscard]] std::uint32_t explained_at_most() const {
    const auto is_before = [&](std::uint32_t number) { return call(number).returned < blocked_; };
    return static_cast<std::uint32_t>(std::ranges::partition_point(partition_.by_return, is_before) -
                                      partition_.by_return.begin());
  }

 private:
  /// Observations not yet in time whose possibility is looked at: these few halve the steps of a valid history.
  static constexpr std::uint32_t kLookAhead = 2;

  enum class Reason : std::uint8_t { kChoice, kObservation };

  struct Ordered {
    std::uint32_t call;
    Reason reason;
  };

  [[nodiscard]] std::uint32_t count() const { return static_cast<std::uint32_t>(partition_.calls.size()); }
  [[nodiscard]] const Call& call(std::uint32_t number) const { return partition_.calls[number]; }
  [[nodiscard]] Fingerprint of_object(std::uint32_t object) const {
    return scramble(M::fingerprint(states_[object]), object);
  }

  /// Whether the call is invoked before the first of the returns that are still to be explained.
  [[nodiscard]] bool is_in_time(std::uint32_t number, const CallList& list) const {
    if (number == list.end()) return false;
    return returns_.first() == returns_.end() || call(number).invoked < call(returns_.first()).returned;
  }

  /// The object of what was ordered last, if that is a single action of unknown outcome.
  [[nodiscard]] std::optional<std::uint32_t> object_changed_unnoticed() const {
    if (path_.empty()) return std::nullopt;
    const Call& last = call(path_.back().call);
    if (last.returned != kNeverReturns || last.accesses != 1) return std::nullopt;
    return partition_.accesses[last.first_access].object;
  }

  [[nodiscard]] bool may_come_next(std::uint32_t number) const {
    const Call& next = call(number);
    if (next.twin != Call::kNoTwin && ordered_[next.twin] == 0) return false;  // rule 2
    const std::optional<std::uint32_t> unnoticed = object_changed_unnoticed();
    return !unnoticed || may_follow_unnoticed(next, *unnoticed);
  }

  /// Rule 3.
  [[nodiscard]] bool may_follow_unnoticed(const Call& next, std::uint32_t object) const {
    for (const Access& access : partition_.accesses_of(next)) {
      if (access.object == object) return access.traits.sight != Traits::Sight::kBlind;
    }
    return next.returned == kNeverReturns;
  }

  [[nodiscard]] Fingerprint configuration() const {
    const Fingerprint plain = ordered_fingerprint_ ^ states_fingerprint_;
    const std::optional<std::uint32_t> unnoticed = object_changed_unnoticed();
    // Rule 3 makes this a configuration of its own, from which fewer calls may come next.
    return unnoticed ? scramble(plain, *unnoticed) : plain;
  }

  bool apply(const Call& next) {
    const auto accesses = partition_.accesses_of(next);
    for (std::size_t done = 0; done < accesses.size(); ++done) {
      const Access& access = accesses[done];
      const Fingerprint before = of_object(access.object);
      auto undo = M::apply(states_[access.object], access.action, values_);
      if (!undo) {
        revert(accesses.first(done));
        return false;
      }
      undos_.push_back(*std::move(undo));
      states_fingerprint_ ^= before ^ of_object(access.object);
    }
    return true;
  }

  void revert(std::span<const Access> accesses) {
    for (std::size_t left = accesses.size(); left > 0; --left) {
      const Access& access = accesses[left - 1];
      const Fingerprint after = of_object(access.object);
      M::revert(states_[access.object], access.action, undos_.back());
      undos_.pop_back();
      states_fingerprint_ ^= after ^ of_object(access.object);
    }
  }

  /// Orders the call next, if its result is possible.
  bool order(std::uint32_t number, Reason reason) {
    const Call& next = call(number);
    const Fingerprint before = states_fingerprint_;
    if (!apply(next)) return false;
    if (next.returned == kNeverReturns && states_fingerprint_ == before) {  // rule 4
      revert(partition_.accesses_of(next));
      return false;
    }
    (next.is_observation ? observations_ : updates_).take_out(number);
    if (next.returned != kNeverReturns) returns_.take_out(number);
    ordered_[number] = 1;
    ordered_fingerprint_ ^= scramble(number);
    path_.push_back({number, reason});
    return true;
  }

  void put_back_last() {
    const std::uint32_t number = path_.back().call;
    path_.pop_back();
    const Call& last = call(number);
    ordered_fingerprint_ ^= scramble(number);
    ordered_[number] = 0;
    if (last.returned != kNeverReturns) returns_.put_back(number);
    (last.is_observation ? observations_ : updates_).put_back(number);
    revert(partition_.accesses_of(last));
  }

  /// Rule 1. Each observation ordered may let later ones come into time. False if one of them, or one of those that
  /// come into time soon, has become impossible for good.
  bool absorb() {
    std::uint32_t next = observations_.first();
    for (; is_in_time(next, observations_); next = observations_.after(next)) {
      ++steps_;
      if (!order(next, Reason::kObservation) && !may_come_later(next)) return false;
    }
    for (std::uint32_t ahead = 0; ahead < kLookAhead && next != observations_.end(); ++ahead) {
      if (!may_come_later(next)) return false;
      next = observations_.after(next);
    }
    return true;
  }

  /// False only if nothing that can still be ordered before the observation leads to what it saw.
  bool may_come_later(std::uint32_t number) {
    const bool is_possible = is_foreseeable(call(number));
    if (!is_possible) note_blocked(number);
    return is_possible;
  }

  [[nodiscard]] bool is_foreseeable(const Call& observation) const {
    if constexpr (Foreseeable<M>) {
      const Access& wanted = partition_.accesses[observation.first_access];
      if (observation.accesses != 1 || wanted.traits.sight != Traits::Sight::kOneValue) return true;
      const ValueId seen = wanted.traits.seen;
      if (M::may_become(states_[wanted.object], seen, values_)) return true;
      for (std::uint32_t next = updates_.first(); next != updates_.end(); next = updates_.after(next)) {
        if (call(next).invoked > observation.returned) return false;
        for (const Access& access : partition_.accesses_of(call(next))) {
          if (access.object != wanted.object || !access.traits.left) continue;
          if (M::may_become(*access.traits.left, seen, values_)) return true;
        }
      }
      return false;
    } else {
      return true;
    }
  }

  /// Takes back the last choice and goes to what may stand in its place; false if there was none.
  bool backtrack() {
    while (!path_.empty()) {
      const Ordered last = path_.back();
      put_back_last();
      if (last.reason == Reason::kChoice) {
        candidate_ = updates_.after(last.call);
        return true;
      }
    }
    return false;
  }

  /// No continuation of the present order explains this return.
  void note_blocked(std::uint32_t number) { blocked_ = std::max(blocked_, call(number).returned); }

  Partition partition_;
  DerivedValues values_;
  Reservation values_reservation_;
  FingerprintSet memo_;

  // The present configuration.
  std::vector<typename M::State> states_;
  Fingerprint states_fingerprint_;
  Fingerprint ordered_fingerprint_;
  CallList updates_;       ///< not ordered yet
  CallList observations_;  ///< not ordered yet
  CallList returns_;       ///< of calls not ordered yet, in the order of their returns
  std::vector<std::uint8_t> ordered_;
  std::vector<Ordered> path_;
  std::vector<typename M::Undo> undos_;

  std::uint32_t candidate_ = 0;  ///< to be tried next
  std::uint64_t steps_ = 0;
  Moment blocked_ = 0;  ///< the latest return at which an order was given up
};

}  // namespace quorate::checker
