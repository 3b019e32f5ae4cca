// One number that can be read, written, and set if it is what the client expects: the smallest application that shows a
// stale read or a lost write. It holds nothing before the first write.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/entry.hpp"
#include "consensus/payload.hpp"
#include "consensus/result.hpp"

namespace quorate {

class Register {
 public:
  static constexpr std::string_view kName = "register";
  using Value = std::int64_t;

  enum class Function : std::uint8_t { kRead = 0, kWrite = 1, kCompareAndSet = 2 };
  struct Command {
    Function function = Function::kRead;
    Value value = 0;                ///< of kWrite and kCompareAndSet
    std::optional<Value> expected;  ///< of kCompareAndSet; nothing: before the first write

    template <class Archive>
    void serialize(Archive& archive) {
      archive(function, value, expected);
    }
    friend bool operator==(const Command&, const Command&) = default;
  };
  static Command read() { return {}; }
  static Command write(Value value) { return {Function::kWrite, value, {}}; }
  struct Exchange {
    std::optional<Value> expected;
    Value value = 0;
  };
  static Command compare_and_set(const Exchange& exchange) {
    return {Function::kCompareAndSet, exchange.value, exchange.expected};
  }

  enum class Status : std::uint8_t {
    kDone = 0,
    kMismatch = 1,   ///< of kCompareAndSet; nothing was changed
    kMalformed = 2,  ///< the bytes are no command
  };
  struct Reply {
    Status status = Status::kDone;
    std::optional<Value> value;  ///< what the register holds now

    template <class Archive>
    void serialize(Archive& archive) {
      archive(status, value);
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
  [[nodiscard]] std::uint64_t digest() const;

  [[nodiscard]] std::optional<Value> value() const { return value_; }
  friend bool operator==(const Register&, const Register&) = default;

 private:
  Reply execute(const Command& command);

  std::optional<Value> value_;
};

}  // namespace quorate
