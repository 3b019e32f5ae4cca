// What a correct object does, one action at a time: the sequential specifications that a history is checked against.
//
// A model describes one object (one key). The checker composes objects: an operation on several keys is applied to each
// of them in order, and only histories whose keys are tied together by such operations are searched as one. A model has
// no state of its own besides its initial value; a search owns one `State` per key, changes it in place and takes
// changes back in reverse order.
//
// Anything that satisfies `Model` can be checked (linearizability.hpp); the six here are what histories usually hold.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "consensus/result.hpp"
#include "sim/checker/history.hpp"

namespace quorate::checker {

/// What the checker may know of an action without trying it. Every shortcut of the search rests on these promises;
/// the default promises nothing and is always right.
struct Traits {
  /// How the state before the action matters to its result, to whether it is possible, and to the state it leaves.
  enum class Sight : std::uint8_t {
    kBlind,     ///< not at all: always possible, and leaves `left` whatever was there
    kOneValue,  ///< it is possible, or if its result is unknown changes anything, only in the state `seen`
    kAny,
  };

  bool is_observation = false;  ///< it never changes the state
  Sight sight = Sight::kAny;
  ValueId seen = kNil;
  std::optional<ValueId> left;  ///< if it changes the state, then to this
};

/// Of models whose state is one value: false only if no number of actions without a known `left` can turn one state
/// into the other. It lets the search give up early; without it the search only takes longer.
template <class M>
concept Foreseeable = requires(ValueId from, ValueId to, const DerivedValues& values) {
  { M::may_become(from, to, values) } -> std::same_as<bool>;
};

// clang-format off
template <class M>
concept Model = requires(const M model, typename M::State state, const typename M::State constant,
                         typename M::Undo undo, const Action action, DerivedValues& values) {
  /// Whether this kind of object can be asked for such a thing at all.
  { M::accepts(action.function) } -> std::same_as<bool>;
  { M::kAccepted } -> std::convertible_to<std::string_view>;  // the same for people
  { M::traits(action) } -> std::same_as<Traits>;
  { model.initial(values) } -> std::same_as<typename M::State>;
  /// Nothing, and the state is unchanged, if the action with its result is impossible in this state. An action whose
  /// result is not known is possible with any result.
  { M::apply(state, action, values) } -> std::same_as<std::optional<typename M::Undo>>;
  { M::revert(state, action, undo) };
  /// Different states give different fingerprints.
  { M::fingerprint(constant) } -> std::same_as<Fingerprint>;
  { M::describe(constant, values) } -> std::same_as<std::string>;
};
// clang-format on

/// Common to the models whose whole state is one value.
struct OneValueModel {
  using State = ValueId;
  using Undo = ValueId;  ///< the value before

  static void revert(State& state, const Action&, Undo before) { state = before; }
  static Fingerprint fingerprint(State state) { return {state.number, state.number}; }
  static std::string describe(State state, const DerivedValues& values) { return to_text(values.value(state)); }
  static bool may_become(State from, State to, const DerivedValues&) { return from == to; }

 protected:
  static std::optional<Undo> become(State& state, ValueId value) { return std::exchange(state, value); }
  static std::optional<Undo> stay_if(State state, bool possible) {
    return possible ? std::optional(state) : std::nullopt;
  }
};

/// One entry of a key-value store: get, put, cas, append (to a text; an absent one counts as empty) and delete.
struct KeyValue : OneValueModel {
  static constexpr std::string_view kName = "kv";
  static constexpr std::string_view kAccepted = "get, put, cas, append and delete";
  Value initial_value;

  static bool accepts(Function function);
  static Traits traits(const Action& action);
  State initial(DerivedValues& values) const { return values.intern(initial_value); }
  static std::optional<Undo> apply(State& state, const Action& action, DerivedValues& values);
  static bool may_become(State from, State to, const DerivedValues& values) {
    return from == kNil || values.may_grow_into(from, to);
  }
};

/// get, put and cas on one value.
struct CasRegister : KeyValue {
  static constexpr std::string_view kName = "cas-register";
  static constexpr std::string_view kAccepted = "get, put and cas";
  static bool accepts(Function function);
  using OneValueModel::may_become;
};

/// get and put on one value.
struct Register : KeyValue {
  static constexpr std::string_view kName = "register";
  static constexpr std::string_view kAccepted = "get and put";
  static bool accepts(Function function);
  using OneValueModel::may_become;
};

/// A list that elements are appended to and that is read as a whole.
struct AppendList : OneValueModel {
  static constexpr std::string_view kName = "list";
  static constexpr std::string_view kAccepted = "get and append";

  static bool accepts(Function function);
  static Traits traits(const Action& action);
  static State initial(DerivedValues& values) { return values.intern({List{}}); }
  static std::optional<Undo> apply(State& state, const Action& action, DerivedValues& values);
  static bool may_become(State from, State to, const DerivedValues& values) { return values.may_grow_into(from, to); }
};

/// A lock: acquired only while free, released only while held. Whoever releases it need not have acquired it.
struct Mutex : OneValueModel {
  static constexpr std::string_view kName = "mutex";
  static constexpr std::string_view kAccepted = "acquire and release";

  static bool accepts(Function function);
  static Traits traits(const Action& action);
  static State initial(DerivedValues&) { return kFalse; }
  static std::optional<Undo> apply(State& state, const Action& action, DerivedValues& values);
  static std::string describe(State state, const DerivedValues&) { return state == kTrue ? "held" : "free"; }
};

/// A set that elements are added to and removed from, and that is read as a whole, as a list in any order.
struct Set {
  static constexpr std::string_view kName = "set";
  static constexpr std::string_view kAccepted = "get, add and remove";
  struct State {
    std::set<ValueId> elements;
    Fingerprint fingerprint;
  };
  using Undo = std::optional<Fingerprint>;  ///< of the element that came or went, if one did

  static bool accepts(Function function);
  static Traits traits(const Action& action);
  static State initial(DerivedValues&) { return {}; }
  static std::optional<Undo> apply(State& state, const Action& action, DerivedValues& values);
  static void revert(State& state, const Action& action, const Undo& undo);
  static Fingerprint fingerprint(const State& state) { return state.fingerprint; }
  static std::string describe(const State& state, const DerivedValues& values);
};

static_assert(Model<KeyValue> && Model<CasRegister> && Model<Register>);
static_assert(Model<AppendList> && Model<Mutex> && Model<Set>);

using AnyModel = std::variant<Register, CasRegister, KeyValue, AppendList, Mutex, Set>;

/// By name. `initial` is what a register or an entry holds before the first operation; the other models begin empty and
/// free, and refuse one.
[[nodiscard]] Result<AnyModel> model_named(std::string_view name, const std::optional<Value>& initial);
/// "register, cas-register, ..."
[[nodiscard]] std::string model_names();

}  // namespace quorate::checker
