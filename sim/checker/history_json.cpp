// Our own format: a line is an operation, a JSON object. Fields are known or an error: a misspelt "result" would
// otherwise turn a read into one that saw nothing in particular.
#include <algorithm>
#include <array>
#include <limits>
#include <ostream>
#include <string>
#include <utility>

#include <boost/json.hpp>

#include "sim/checker/history_readers.hpp"

namespace quorate::checker {
namespace {

namespace json = boost::json;

constexpr std::string_view kFormatName = "quorate-history";
constexpr std::uint64_t kFormatVersion = 1;

enum class Need : std::uint8_t { kNever, kMayBe, kWhenOk, kAlways };

/// Which fields an action has, besides its key.
struct Form {
  std::string_view name;
  Function function;
  Need value;
  Need expected;
  Need result;
};

constexpr std::array kForms{
    Form{"get", Function::kRead, Need::kNever, Need::kNever, Need::kWhenOk},
    Form{"put", Function::kWrite, Need::kAlways, Need::kNever, Need::kNever},
    Form{"cas", Function::kCompareAndSet, Need::kAlways, Need::kAlways, Need::kWhenOk},
    Form{"append", Function::kAppend, Need::kAlways, Need::kNever, Need::kNever},
    Form{"delete", Function::kDelete, Need::kNever, Need::kNever, Need::kMayBe},
    Form{"add", Function::kAdd, Need::kAlways, Need::kNever, Need::kMayBe},
    Form{"remove", Function::kRemove, Need::kAlways, Need::kNever, Need::kMayBe},
    Form{"acquire", Function::kAcquire, Need::kNever, Need::kNever, Need::kMayBe},
    Form{"release", Function::kRelease, Need::kNever, Need::kNever, Need::kMayBe},
};

std::string names_of_operations() {
  std::string names;
  for (const Form& form : kForms) names.append(form.name).append(", ");
  return names + "or txn";
}

bool is_text(const json::value* value, std::string_view text) {
  return value != nullptr && value->is_string() && std::string_view(value->get_string()) == text;
}

/// The fields of one line, or of one action of a transaction. Null: absent.
struct Fields {
  const json::value* client = nullptr;
  const json::value* call = nullptr;
  const json::value* returned = nullptr;
  const json::value* outcome = nullptr;
  const json::value* index = nullptr;
  const json::value* op = nullptr;
  const json::value* ops = nullptr;
  const json::value* key = nullptr;
  const json::value* value = nullptr;
  const json::value* expected = nullptr;
  const json::value* result = nullptr;
  const json::value* unseen = nullptr;
  const json::value* note = nullptr;
};

struct FieldName {
  std::string_view name;
  const json::value* Fields::* field;
  bool is_of_actions;  ///< and not only of whole operations
};

constexpr std::array kFieldNames{
    FieldName{"client", &Fields::client, false},    FieldName{"call", &Fields::call, false},
    FieldName{"return", &Fields::returned, false},  FieldName{"outcome", &Fields::outcome, false},
    FieldName{"index", &Fields::index, false},      FieldName{"ops", &Fields::ops, false},
    FieldName{"note", &Fields::note, false},        FieldName{"op", &Fields::op, true},
    FieldName{"key", &Fields::key, true},           FieldName{"value", &Fields::value, true},
    FieldName{"expected", &Fields::expected, true}, FieldName{"result", &Fields::result, true},
    FieldName{"unseen", &Fields::unseen, true},
};

class JsonLinesReader {
 public:
  JsonLinesReader(std::string_view text, std::string_view file) : lines_(text), place_{file} {}

  Result<History> read() {
    while (const std::optional<std::string_view> line = lines_.next()) {
      place_.line = lines_.number();
      if (line->find_first_not_of(" \t\r") == std::string_view::npos) continue;
      if (Result<void> read = read_line(*line); !read) return tl::unexpected(read.error());
    }
    return std::move(history_);
  }

