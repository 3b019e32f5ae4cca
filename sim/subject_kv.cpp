#include <array>

#include "sim/checker/models.hpp"
#include "sim/process_of.hpp"
#include "sim/subjects.hpp"
#include "sim/typed_workload.hpp"
#include "statemachine/kv.hpp"

namespace quorate::sim {

namespace {

enum Kind : std::uint16_t {
  kPut,
  kCompareAndSet,
  kAppend,
  kDelete,
  kTransaction,
  kReadThroughLog,
  kRead,
  kFollowerRead,
  kStaleRead,
};
constexpr std::array kKinds{
    OperationKind{"put", 25, Access::kCommand},       OperationKind{"cas", 12, Access::kCommand},
    OperationKind{"append", 12, Access::kCommand},    OperationKind{"delete", 4, Access::kCommand},
    OperationKind{"txn", 5, Access::kCommand},        OperationKind{"get-log", 4, Access::kCommand},
    OperationKind{"get", 24, Access::kRead},          OperationKind{"get-follower", 10, Access::kFollowerRead},
    OperationKind{"get-stale", 4, Access::kStaleRead}};
constexpr std::uint32_t kKeysMax = 24;
/// One value in so many is large, so that batches, windows and snapshots meet their limits.
constexpr std::uint32_t kLargeEvery = 10;
constexpr std::size_t kLargeBytes = 700;

std::string key_name(std::uint32_t key) { return "k" + std::to_string(key); }
/// Transactions stay within pairs of keys: the checker must search keys together that one transaction touches.
std::uint32_t partner(std::uint32_t key) { return key ^ 1; }

struct Traits {
  using App = KeyValue;
  using Model = checker::KeyValue;
  using Memory = std::map<std::string, KeyValue::Value>;  ///< what a client saw last under a key

  static KeyValue::Value seen_at(const Memory& seen, const std::string& key) {
    const auto found = seen.find(key);
    return found == seen.end() ? std::nullopt : found->second;
  }

  static KeyValue::Command command_of(const PlannedOperation& operation, const Memory& seen) {
    const std::string key = key_name(operation.key);
    std::string value = "v" + std::to_string(operation.id);
    if (operation.argument % kLargeEvery == 0) value.resize(kLargeBytes, '.');
    switch (static_cast<Kind>(operation.kind)) {
      case kPut: return KeyValue::single(KeyValue::put({key, value}));
      case kCompareAndSet: return KeyValue::single(KeyValue::compare_and_set({key, value}, seen_at(seen, key)));
      case kAppend: return KeyValue::single(KeyValue::append({key, std::to_string(operation.id) + ","}));
      case kDelete: return KeyValue::single(KeyValue::remove(key));
      case kTransaction: {
        const std::string other = key_name(partner(operation.key));
        KeyValue::Command command{{}, {KeyValue::get(key), KeyValue::put({other, value})}};
        if (operation.argument % 2 == 1) command.conditions.push_back({key, seen_at(seen, key)});
        return command;
      }
      default: return KeyValue::single(KeyValue::get(key));
    }
  }

  static checker::Action action_of(const KeyValue::Operation& operation, checker::Values& values) {
    checker::Action action;
    action.key = values.intern({operation.key});
    switch (operation.function) {
      case KeyValue::Function::kGet: action.function = checker::Function::kRead; break;
      case KeyValue::Function::kPut: action.function = checker::Function::kWrite; break;
      case KeyValue::Function::kDelete: action.function = checker::Function::kDelete; break;
      case KeyValue::Function::kAppend: action.function = checker::Function::kAppend; break;
      case KeyValue::Function::kCompareAndSet: action.function = checker::Function::kCompareAndSet; break;
    }
    if (operation.function != KeyValue::Function::kGet && operation.function != KeyValue::Function::kDelete) {
      action.argument = values.intern({operation.value});
    }
    action.expected = id_of(operation.expected, values);
    return action;
  }

  static checker::ValueId id_of(const KeyValue::Value& value, checker::Values& values) {
    return value ? values.intern({*value}) : checker::kNil;
  }

  static checker::Action read_of(const std::string& key, checker::ValueId result, checker::Values& values) {
    checker::Action action;
    action.key = values.intern({key});
    action.result = result;
    return action;
  }

  static bool record(const KeyValue::Command& command, const std::optional<KeyValue::Reply>& reply,
                     checker::Values& values, Memory& seen, std::vector<checker::Action>& actions) {
    const bool failed = reply && reply->status == KeyValue::Status::kConditionFailed;
    if (failed) {
      // Nothing was done; what stood under the conditions' keys was seen.
      for (std::size_t at = 0; at < command.conditions.size(); ++at) {
        const std::string& key = command.conditions[at].key;
        seen[key] = reply->results[at].value;
        actions.push_back(read_of(key, id_of(reply->results[at].value, values), values));
      }
      return true;
    }
    if (reply && reply->status == KeyValue::Status::kDone) {
      for (const KeyValue::Condition& condition : command.conditions) {
        actions.push_back(read_of(condition.key, id_of(condition.expected, values), values));
      }
    }
    for (std::size_t at = 0; at < command.operations.size(); ++at) {
      const KeyValue::Operation& operation = command.operations[at];
      checker::Action action = action_of(operation, values);
      if (reply && reply->status == KeyValue::Status::kDone)
        note_result(operation, reply->results[at], action, values, seen);
      actions.push_back(action);
    }
    return !reply || reply->status == KeyValue::Status::kDone;
  }

  static void note_result(const KeyValue::Operation& operation, const KeyValue::OperationResult& result,
                          checker::Action& action, checker::Values& values, Memory& seen) {
    switch (operation.function) {
      case KeyValue::Function::kGet:
        seen[operation.key] = result.value;
        action.result = id_of(result.value, values);
        break;
      case KeyValue::Function::kCompareAndSet:
        seen[operation.key] = result.value;
        action.result = checker::truth(result.change == KeyValue::Change::kChanged);
        break;
      case KeyValue::Function::kDelete:
        action.result = checker::truth(result.change == KeyValue::Change::kChanged);
        break;
      case KeyValue::Function::kPut:
      case KeyValue::Function::kAppend: break;
    }
  }

  static KeyValue::Reply answer(const KeyValue& application, const KeyValue::Command& query) {
    KeyValue::Reply reply;
    for (const KeyValue::Operation& operation : query.operations) {
      const auto found = application.values().find(operation.key);
      KeyValue::Value value;
      if (found != application.values().end()) value = found->second;
      reply.results.push_back({KeyValue::Change::kUnchanged, std::move(value)});
    }
    return reply;
  }

  static PlannedOperation final_read(std::uint32_t key) { return {.kind = kReadThroughLog, .key = key}; }
};

}  // namespace

const Subject& kv_subject() {
  static constexpr Subject kSubject = subject_of<Traits>(kKinds, kKeysMax);
  return kSubject;
}

}  // namespace quorate::sim
