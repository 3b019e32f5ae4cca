// Any bytes as the body of a request, as its query string, and as what one node passes on to another. What is accepted
// must survive being passed on.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "consensus/assert.hpp"
#include "server/http/body.hpp"
#include "server/http/forwarding.hpp"
#include "server/http/parameters.hpp"
#include "server/http/query_string.hpp"
#include "server/http/timestamps.hpp"

using namespace quorate::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto bytes = std::as_bytes(std::span(data, size));

  const auto statements = parse_statements(text);
  QUORATE_ASSERT(statements ? !statements->empty() : !statements.error().message.empty());

  const auto parameters = parse_parameters(text);
  QUORATE_ASSERT(parameters || !parameters.error().message.empty());
  if (const auto target = split_target(text)) QUORATE_ASSERT(target->query.size() <= size);
  QUORATE_ASSERT(timestamp_of_text(text).ends_with('Z'));

  Request request;
  if (decode_request(bytes, request)) {
    const auto encoded = encode_request(request, Vouching::kNone);
    Request again;
    QUORATE_ASSERT(decode_request(encoded.bytes(), again).has_value());
    QUORATE_ASSERT(again.target() == request.target());
  }
  if (const auto response = decode_response(bytes)) {
    const auto encoded = encode_response(*response);
    QUORATE_ASSERT(std::ranges::equal(encoded.bytes(), bytes));
  }
  return 0;
}
