#include "statemachine/kv.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "consensus/assert.hpp"
#include "consensus/fingerprint.hpp"
#include "statemachine/codec.hpp"
#include "statemachine/limits.hpp"
#include "statemachine/state_machine.hpp"

template <>
struct quorate::wire::LastEnumerator<quorate::KeyValue::Function> {
  static constexpr auto value = quorate::KeyValue::Function::kAppend;
};
template <>
struct quorate::wire::LastEnumerator<quorate::KeyValue::Status> {
  static constexpr auto value = quorate::KeyValue::Status::kMalformed;
};
template <>
struct quorate::wire::LastEnumerator<quorate::KeyValue::Change> {
  static constexpr auto value = quorate::KeyValue::Change::kChanged;
};

namespace quorate {
namespace {

static_assert(TypedApplication<KeyValue>);

using Function = KeyValue::Function;
using Value = KeyValue::Value;

constexpr std::uint8_t kVersion = 1;
/// Of one saved key: an empty key and an empty value.
constexpr std::size_t kSavedBytesMin = 4 + 4;

std::uint64_t term_of(const std::string& key, const std::string& value) { return fingerprint(value, fingerprint(key)); }

std::size_t bytes_of(const std::string& key, const Value& value) { return value ? key.size() + value->size() : 0; }

/// What a transaction sees and would change, while it is not yet known whether it may.
class Draft {
 public:
  explicit Draft(const KeyValue::Values& values) : values_(values) {}

  [[nodiscard]] Value read(const std::string& key) const {
    if (const auto written = written_.find(key); written != written_.end()) return written->second;
    return committed(key);
  }
  KeyValue::Change write(const std::string& key, Value value) {
    written_[key] = std::move(value);
    return KeyValue::Change::kChanged;
  }

  [[nodiscard]] std::size_t bytes_added() const {
    return sum([](const auto& one) { return bytes_of(one.first, one.second); });
  }
  [[nodiscard]] std::size_t bytes_freed() const {
    return sum([this](const auto& one) { return bytes_of(one.first, committed(one.first)); });
  }
  [[nodiscard]] bool has_too_large_value() const {
    return std::ranges::any_of(written_,
                               [](const auto& one) { return one.second && one.second->size() > kValueBytesMax; });
  }
  [[nodiscard]] std::map<std::string, Value> take() { return std::exchange(written_, {}); }

 private:
  [[nodiscard]] Value committed(const std::string& key) const {
    const auto found = values_.find(key);
    return found == values_.end() ? Value{} : Value{found->second};
  }
  template <class Bytes>
  [[nodiscard]] std::size_t sum(Bytes&& bytes) const {
    std::size_t total = 0;
    for (const auto& one : written_) total += bytes(one);
    return total;
  }

