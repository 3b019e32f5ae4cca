#include "statemachine/register.hpp"

#include <fmt/format.h>

#include "consensus/assert.hpp"
#include "consensus/fingerprint.hpp"
#include "statemachine/codec.hpp"
#include "statemachine/state_machine.hpp"

template <>
struct quorate::wire::LastEnumerator<quorate::Register::Function> {
  static constexpr auto value = quorate::Register::Function::kCompareAndSet;
};
template <>
struct quorate::wire::LastEnumerator<quorate::Register::Status> {
  static constexpr auto value = quorate::Register::Status::kMalformed;
};

namespace quorate {
namespace {

static_assert(TypedApplication<Register>);

std::string text_of(std::optional<Register::Value> value) { return value ? fmt::format("{}", *value) : "nothing"; }

}  // namespace

Payload Register::encode(const Command& command) { return encode_value(command); }
Payload Register::encode(const Reply& reply) { return encode_value(reply); }
Result<Register::Command> Register::decode_command(std::span<const std::byte> bytes) {
  return decode_value<Command>(bytes);
}
Result<Register::Reply> Register::decode_reply(std::span<const std::byte> bytes) { return decode_value<Reply>(bytes); }

Payload Register::apply(std::span<const std::byte> command, LogTime) {
  const Result<Command> decoded = decode_command(command);
  return encode(decoded ? execute(*decoded) : Reply{Status::kMalformed, {}});
}

Register::Reply Register::execute(const Command& command) {
  switch (command.function) {
    case Function::kRead: return {Status::kDone, value_};
    case Function::kWrite: value_ = command.value; return {Status::kDone, value_};
    case Function::kCompareAndSet:
      if (value_ != command.expected) return {Status::kMismatch, value_};
      value_ = command.value;
      return {Status::kDone, value_};
  }
  QUORATE_ASSERT(false);
}

void Register::save(std::vector<std::byte>& out) const {
  wire::WireWriter writer(out);
  writer(value_);
}

Result<void> Register::load(std::span<const std::byte> bytes) {
  Result<std::optional<Value>> loaded = decode_value<std::optional<Value>>(bytes);
  if (!loaded) return fail(ErrorKind::kCorrupt, "register: " + loaded.error().message);
  value_ = *loaded;
  return {};
}

std::uint64_t Register::digest() const {
  return value_ ? fingerprint(static_cast<std::uint64_t>(*value_), 1) : fingerprint(0, 0);
}

std::string Register::describe(const Command& command) {
  switch (command.function) {
    case Function::kRead: return "read";
    case Function::kWrite: return fmt::format("write {}", command.value);
    case Function::kCompareAndSet: return fmt::format("cas {} -> {}", text_of(command.expected), command.value);
  }
  QUORATE_ASSERT(false);
}

std::string Register::describe(const Reply& reply) {
  switch (reply.status) {
    case Status::kDone: return text_of(reply.value);
    case Status::kMismatch: return "mismatch: " + text_of(reply.value);
    case Status::kMalformed: return "malformed";
  }
  QUORATE_ASSERT(false);
}

}  // namespace quorate
