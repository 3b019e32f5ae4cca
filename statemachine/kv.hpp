// Keys and values, both texts. Every command is a transaction: conditions and operations that take effect at once, or
// not at all; a plain get or put is a transaction of one operation. An operation sees what those before it did.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/entry.hpp"
#include "consensus/payload.hpp"
#include "consensus/result.hpp"

namespace quorate {

class KeyValue {
 public:
  static constexpr std::string_view kName = "kv";
  /// Nothing: the key is not there.
  using Value = std::optional<std::string>;

  enum class Function : std::uint8_t { kGet = 0, kPut = 1, kDelete = 2, kCompareAndSet = 3, kAppend = 4 };
  struct Operation {
    Function function = Function::kGet;
    std::string key;
    std::string value;  ///< of kPut, kCompareAndSet, kAppend (to what is there, or to nothing)
    Value expected;     ///< of kCompareAndSet

    template <class Archive>
    void serialize(Archive& archive) {
      archive(function, key, value, expected);
    }
    friend bool operator==(const Operation&, const Operation&) = default;
  };
  struct Condition {
    std::string key;
    Value expected;

    template <class Archive>
    void serialize(Archive& archive) {
      archive(key, expected);
    }
    friend bool operator==(const Condition&, const Condition&) = default;
  };
  struct Command {
    std::vector<Condition> conditions;  ///< unless all hold, nothing is done
    std::vector<Operation> operations;

    template <class Archive>
    void serialize(Archive& archive) {
      archive(conditions, operations);
    }
    friend bool operator==(const Command&, const Command&) = default;
  };

  static Operation get(std::string key) { return {Function::kGet, std::move(key), {}, {}}; }
  static Operation remove(std::string key) { return {Function::kDelete, std::move(key), {}, {}}; }
  struct Pair {
    std::string key;
    std::string value;
  };
  static Operation put(Pair pair) { return {Function::kPut, std::move(pair.key), std::move(pair.value), {}}; }
  static Operation append(Pair pair) { return {Function::kAppend, std::move(pair.key), std::move(pair.value), {}}; }
  static Operation compare_and_set(Pair pair, Value expected) {
    return {Function::kCompareAndSet, std::move(pair.key), std::move(pair.value), std::move(expected)};
  }
  static Command single(Operation operation) { return {{}, {std::move(operation)}}; }

  enum class Status : std::uint8_t {
    kDone = 0,
    kConditionFailed = 1,  ///< nothing was done; the results are the values of the conditions' keys
    kTooLarge = 2,         ///< nothing was done: a key, a value or the transaction exceeds its limit
    kFull = 3,             ///< nothing was done: there is no room for so much more
    kMalformed = 4,        ///< the bytes are no command
  };
  enum class Change : std::uint8_t { kUnchanged = 0, kChanged = 1 };
  struct OperationResult {
    Change change = Change::kUnchanged;
    Value value;  ///< of kGet, of kCompareAndSet what it found, and of conditions

    template <class Archive>
    void serialize(Archive& archive) {
      archive(change, value);
    }
    friend bool operator==(const OperationResult&, const OperationResult&) = default;
  };
  struct Reply {
    Status status = Status::kDone;
    std::vector<OperationResult> results;  ///< one per operation

    template <class Archive>
    void serialize(Archive& archive) {
      archive(status, results);
    }
    friend bool operator==(const Reply&, const Reply&) = default;
  };

  static Payload encode(const Command& command);
  static Payload encode(const Reply& reply);
  static Result<Command> decode_command(std::span<const std::byte> bytes);
  static Result<Reply> decode_reply(std::span<const std::byte> bytes);
  static std::string describe(const Command& command);
  static std::string describe(const Reply& reply);

  Payload apply(std::span<const std::byte> command, LogTime now);
  void save(std::vector<std::byte>& out) const;
  [[nodiscard]] Result<void> load(std::span<const std::byte> bytes);
  [[nodiscard]] std::uint64_t digest() const { return digest_; }

  using Values = std::map<std::string, std::string, std::less<>>;
  [[nodiscard]] const Values& values() const { return values_; }
  friend bool operator==(const KeyValue&, const KeyValue&) = default;

 private:
  Reply execute(const Command& command);
  void set(const std::string& key, Value value);

  Values values_;
  std::size_t bytes_ = 0;     ///< of all keys and values
  std::uint64_t digest_ = 0;  ///< the sum of one term per key
};

}  // namespace quorate
