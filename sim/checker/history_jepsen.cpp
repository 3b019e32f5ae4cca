// Both dialects of Jepsen: events, each of which opens or ends an operation of a process. An operation that nothing
// ends is of unknown outcome, as is one that ends with :info. Time is the place in the file: Jepsen writes events as
// they happen. Processes that are no numbers, such as :nemesis, do nothing to the objects.
#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "sim/checker/edn.hpp"
#include "sim/checker/history_readers.hpp"

namespace quorate::checker {
namespace {

using Kind = EdnForm::Kind;

struct FunctionName {
  std::string_view name;
  Function function;
};

constexpr std::array kFunctionNames{
    FunctionName{"read", Function::kRead},         FunctionName{"write", Function::kWrite},
    FunctionName{"cas", Function::kCompareAndSet}, FunctionName{"append", Function::kAppend},
    FunctionName{"add", Function::kAdd},           FunctionName{"remove", Function::kRemove},
    FunctionName{"delete", Function::kDelete},     FunctionName{"acquire", Function::kAcquire},
    FunctionName{"release", Function::kRelease},   FunctionName{"get", Function::kRead},
    FunctionName{"put", Function::kWrite},         FunctionName{"r", Function::kRead},
    FunctionName{"w", Function::kWrite},
};

struct JepsenEvent {
  EdnForm process;
  EdnForm type;
  EdnForm function;
  EdnForm value;
  std::optional<EdnForm> key;
};

/// Pairs events to operations.
class EventReader {
 public:
  EventReader(std::string_view file, const JepsenMeaning& meaning) : place_{file}, meaning_(meaning) {}

  Result<void> read(const JepsenEvent& event, std::size_t line) {
    place_.line = line;
    if (event.process.kind != Kind::kInteger) return {};
    ++now_;
    if (event.type.kind != Kind::kKeyword) return place_.expected("a type, found " + to_text(event.type));
    if (event.function.kind != Kind::kKeyword) return place_.expected("a function, found " + to_text(event.function));
    if (event.type.text == "invoke") return invoke(event);
    for (const std::string_view type : {"ok", "fail", "info"}) {
      if (event.type.text == type) return complete(event);
    }
    return place_.expected(":invoke, :ok, :fail or :info, found " + to_text(event.type));
  }

  History finish() {
    for (const auto& [process, open] : open_) history_.add(open.operation, open.actions);
    return std::move(history_);
  }

 private:
  struct Open {
    Operation operation;
    std::vector<Action> actions;
    EdnForm function;
  };

  Result<void> invoke(const JepsenEvent& event) {
    if (history_.size() + open_.size() >= kHistoryOperationsMax)
      return place_.expected("no more than " + std::to_string(kHistoryOperationsMax) + " operations");
    const std::int64_t process = event.process.integer;
    if (process < 0) return place_.expected("a process from 0, found " + std::to_string(process));
    if (const auto at = open_.find(process); at != open_.end()) {
      return place_.expected("process " + std::to_string(process) + " to end what it invoked on line " +
                             std::to_string(at->second.operation.line) + " first");
    }
    Open open{
        .operation = {.client = ClientId{static_cast<std::uint64_t>(process)}, .invoked = now_, .line = place_.line},
        .actions = {},
        .function = event.function};
    if (Result<void> read = read_actions(event, open); !read) return read;
    open_.emplace(process, std::move(open));
    return {};
  }

  Result<void> complete(const JepsenEvent& event) {
    const auto at = open_.find(event.process.integer);
    if (at == open_.end()) {
      return place_.expected("process " + to_text(event.process) + " to invoke something before it ends");
    }
    Open& open = at->second;
    if (open.function.text != event.function.text) {
      return place_.expected(to_text(open.function) + ", which the process invoked on line " +
                             std::to_string(open.operation.line) + ", to end, found " + to_text(event.function));
    }
    open.operation.returned = now_;
    if (event.type.text == "ok") {
      open.operation.outcome = Outcome::kOk;
      if (Result<void> read = read_results(event, open); !read) return read;
    } else if (event.type.text == "fail") {
      fail_operation(open);
    }
    history_.add(open.operation, open.actions);
    open_.erase(at);
    return {};
  }

  void fail_operation(Open& open) const {
    const bool observed = meaning_.failed == JepsenMeaning::Failed::kObserved && open.actions.size() == 1 &&
                          open.actions.front().function == Function::kCompareAndSet;
    open.operation.outcome = observed ? Outcome::kOk : Outcome::kRefused;
    if (observed) open.actions.front().result = kFalse;
  }

  Result<void> read_actions(const JepsenEvent& event, Open& open) {
    if (event.function.text != "txn") {
      EdnForm key = event.key.value_or(EdnForm{});
      Result<EdnForm> value = split_tuple(event.value, key);
      if (!value) return tl::unexpected(value.error());
      return read_action(event.function, key, *value, open);
    }
    return for_each_step(event.value, [&](const EdnForm& function, const EdnForm& key, const EdnForm& value) {
      return read_action(function, key, value, open);
    });
  }

  Result<void> read_results(const JepsenEvent& event, Open& open) {
    if (event.function.text != "txn") {
      EdnForm key;
      Result<EdnForm> value = split_tuple(event.value, key);
      if (!value) return tl::unexpected(value.error());
      return read_result(*value, open.actions.front());
    }
    std::size_t step = 0;
    Result<void> read =
        for_each_step(event.value, [&](const EdnForm&, const EdnForm&, const EdnForm& value) -> Result<void> {
          return step < open.actions.size() ? read_result(value, open.actions[step++]) : too_many_steps();
        });
    if (read && step != open.actions.size()) return too_many_steps();
    return read;
  }