 private:
  Result<void> read_line(std::string_view line) {
    json::monotonic_resource memory(buffer_.data(), buffer_.size());
    json::error_code error;
    const json::value whole = json::parse(line, error, &memory);
    if (error) return place_.expected("a JSON object on one line (" + error.message() + ")");
    const json::object* object = whole.if_object();
    if (object == nullptr) return place_.expected("a JSON object, found " + shown(whole));
    if (object->contains("format")) return read_header(*object);
    return read_operation(*object);
  }

  Result<void> read_header(const json::object& object) {
    if (history_.size() != 0 || has_header_) return place_.expected("the header only once, before all operations");
    if (!is_text(&object.at("format"), kFormatName)) {
      return place_.expected("\"format\":\"" + std::string(kFormatName) + "\", found " + shown(object.at("format")));
    }
    const json::value* version = object.if_contains("version");
    if (version == nullptr || whole_number(version) != kFormatVersion) {
      return place_.expected("\"version\":" + std::to_string(kFormatVersion) + ", found " +
                             (version == nullptr ? "none" : shown(*version)));
    }
    has_header_ = true;
    return {};
  }

  Result<void> read_operation(const json::object& object) {
    if (history_.size() == kHistoryOperationsMax)
      return place_.expected("no more than " + std::to_string(kHistoryOperationsMax) + " operations");
    const Result<Fields> fields = fields_of(object, Whole::kYes);
    if (!fields) return tl::unexpected(fields.error());
    Operation operation{.line = place_.line};
    if (Result<void> read = read_circumstances(*fields, operation); !read) return read;
    actions_.clear();
    Result<void> read =
        fields->ops != nullptr ? read_transaction(*fields, operation.outcome) : read_action(*fields, operation.outcome);
    if (!read) return read;
    history_.add(operation, actions_);
    return {};
  }

  enum class Whole : std::uint8_t { kNo, kYes };

  Result<Fields> fields_of(const json::object& object, Whole whole) {
    Fields fields;
    for (const auto& [name, value] : object) {
      const auto* const known = std::ranges::find(kFieldNames, std::string_view(name), &FieldName::name);
      if (known == kFieldNames.end() || (whole == Whole::kNo && !known->is_of_actions)) {
        return place_.expected("no field \"" + std::string(name) + "\" here (docs/histories.md names the fields)");
      }
      fields.*known->field = &value;
    }
    return fields;
  }

  Result<void> read_circumstances(const Fields& fields, Operation& operation) {
    const auto client = whole_number(fields.client);
    if (!client) return place_.expected("\"client\": a whole number, found " + shown(fields.client));
    operation.client = ClientId{*client};

    const auto call = whole_number(fields.call);
    if (!call) return place_.expected("\"call\": nanoseconds, found " + shown(fields.call));
    operation.invoked = Time{static_cast<Time::rep>(*call)};

    if (fields.outcome == nullptr || !read_outcome(*fields.outcome, operation.outcome)) {
      return place_.expected("\"outcome\": \"ok\", \"refused\" or \"unknown\", found " + shown(fields.outcome));
    }
    if (fields.returned != nullptr && !fields.returned->is_null()) {
      const auto returned = whole_number(fields.returned);
      if (!returned) return place_.expected("\"return\": nanoseconds or null, found " + shown(fields.returned));
      operation.returned = Time{static_cast<Time::rep>(*returned)};
      if (*operation.returned < operation.invoked) return place_.expected("\"return\" not to be before \"call\"");
    } else if (operation.outcome == Outcome::kOk) {
      return place_.expected("\"return\": nanoseconds, since the outcome is \"ok\"");
    }
    if (fields.index != nullptr) {
      const auto index = whole_number(fields.index);
      if (!index || *index == 0) return place_.expected("\"index\": a log index, found " + shown(fields.index));
      operation.log_index = Index{*index};
    }
    return {};
  }

