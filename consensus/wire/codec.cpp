#include "consensus/wire/codec.hpp"

#include "consensus/wire/serialize.hpp"

namespace quorate::wire {

template <class Archive>
void serialize(Archive& archive, Hello& hello) {
  archive(hello.from, hello.to, hello.incarnation, hello.boot, hello.feature_level, hello.address);
}

namespace {

template <class T>
Result<T> decode(std::span<const std::byte> bytes, const char* what) {
  T value{};
  WireReader reader(bytes);
  reader(value);
  if (auto complete = reader.finish(); !complete) {
    return fail(complete.error().kind, std::string(what) + ": " + complete.error().message);
  }
  return value;
}

}  // namespace

void encode(const Message& message, std::vector<std::byte>& out) { WireWriter{out}(message); }
void encode(const Hello& hello, std::vector<std::byte>& out) { WireWriter{out}(hello); }

Result<Message> decode_message(std::span<const std::byte> bytes) { return decode<Message>(bytes, "message"); }
Result<Hello> decode_hello(std::span<const std::byte> bytes) { return decode<Hello>(bytes, "hello"); }

}  // namespace quorate::wire
