#include "statemachine/kv.hpp"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "statemachine/limits.hpp"
#include "tests/statemachine/application_testing.hpp"

namespace quorate {
namespace {

using testing::execute;
using testing::reloaded;
using Change = KeyValue::Change;
using Command = KeyValue::Command;
using Condition = KeyValue::Condition;
using Function = KeyValue::Function;
using Operation = KeyValue::Operation;
using OperationResult = KeyValue::OperationResult;
using Reply = KeyValue::Reply;
using Status = KeyValue::Status;

OperationResult execute_one(KeyValue& kv, Operation operation) {
  const Reply reply = execute(kv, KeyValue::single(std::move(operation)));
  EXPECT_EQ(reply.status, Status::kDone);
  EXPECT_EQ(reply.results.size(), 1U);
  return reply.results.empty() ? OperationResult{} : reply.results.front();
}

TEST(KeyValue, GetsWhatWasPut) {
  KeyValue kv;
  EXPECT_EQ(execute_one(kv, KeyValue::get("x")), (OperationResult{Change::kUnchanged, {}}));
  EXPECT_EQ(execute_one(kv, KeyValue::put({"x", "1"})), (OperationResult{Change::kChanged, {}}));
  EXPECT_EQ(execute_one(kv, KeyValue::get("x")), (OperationResult{Change::kUnchanged, "1"}));
}

TEST(KeyValue, DeletesOnlyWhatIsThere) {
  KeyValue kv;
  execute_one(kv, KeyValue::put({"x", ""}));
  EXPECT_EQ(execute_one(kv, KeyValue::remove("x")).change, Change::kChanged);
  EXPECT_EQ(execute_one(kv, KeyValue::remove("x")).change, Change::kUnchanged);
  EXPECT_EQ(kv, KeyValue{});
  EXPECT_EQ(kv.digest(), KeyValue{}.digest());
}

TEST(KeyValue, AppendsToAValueOrToNothing) {
  KeyValue kv;
  execute_one(kv, KeyValue::append({"x", "ab"}));
  execute_one(kv, KeyValue::append({"x", "c"}));
  EXPECT_EQ(execute_one(kv, KeyValue::get("x")).value, "abc");
}

TEST(KeyValue, ComparesAndSets) {
  KeyValue kv;
  EXPECT_EQ(execute_one(kv, KeyValue::compare_and_set({"x", "1"}, "0")), (OperationResult{Change::kUnchanged, {}}));
  EXPECT_EQ(execute_one(kv, KeyValue::compare_and_set({"x", "1"}, {})), (OperationResult{Change::kChanged, {}}));
  EXPECT_EQ(execute_one(kv, KeyValue::compare_and_set({"x", "2"}, "0")), (OperationResult{Change::kUnchanged, "1"}));
  EXPECT_EQ(execute_one(kv, KeyValue::get("x")).value, "1");
}

TEST(KeyValue, DoesATransactionIfAllConditionsHold) {
  KeyValue kv;
  execute_one(kv, KeyValue::put({"a", "10"}));
  const Command move{{{"a", "10"}, {"b", {}}}, {KeyValue::remove("a"), KeyValue::put({"b", "10"}), KeyValue::get("b")}};
  EXPECT_EQ(execute(kv, move),
            (Reply{Status::kDone, {{Change::kChanged, {}}, {Change::kChanged, {}}, {Change::kUnchanged, "10"}}}));
  const KeyValue moved = kv;
  EXPECT_EQ(execute(kv, move),
            (Reply{Status::kConditionFailed, {{Change::kUnchanged, {}}, {Change::kUnchanged, "10"}}}));
  EXPECT_EQ(kv, moved);
}

TEST(KeyValue, RefusesWhatExceedsALimitAndChangesNothing) {
  KeyValue kv;
  execute_one(kv, KeyValue::put({"x", std::string(kValueBytesMax, 'v')}));
  const KeyValue before = kv;
  const std::string long_key(kKeyBytesMax + 1, 'k');
  const std::vector<Operation> many(kTransactionOperationsMax + 1, KeyValue::get("x"));
  const std::vector<Command> refused{
      KeyValue::single(KeyValue::get(long_key)),
      KeyValue::single(KeyValue::put({"y", std::string(kValueBytesMax + 1, 'v')})),
      {{}, {KeyValue::put({"y", "1"}), KeyValue::append({"x", "+"})}},
      {{{long_key, {}}}, {}},
      {{}, many},
  };
  for (const Command& command : refused) EXPECT_EQ(execute(kv, command), (Reply{Status::kTooLarge, {}}));
  EXPECT_EQ(kv, before);
}

TEST(KeyValue, RefusesToGrowBeyondItsLimit) {
  KeyValue kv;
  const std::string value(kValueBytesMax, 'v');
  Reply reply;
  std::size_t stored = 0;
  for (std::size_t next = 0; reply.status == Status::kDone; ++next) {
    Command command;
    for (std::size_t at = 0; at < kTransactionOperationsMax; ++at) {
      command.operations.push_back(KeyValue::put({std::to_string(next) + "/" + std::to_string(at), value}));
    }
    reply = execute(kv, command);
    if (reply.status == Status::kDone) stored += kTransactionOperationsMax;
  }
  EXPECT_EQ(reply.status, Status::kFull);
  EXPECT_EQ(kv.values().size(), stored);
  EXPECT_GT(stored * kValueBytesMax, kStateBytesMax / 10 * 9);
  // What replaces a value by one of the same size still fits, and so does what makes room first.
  EXPECT_EQ(execute_one(kv, KeyValue::put({"0/0", value})).change, Change::kChanged);
}

// The bytes are in logs and snapshots: changing them is changing a format.
TEST(KeyValue, WritesTheseBytes) {
  using namespace std::string_view_literals;
  const Command command{{{"a", {}}}, {KeyValue::compare_and_set({"b", "1"}, "0")}};
  EXPECT_EQ(KeyValue::encode(command).text(),
            "\x01\0\0\0\x01\0\0\0a\0"                                        // conditions: a is not there
            "\x01\0\0\0\x03\x01\0\0\0b\x01\0\0\0\x31\x01\x01\0\0\0\x30"sv);  // operations: cas b 0 -> 1
  EXPECT_EQ(KeyValue::encode(Reply{Status::kDone, {{Change::kChanged, "x"}}}).text(),
            "\0\x01\0\0\0\x01\x01\x01\0\0\0x"sv);
  KeyValue kv;
  execute_one(kv, KeyValue::put({"k", "v"}));
  const std::vector<std::byte> bytes = testing::saved(kv);
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
            "\x01\x01\0\0\0\x01\0\0\0k\x01\0\0\0v"sv);
}

TEST(KeyValue, DescribesItselfForPeople) {
  const Command command{{{"a", "1"}}, {KeyValue::put({"b", "2"}), KeyValue::get("c")}};
  EXPECT_EQ(KeyValue::describe(command), "if a = \"1\": put b \"2\", get c");
  EXPECT_EQ(KeyValue::describe(Reply{Status::kDone, {{Change::kChanged, {}}, {Change::kUnchanged, "x"}}}),
            "done [changed, nothing] [\"x\"]");
}

// --- against a map ---------------------------------------------------------------------------------------------------

using Model = std::map<std::string, std::string>;

std::optional<std::string> lookup(const Model& model, const std::string& key) {
  const auto found = model.find(key);
  return found == model.end() ? std::nullopt : std::optional(found->second);
}

Reply execute_on(Model& model, const Command& command) {
  Reply failed{Status::kConditionFailed, {}};
  bool all_hold = true;
  for (const Condition& condition : command.conditions) {
    failed.results.push_back({Change::kUnchanged, lookup(model, condition.key)});
    all_hold = all_hold && lookup(model, condition.key) == condition.expected;
  }
  if (!all_hold) return failed;
  Reply done;
  for (const Operation& operation : command.operations) {
    OperationResult result;
    const std::optional<std::string> old = lookup(model, operation.key);
    if (operation.function == Function::kGet) result.value = old;
    if (operation.function == Function::kCompareAndSet) result.value = old;
    if (operation.function == Function::kPut) model[operation.key] = operation.value;
    if (operation.function == Function::kAppend) model[operation.key] += operation.value;
    if (operation.function == Function::kDelete) model.erase(operation.key);
    const bool is_match = old == operation.expected;
    if (operation.function == Function::kCompareAndSet && is_match) model[operation.key] = operation.value;
    const bool has_changed = operation.function == Function::kPut || operation.function == Function::kAppend ||
                             (operation.function == Function::kDelete && old.has_value()) ||
                             (operation.function == Function::kCompareAndSet && is_match);
    if (has_changed) result.change = Change::kChanged;
    done.results.push_back(result);
  }
  return done;
}

std::string arbitrary_key() { return *rc::gen::element<std::string>("x", "y", "z"); }
std::string arbitrary_text() { return *rc::gen::element<std::string>("", "1", "2"); }
KeyValue::Value arbitrary_value() { return *rc::gen::element<KeyValue::Value>(std::nullopt, "", "1", "2"); }

Command arbitrary_command() {
  Command command;
  const int conditions = *rc::gen::weightedElement<int>({{6, 0}, {2, 1}, {1, 2}});
  for (int at = 0; at < conditions; ++at) command.conditions.push_back({arbitrary_key(), arbitrary_value()});
  const int operations = *rc::gen::inRange(0, 5);
  for (int at = 0; at < operations; ++at) {
    const auto function = static_cast<Function>(*rc::gen::inRange(0, 5));
    command.operations.push_back({function, arbitrary_key(), arbitrary_text(), arbitrary_value()});
  }
  return command;
}

RC_GTEST_PROP(KeyValueProperty, BehavesLikeAMap, ()) {
  KeyValue kv;
  Model model;
  const int steps = *rc::gen::inRange(1, 30);
  for (int step = 0; step < steps; ++step) {
    const Command command = arbitrary_command();
    RC_LOG() << KeyValue::describe(command) << '\n';
    RC_ASSERT(execute(kv, command) == execute_on(model, command));
    RC_ASSERT(kv.values() == KeyValue::Values(model.begin(), model.end()));
  }
  const KeyValue restored = reloaded(kv);
  RC_ASSERT(restored == kv);  // sizes and digest too: kept up to date on one side, computed anew on the other
}

}  // namespace
}  // namespace quorate