  static bool read_outcome(const json::value& value, Outcome& outcome) {
    for (const Outcome known : {Outcome::kOk, Outcome::kRefused, Outcome::kUnknown}) {
      if (!is_text(&value, name_of(known))) continue;
      outcome = known;
      return true;
    }
    return false;
  }

  Result<void> read_transaction(const Fields& fields, Outcome outcome) {
    if (!is_text(fields.op, "txn")) {
      return place_.expected("\"op\":\"txn\" where there are \"ops\", found " + shown(fields.op));
    }
    if (fields.key != nullptr || fields.value != nullptr || fields.expected != nullptr || fields.result != nullptr ||
        fields.unseen != nullptr) {
      return place_.expected("\"key\", \"value\", \"expected\", \"result\" and \"unseen\" within \"ops\" only");
    }
    const json::array* ops = fields.ops->if_array();
    if (ops == nullptr || ops->empty() || ops->size() > kHistoryActionsMax) {
      return place_.expected("\"ops\": 1 to " + std::to_string(kHistoryActionsMax) + " actions, found " +
                             shown(fields.ops));
    }
    for (const json::value& op : *ops) {
      const json::object* object = op.if_object();
      if (object == nullptr) return place_.expected("a JSON object in \"ops\", found " + shown(op));
      const Result<Fields> action = fields_of(*object, Whole::kNo);
      if (!action) return tl::unexpected(action.error());
      if (Result<void> read = read_action(*action, outcome); !read) return read;
    }
    return {};
  }

  Result<void> read_action(const Fields& fields, Outcome outcome) {
    const auto is_form = [&](const Form& form) { return is_text(fields.op, form.name); };
    const auto* const form = std::ranges::find_if(kForms, is_form);
    if (form == kForms.end()) {
      return place_.expected("\"op\": one of " + names_of_operations() + ", found " + shown(fields.op));
    }
    Action action{.function = form->function};
    std::optional<ValueId> key;
    std::optional<ValueId> value;
    std::optional<ValueId> expected;
    if (Result<void> read = read_field("key", fields.key, Need::kMayBe, *form, outcome, key); !read) return read;
    if (Result<void> read = read_field("value", fields.value, form->value, *form, outcome, value); !read) return read;
    if (Result<void> read = read_field("expected", fields.expected, form->expected, *form, outcome, expected); !read) {
      return read;
    }
    if (Result<void> read = read_result(fields, *form, outcome, action.result); !read) return read;
    if (action.result && form->function != Function::kRead && *action.result != kTrue && *action.result != kFalse) {
      return place_.expected("\"result\": true or false, found " + shown(fields.result));
    }
    action.key = key.value_or(kNil);
    action.argument = value.value_or(kNil);
    action.expected = expected.value_or(kNil);
    actions_.push_back(action);
    return {};
  }

  /// A result must not be forgotten; that nobody saw it has to be said.
  Result<void> read_result(const Fields& fields, const Form& form, Outcome outcome, std::optional<ValueId>& result) {
    if (fields.unseen == nullptr) return read_field("result", fields.result, form.result, form, outcome, result);
    const bool is_meant = fields.unseen->is_bool() && fields.unseen->get_bool();
    if (!is_meant || fields.result != nullptr || form.result != Need::kWhenOk) {
      return place_.expected("\"unseen\":true only in place of a \"result\" that is needed");
    }
    return {};
  }

  Result<void> read_field(std::string_view name, const json::value* field, Need need, const Form& form, Outcome outcome,
                          std::optional<ValueId>& target) {
    const std::string quoted = '"' + std::string(name) + '"';
    if (field == nullptr) {
      if (need == Need::kAlways || (need == Need::kWhenOk && outcome == Outcome::kOk)) {
        return place_.expected(quoted + " in " + std::string(form.name));
      }
      return {};
    }
    if (need == Need::kNever) return place_.expected("no " + quoted + " in " + std::string(form.name));
    std::optional<Value> value = value_of(*field);
    if (!value) {
      return place_.expected(quoted + ": null, a truth value, a 64-bit whole number, a text or a list, found " +
                             shown(field));
    }
    target = history_.values().intern(*std::move(value));
    return {};
  }

