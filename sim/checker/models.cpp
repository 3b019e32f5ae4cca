#include "sim/checker/models.hpp"

#include <utility>

#include "consensus/assert.hpp"

namespace quorate::checker {
namespace {

using Sight = Traits::Sight;

/// Possible only in the state `seen`, and changes nothing.
Traits observes(ValueId seen) { return {true, Sight::kOneValue, seen, std::nullopt}; }
/// Possible only in the state `seen`, and leaves `left`.
Traits replaces(ValueId seen, ValueId left) { return {seen == left, Sight::kOneValue, seen, left}; }
Traits overwrites(ValueId left) { return {false, Sight::kBlind, kNil, left}; }
Traits observes_anything() { return {true, Sight::kAny, kNil, std::nullopt}; }
Traits does_anything() { return {}; }

Traits traits_of_read(const Action& action) { return action.result ? observes(*action.result) : observes_anything(); }

/// Whether a client may have been told this.
bool fits(const Action& action, bool outcome) { return !action.result || *action.result == truth(outcome); }

/// Adds the element if it is not there, takes it away if it is.
void toggle(Set::State& state, ValueId element, Fingerprint member) {
  if (state.elements.erase(element) == 1) {
    state.fingerprint = state.fingerprint - member;
  } else {
    state.elements.insert(element);
    state.fingerprint = state.fingerprint + member;
  }
}

}  // namespace

bool KeyValue::accepts(Function function) {
  return CasRegister::accepts(function) || function == Function::kAppend || function == Function::kDelete;
}

bool CasRegister::accepts(Function function) {
  return Register::accepts(function) || function == Function::kCompareAndSet;
}

bool Register::accepts(Function function) { return function == Function::kRead || function == Function::kWrite; }

Traits KeyValue::traits(const Action& action) {
  switch (action.function) {
    case Function::kRead: return traits_of_read(action);
    case Function::kWrite: return overwrites(action.argument);
    case Function::kCompareAndSet:
      return action.result == kFalse ? observes_anything() : replaces(action.expected, action.argument);
    case Function::kDelete:
      if (!action.result) return overwrites(kNil);
      return action.result == kFalse ? observes(kNil) : Traits{false, Sight::kAny, kNil, kNil};
    default: return does_anything();
  }
}

std::optional<ValueId> KeyValue::apply(State& state, const Action& action, DerivedValues& values) {
  switch (action.function) {
    case Function::kRead: return stay_if(state, !action.result || *action.result == state);
    case Function::kWrite: return become(state, action.argument);
    case Function::kCompareAndSet: {
      const bool matches = state == action.expected;
      if (!fits(action, matches)) return std::nullopt;
      return matches ? become(state, action.argument) : state;
    }
    case Function::kAppend:
      if (state == kNil) return become(state, action.argument);
      if (!values.is_text(state) || !values.is_text(action.argument)) return std::nullopt;
      return become(state, values.append(state, action.argument));
    case Function::kDelete: return fits(action, state != kNil) ? become(state, kNil) : std::nullopt;
    default: return std::nullopt;
  }
}

bool AppendList::accepts(Function function) { return function == Function::kRead || function == Function::kAppend; }

Traits AppendList::traits(const Action& action) {
  return action.function == Function::kRead ? traits_of_read(action) : does_anything();
}

std::optional<ValueId> AppendList::apply(State& state, const Action& action, DerivedValues& values) {
  if (action.function == Function::kAppend) return become(state, values.append(state, action.argument));
  return stay_if(state, !action.result || *action.result == state);
}

bool Mutex::accepts(Function function) { return function == Function::kAcquire || function == Function::kRelease; }

Traits Mutex::traits(const Action& action) {
  const bool acquires = action.function == Function::kAcquire;
  return action.result == kFalse ? observes(truth(acquires)) : replaces(truth(!acquires), truth(acquires));
}

std::optional<ValueId> Mutex::apply(State& state, const Action& action, DerivedValues&) {
  const Traits traits = Mutex::traits(action);
  if (state != traits.seen) return std::nullopt;
  return traits.is_observation ? state : become(state, *traits.left);
}

bool Set::accepts(Function function) {
  return function == Function::kRead || function == Function::kAdd || function == Function::kRemove;
}

Traits Set::traits(const Action& action) {
  return action.function == Function::kRead || action.result == kFalse ? observes_anything() : does_anything();
}

std::optional<Set::Undo> Set::apply(State& state, const Action& action, DerivedValues& values) {
  if (action.function == Function::kRead) {
    if (action.result && values.base().members(*action.result) != state.fingerprint) return std::nullopt;
    return Undo{};
  }
  const bool adds = action.function == Function::kAdd;
  const bool changes = state.elements.contains(action.argument) != adds;
  if (!fits(action, changes)) return std::nullopt;
  if (!changes) return Undo{};
  const Fingerprint member = Values::as_member(values.base().fingerprint(action.argument));
  toggle(state, action.argument, member);
  return Undo{member};
}

void Set::revert(State& state, const Action& action, const Undo& undo) {
  if (undo) toggle(state, action.argument, *undo);
}

std::string Set::describe(const State& state, const DerivedValues& values) {
  List elements;
  for (const ValueId element : state.elements) elements.push_back(values.value(element));
  return to_text({std::move(elements)});
}

namespace {

template <class M>
std::optional<AnyModel> build(std::string_view name, const std::optional<Value>& initial) {
  if (name != M::kName) return std::nullopt;
  M model;
  if constexpr (requires { model.initial_value; }) {
    if (initial) model.initial_value = *initial;
  }
  return model;
}

template <class... M>
std::optional<AnyModel> build_any(std::type_identity<std::variant<M...>>, std::string_view name,
                                  const std::optional<Value>& initial) {
  std::optional<AnyModel> model;
  static_cast<void>(((model = build<M>(name, initial)) || ...));
  return model;
}

template <class... M>
std::string names(std::type_identity<std::variant<M...>>) {
  std::string names;
  ((names.append(names.empty() ? "" : ", ").append(M::kName)), ...);
  return names;
}

}  // namespace

Result<AnyModel> model_named(std::string_view name, const std::optional<Value>& initial) {
  std::optional<AnyModel> model = build_any(std::type_identity<AnyModel>{}, name, initial);
  if (!model) {
    return fail(ErrorKind::kInvalidArgument,
                "there is no model '" + std::string(name) + "'; the models are " + model_names());
  }
  const auto takes_initial = [](const auto& found) { return requires { found.initial_value; }; };
  if (initial && !std::visit(takes_initial, *model)) {
    return fail(ErrorKind::kInvalidArgument, "the model " + std::string(name) + " has no initial value to choose");
  }
  return *std::move(model);
}

std::string model_names() { return names(std::type_identity<AnyModel>{}); }

}  // namespace quorate::checker