  const KeyValue::Values& values_;
  std::map<std::string, Value> written_;
};

KeyValue::OperationResult carry_out(const KeyValue::Operation& operation, Draft& draft) {
  switch (operation.function) {
    case Function::kGet: return {KeyValue::Change::kUnchanged, draft.read(operation.key)};
    case Function::kPut: return {draft.write(operation.key, operation.value), {}};
    case Function::kDelete:
      if (!draft.read(operation.key)) return {};
      return {draft.write(operation.key, {}), {}};
    case Function::kCompareAndSet: {
      Value found = draft.read(operation.key);
      if (found != operation.expected) return {KeyValue::Change::kUnchanged, std::move(found)};
      return {draft.write(operation.key, operation.value), std::move(found)};
    }
    case Function::kAppend:
      return {draft.write(operation.key, draft.read(operation.key).value_or("") + operation.value), {}};
  }
  QUORATE_ASSERT(false);
}

bool is_too_large(const KeyValue::Command& command) {
  const auto has_long_key = [](const auto& part) { return part.key.size() > kKeyBytesMax; };
  return command.conditions.size() > kTransactionOperationsMax ||
         command.operations.size() > kTransactionOperationsMax ||
         std::ranges::any_of(command.conditions, has_long_key) || std::ranges::any_of(command.operations, has_long_key);
}

std::string text_of(const Value& value) { return value ? fmt::format("\"{}\"", *value) : "nothing"; }

std::string text_of(const KeyValue::Operation& operation) {
  const auto& [function, key, value, expected] = operation;
  switch (function) {
    case Function::kGet: return fmt::format("get {}", key);
    case Function::kPut: return fmt::format("put {} {}", key, text_of(value));
    case Function::kDelete: return fmt::format("delete {}", key);
    case Function::kCompareAndSet: return fmt::format("cas {} {} -> {}", key, text_of(expected), text_of(value));
    case Function::kAppend: return fmt::format("append {} {}", key, text_of(value));
  }
  QUORATE_ASSERT(false);
}

const char* text_of(KeyValue::Status status) {
  switch (status) {
    case KeyValue::Status::kDone: return "done";
    case KeyValue::Status::kConditionFailed: return "condition failed";
    case KeyValue::Status::kTooLarge: return "too large";
    case KeyValue::Status::kFull: return "full";
    case KeyValue::Status::kMalformed: return "malformed";
  }
  QUORATE_ASSERT(false);
}

}  // namespace

Payload KeyValue::encode(const Command& command) { return encode_value(command); }
Payload KeyValue::encode(const Reply& reply) { return encode_value(reply); }
Result<KeyValue::Command> KeyValue::decode_command(std::span<const std::byte> bytes) {
  return decode_value<Command>(bytes);
}
Result<KeyValue::Reply> KeyValue::decode_reply(std::span<const std::byte> bytes) { return decode_value<Reply>(bytes); }

Payload KeyValue::apply(std::span<const std::byte> command, LogTime) {
  const Result<Command> decoded = decode_command(command);
  return encode(decoded ? execute(*decoded) : Reply{Status::kMalformed, {}});
}

KeyValue::Reply KeyValue::execute(const Command& command) {
  if (is_too_large(command)) return {Status::kTooLarge, {}};
  Draft draft(values_);

  Reply found{Status::kConditionFailed, {}};
  for (const Condition& condition : command.conditions) {
    found.results.push_back({Change::kUnchanged, draft.read(condition.key)});
  }
  const auto holds = [](const Condition& condition, const OperationResult& now) {
    return condition.expected == now.value;
  };
  if (!std::ranges::equal(command.conditions, found.results, holds)) return found;

  Reply done;
  for (const Operation& operation : command.operations) done.results.push_back(carry_out(operation, draft));
  if (draft.has_too_large_value()) return {Status::kTooLarge, {}};
  if (bytes_ + draft.bytes_added() - draft.bytes_freed() > kStateBytesMax) return {Status::kFull, {}};
  for (auto& [key, value] : draft.take()) set(key, std::move(value));
  return done;
}

void KeyValue::set(const std::string& key, Value value) {
  const auto at = values_.lower_bound(key);
  const bool is_there = at != values_.end() && at->first == key;
  if (is_there) {
    bytes_ -= key.size() + at->second.size();
    digest_ -= term_of(key, at->second);
  }
  if (value) {
    bytes_ += key.size() + value->size();
    digest_ += term_of(key, *value);
  }
  if (is_there && value) at->second = std::move(*value);
  if (is_there && !value) values_.erase(at);
  if (!is_there && value) values_.emplace_hint(at, key, std::move(*value));
}

void KeyValue::save(std::vector<std::byte>& out) const {
  wire::WireWriter writer(out);
  writer(kVersion);
  writer.put_count(values_.size());
  for (const auto& [key, value] : values_) writer(key, value);
}

Result<void> KeyValue::load(std::span<const std::byte> bytes) {
  *this = {};
  wire::WireReader reader(bytes, {.elements_max = bytes.size()});
  if (reader.take<std::uint8_t>() != kVersion)
    return fail(ErrorKind::kUnsupported, "kv: a state of an unknown version");
  const std::size_t count = reader.take_count(kSavedBytesMin, bytes.size());
  for (std::size_t at = 0; at < count && reader.ok(); ++at) {
    std::string key;
    std::string value;
    wire::load_bounded(reader, key, kKeyBytesMax);
    wire::load_bounded(reader, value, kValueBytesMax);
    if (!values_.empty() && key <= values_.rbegin()->first) reader.refuse("keys out of order");
    if (reader.ok()) set(key, std::move(value));
  }
  if (Result<void> read = reader.finish(); !read) return fail(ErrorKind::kCorrupt, "kv: " + read.error().message);
  return {};
}

std::string KeyValue::describe(const Command& command) {
  std::string text;
  for (const Condition& condition : command.conditions) {
    text += fmt::format("{} {} = {}", text.empty() ? "if" : " and", condition.key, text_of(condition.expected));
  }
  if (!text.empty()) text += ": ";
  const char* separator = "";
  for (const Operation& operation : command.operations) text += std::exchange(separator, ", ") + text_of(operation);
  return text;
}

std::string KeyValue::describe(const Reply& reply) {
  std::string text = text_of(reply.status);
  for (const auto& [change, value] : reply.results) {
    text += fmt::format(" [{}{}]", change == Change::kChanged ? "changed, " : "", text_of(value));
  }
  return text;
}

}  // namespace quorate
