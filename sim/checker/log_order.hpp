// A check for systems that say where in their log each operation stands: is the order of the log an order that explains
// the history? Then the history is linearizable, and the log is the witness, found by sorting instead of searching: a
// million operations take less than a second. The claim is not trusted, it is verified: every answer must follow from
// replaying the log, and no operation may stand before one that had returned when it was invoked.
//
// A log that fails the check proves only that its own claims are wrong; whether some other order explains the answers
// is for linearizability.hpp to say.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/checker/explanation.hpp"
#include "sim/checker/history.hpp"
#include "sim/checker/models.hpp"
#include "sim/checker/partition.hpp"

namespace quorate::checker {

struct LogOrder {
  enum class Answer : std::uint8_t {
    kConfirms,     ///< a proof that the history is linearizable
    kContradicts,  ///< the answers, or the times, are not what the log says
    kSilent,       ///< the history does not tell enough of the log
  };

  Answer answer = Answer::kSilent;
  std::string reason;  ///< for people, naming operations; empty if it confirms
};

namespace detail {

/// The operations in the order of the log; those whose presence decides nothing are left out.
struct LogSequence {
  std::vector<std::uint32_t> operations;
  std::optional<LogOrder> objection;    ///< why there is no such order, or why it cannot be right
  std::optional<std::size_t> unplaced;  ///< an operation that may have taken effect, but nobody says where
  /// One that has taken effect, and nobody says where; what it came before may stand in these places.
  std::optional<std::uint32_t> homeless;
  std::size_t first_place = 0;
  std::size_t last_place = 0;
};
[[nodiscard]] LogSequence sequence_of_log(const History& history, const ModelFacts& model);

/// The first answer that does not follow from executing the operations in this order; empty if all do.
template <Model M>
[[nodiscard]] std::string replay(const History& history, const M& model, const std::vector<std::uint32_t>& operations) {
  DerivedValues values(history.values());
  const typename M::State initial = model.initial(values);
  constexpr std::uint32_t kNoObject = UINT32_MAX;
  std::vector<std::uint32_t> object_of_key(history.values().size(), kNoObject);
  std::vector<typename M::State> objects;
  for (const std::uint32_t operation : operations) {
    for (const Action& action : history.actions(operation)) {
      std::uint32_t& object = object_of_key[action.key.number];
      if (object == kNoObject) {
        object = static_cast<std::uint32_t>(objects.size());
        objects.push_back(initial);
      }
      if (M::apply(objects[object], action, values)) continue;
      return describe(history, operation) + ": where the log puts it, " + to_text(history.values()[action.key]) +
             " is " + M::describe(objects[object], values);
    }
  }
  return {};
}

}  // namespace detail

/// Fails if the history holds something that the model does not know. An operation that has taken effect and has no log
/// index is tried wherever its times allow it to stand, if there is only one.
template <Model M>
[[nodiscard]] Result<LogOrder> check_log_order(const History& history, const M& model) {
  if (Result<void> known = check_functions(history, kFactsOf<M>); !known) return tl::unexpected(known.error());
  const detail::LogSequence sequence = detail::sequence_of_log(history, kFactsOf<M>);
  if (sequence.objection) return *sequence.objection;
  if (sequence.homeless) {
    for (std::size_t place = sequence.first_place; place <= sequence.last_place; ++place) {
      std::vector<std::uint32_t> operations = sequence.operations;
      operations.insert(operations.begin() + static_cast<std::ptrdiff_t>(place), *sequence.homeless);
      if (detail::replay(history, model, operations).empty()) return LogOrder{LogOrder::Answer::kConfirms, {}};
    }
    return LogOrder{LogOrder::Answer::kSilent, place_of(history, *sequence.homeless) + " has no log index"};
  }
  const std::string reason = detail::replay(history, model, sequence.operations);
  if (reason.empty()) return LogOrder{LogOrder::Answer::kConfirms, {}};
  if (!sequence.unplaced) return LogOrder{LogOrder::Answer::kContradicts, reason};
  return LogOrder{LogOrder::Answer::kSilent, reason +
                                                 "; but the log index of an operation of unknown outcome is missing (" +
                                                 place_of(history, *sequence.unplaced) + ")"};
}

/// The same for a model chosen at run time.
[[nodiscard]] Result<LogOrder> check_log_order(const History& history, const AnyModel& model);

}  // namespace quorate::checker