  [[nodiscard]] Result<void> too_many_steps() const {
    return place_.expected("as many steps of the transaction as were invoked");
  }

  /// What [key value] stands for, where keys come in values.
  Result<EdnForm> split_tuple(const EdnForm& value, EdnForm& key) const {
    if (meaning_.keys == JepsenMeaning::Keys::kOne) return value;
    if (value.kind != Kind::kSequence || value.items.size() != 2) {
      return place_.expected("[key value], found " + to_text(value));
    }
    key = value.items[0];
    return value.items[1];
  }

  template <class Use>
  Result<void> for_each_step(const EdnForm& steps, const Use& use) const {
    if (steps.kind != Kind::kSequence || steps.items.empty() || steps.items.size() > kHistoryActionsMax) {
      return place_.expected("a transaction of 1 to " + std::to_string(kHistoryActionsMax) + " steps, found " +
                             to_text(steps));
    }
    for (const EdnForm& step : steps.items) {
      if (step.kind != Kind::kSequence || step.items.size() != 3) {
        return place_.expected("[function key value] in a transaction, found " + to_text(step));
      }
      if (Result<void> used = use(step.items[0], step.items[1], step.items[2]); !used) return used;
    }
    return {};
  }

  Result<void> read_action(const EdnForm& function, const EdnForm& key, const EdnForm& value, Open& open) {
    const auto* const known = std::ranges::find(kFunctionNames, std::string_view(function.text), &FunctionName::name);
    if (function.kind != Kind::kKeyword || known == kFunctionNames.end()) {
      return place_.expected(
          ":read, :write, :cas, :append, :add, :remove, :delete, :acquire, :release or :txn, found " +
          to_text(function));
    }
    Action action{.function = known->function};
    if (Result<void> read = intern(key, action.key); !read) return read;
    if (action.function == Function::kCompareAndSet) {
      if (value.kind != Kind::kSequence || value.items.size() != 2) {
        return place_.expected("[expected new] as the value of a cas, found " + to_text(value));
      }
      if (Result<void> read = intern(value.items[0], action.expected); !read) return read;
      if (Result<void> read = intern(value.items[1], action.argument); !read) return read;
    } else if (takes_argument(action.function)) {
      if (Result<void> read = intern(value, action.argument); !read) return read;
    }
    open.actions.push_back(action);
    return {};
  }

  static bool takes_argument(Function function) {
    return function == Function::kWrite || function == Function::kAppend || function == Function::kAdd ||
           function == Function::kRemove;
  }

  Result<void> read_result(const EdnForm& value, Action& action) {
    if (action.function == Function::kCompareAndSet) action.result = kTrue;
    if (action.function != Function::kRead) return {};
    if (value.kind == Kind::kNull && meaning_.nil_read == JepsenMeaning::NilRead::kUnknown) return {};
    ValueId seen;
    if (Result<void> read = intern(value, seen); !read) return read;
    action.result = seen;
    return {};
  }

  Result<void> intern(const EdnForm& form, ValueId& id) {
    std::optional<Value> value = to_value(form);
    if (!value) {
      return place_.expected("nil, a truth value, a 64-bit integer, a text, a keyword or a sequence of such, found " +
                             to_text(form));
    }
    id = history_.values().intern(*std::move(value));
    return {};
  }

  Place place_;
  JepsenMeaning meaning_;
  History history_;
  Time now_{};
  std::map<std::int64_t, Open> open_;
};

/// An error of the EDN reader begins with the line.
tl::unexpected<Error> in_file(std::string_view file, Error error) {
  error.message = std::string(file) + ':' + error.message;
  return tl::unexpected(std::move(error));
}

/// A field of a map; nil if there is none.
EdnForm field(const EdnForm& map, std::string_view name) {
  const EdnForm* found = map.find(name);
  return found == nullptr ? EdnForm{} : *found;
}

}  // namespace

Result<History> read_edn(std::string_view text, std::string_view file, const JepsenMeaning& meaning) {
  EdnReader forms(text);
  forms.enter_vector();
  EventReader events(file, meaning);
  while (true) {
    const Result<std::optional<EdnForm>> form = forms.next();
    if (!form) return in_file(file, form.error());
    if (!form->has_value()) return events.finish();
    const EdnForm& map = **form;
    if (map.kind != Kind::kMap || map.find("process") == nullptr) {
      return Place{file, map.line}.expected("a map with a :process, found " + to_text(map));
    }
    std::optional<EdnForm> key;
    if (const EdnForm* found = map.find("key")) key = *found;
    const JepsenEvent event{field(map, "process"), field(map, "type"), field(map, "f"), field(map, "value"), key};
    if (Result<void> read = events.read(event, map.line); !read) return tl::unexpected(read.error());
  }
}

Result<History> read_jepsen_log(std::string_view text, std::string_view file, const JepsenMeaning& meaning) {
  constexpr std::string_view kMark = "jepsen.util - ";
  Lines lines(text);
  EventReader events(file, meaning);
  while (const std::optional<std::string_view> line = lines.next()) {
    const std::size_t mark = line->find(kMark);
    if (mark == std::string_view::npos) continue;
    EdnReader forms(line->substr(mark + kMark.size()), lines.number());
    std::array<EdnForm, 4> parts;  // process, type, function, value
    for (EdnForm& part : parts) {
      Result<std::optional<EdnForm>> form = forms.next();
      if (!form) return in_file(file, form.error());
      if (!form->has_value()) return Place{file, lines.number()}.expected("process :type :function value");
      part = **std::move(form);
    }
    const JepsenEvent event{parts[0], parts[1], parts[2], parts[3], std::nullopt};
    if (Result<void> read = events.read(event, lines.number()); !read) return tl::unexpected(read.error());
  }
  return events.finish();
}

}  // namespace quorate::checker
