// Any bytes as a file of options of the change feed, as an endpoint, and as a group of its queue. What is accepted
// keeps to the limits; what is refused says why.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "consensus/assert.hpp"
#include "server/cdc/envelope.hpp"
#include "server/cdc/feed_options.hpp"
#include "statemachine/sqlite/change.hpp"

using namespace quorate;
using namespace quorate::cdc;

namespace {

std::optional<std::string> environment(const std::string& name) {
  return name == "A" ? std::optional<std::string>("\"\\x") : std::nullopt;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto options = parse_feed_options(text, "cdc.json", environment)) {
    QUORATE_ASSERT(options->batch_groups_max > 0);
    QUORATE_ASSERT(options->backoff_min > Duration::zero());
    QUORATE_ASSERT(options->backoff_min <= options->backoff_max);
    QUORATE_ASSERT(options->transmit_timeout > Duration::zero());
  } else {
    QUORATE_ASSERT(options.error().message.starts_with("cdc.json"));
  }
  if (const auto endpoint = parse_endpoint(text)) {
    QUORATE_ASSERT(parse_endpoint(endpoint->text()).has_value());
    QUORATE_ASSERT(endpoint->target.find('\n') == std::string::npos);
  }
  const auto group = sqlite::parse_change_group(std::as_bytes(std::span(data, size)));
  if (group) QUORATE_ASSERT(!envelope_of({*group}, {.service_id = {}, .node_id = "1"}).empty());
  return 0;
}