  /// Nesting is bounded by the parser.
  static std::optional<Value> value_of(const json::value& field) {
    switch (field.kind()) {
      case json::kind::null: return Value{};
      case json::kind::bool_: return Value{field.get_bool()};
      case json::kind::int64: return Value{field.get_int64()};
      case json::kind::string: return Value{std::string(field.get_string())};
      case json::kind::array: {
        List list;
        for (const json::value& element : field.get_array()) {
          std::optional<Value> value = value_of(element);
          if (!value) return std::nullopt;
          list.push_back(*std::move(value));
        }
        return Value{std::move(list)};
      }
      default: return std::nullopt;
    }
  }

  static std::optional<std::uint64_t> whole_number(const json::value* field) {
    if (field == nullptr || !field->is_int64() || field->get_int64() < 0) return std::nullopt;
    return static_cast<std::uint64_t>(field->get_int64());
  }

  static std::string shown(const json::value* field) { return field == nullptr ? "none" : shown(*field); }
  static std::string shown(const json::value& field) { return shortened(json::serialize(field)); }

  Lines lines_;
  Place place_;
  History history_;
  std::vector<Action> actions_;
  bool has_header_ = false;
  std::array<unsigned char, 4096> buffer_;
};

json::value to_json(const Value& value) {
  struct Converter {
    json::value operator()(std::monostate) const { return nullptr; }
    json::value operator()(bool truth) const { return truth; }
    json::value operator()(std::int64_t number) const { return number; }
    json::value operator()(const std::string& text) const { return json::value(text); }
    json::value operator()(const List& list) const {
      json::array array;
      for (const Value& element : list) array.push_back(to_json(element));
      return array;
    }
  };
  return std::visit(Converter{}, value.data);
}

void put_action(json::object& object, const Values& values, const Action& action, Outcome outcome) {
  const auto* const form = std::ranges::find(kForms, action.function, &Form::function);
  object["op"] = form->name;
  if (action.key != kNil) object["key"] = to_json(values[action.key]);
  if (form->expected != Need::kNever) object["expected"] = to_json(values[action.expected]);
  if (form->value != Need::kNever) object["value"] = to_json(values[action.argument]);
  if (action.result) {
    object["result"] = to_json(values[*action.result]);
  } else if (form->result == Need::kWhenOk && outcome == Outcome::kOk) {
    object["unseen"] = true;
  }
}

}  // namespace

Result<History> read_json_lines(std::string_view text, std::string_view file) {
  return JsonLinesReader(text, file).read();
}

void write_history(const History& history, std::ostream& out) {
  out << json::serialize(json::object{{"format", kFormatName}, {"version", kFormatVersion}}) << '\n';
  for (std::size_t number = 0; number < history.size(); ++number) {
    const Operation& operation = history[number];
    json::object line{{"client", operation.client.value}, {"call", operation.invoked.count()}};
    line["return"] = operation.returned ? json::value(operation.returned->count()) : json::value(nullptr);
    const auto actions = history.actions(number);
    if (actions.size() == 1) {
      put_action(line, history.values(), actions.front(), operation.outcome);
    } else {
      line["op"] = "txn";
      json::array ops;
      for (const Action& action : actions) {
        json::object op;
        put_action(op, history.values(), action, operation.outcome);
        ops.push_back(std::move(op));
      }
      line["ops"] = std::move(ops);
    }
    line["outcome"] = name_of(operation.outcome);
    if (operation.log_index) line["index"] = operation.log_index->value;
    out << json::serialize(line) << '\n';
  }
}

}  // namespace quorate::checker
