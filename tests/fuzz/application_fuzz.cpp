// Commands and saved states of the in-memory applications, with sessions around them, and configurations. Whatever the
// bytes are: nothing crashes, equal replicas answer alike and stay equal, and what is accepted is what is written.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <span>
#include <vector>

#include "consensus/assert.hpp"
#include "consensus/configuration_codec.hpp"
#include "consensus/exactly_once.hpp"
#include "statemachine/kv.hpp"
#include "statemachine/list_append.hpp"
#include "statemachine/register.hpp"

namespace quorate {
namespace {

using Bytes = std::span<const std::byte>;

template <Application App>
void execute(Bytes bytes) {
  // A session to ask in; the corpus speaks of session 1.
  App one;
  App other;
  const Payload open = encode(SessionCommand(OpenSession{}));
  for (const Bytes command : {open.bytes(), bytes, bytes}) {
    const Payload reply = one.apply(command, LogTime{1});
    QUORATE_ASSERT(reply == other.apply(command, LogTime{1}));
    QUORATE_ASSERT(decode_session_reply(reply.bytes()).has_value());
  }
  QUORATE_ASSERT(one == other);
  QUORATE_ASSERT(one.digest() == other.digest());
}

template <Application App>
void load(Bytes bytes) {
  App loaded;
  if (!loaded.load(bytes)) return;
  std::vector<std::byte> saved;
  loaded.save(saved);
  QUORATE_ASSERT(std::ranges::equal(saved, bytes));
}

void decode_one_configuration(Bytes bytes) {
  const Result<Configuration> configuration = decode_configuration(bytes);
  if (configuration) QUORATE_ASSERT(std::ranges::equal(encode(*configuration).bytes(), bytes));
}

/// The first byte of an input says whose bytes follow.
constexpr void (*kTargets[])(Bytes) = {
    &execute<ExactlyOnce<Register>>, &execute<ExactlyOnce<KeyValue>>, &execute<ExactlyOnce<ListAppend>>,
    &load<ExactlyOnce<Register>>,    &load<ExactlyOnce<KeyValue>>,    &load<ExactlyOnce<ListAppend>>,
    &decode_one_configuration,
};

}  // namespace
}  // namespace quorate

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto target = data[0] % std::size(quorate::kTargets);
  quorate::kTargets[target](std::as_bytes(std::span(data + 1, size - 1)));
  return 0;
}
