// A client's request as one node passes it on to another, and the answer on its way back: what the handlers look at,
// and nothing else. The leader handles it as if the client had come to it, except that it never passes it on again.
//
// Decoding takes any bytes whatever and allocates no more than it was given. Pure functions, any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "consensus/payload.hpp"
#include "consensus/result.hpp"
#include "transport/http_handler.hpp"
#include "transport/http_message.hpp"

namespace quorate::http {

/// What the node that passes a request on says of the client.
enum class Vouching : std::uint8_t {
  kNone,        ///< it has not looked whether the client may; the client's own credentials travel along
  kAuthorized,  ///< it has made sure
};

[[nodiscard]] Payload encode_request(const Request& request, Vouching vouching);
[[nodiscard]] Result<void> decode_request(std::span<const std::byte> bytes, Request& into);
/// Of a decoded request. What a client itself claims never gets into one.
[[nodiscard]] bool is_vouched_for(const Request& decoded);

[[nodiscard]] Payload encode_response(const Response& response);
[[nodiscard]] Result<Response> decode_response(std::span<const std::byte> bytes);

/// Runs something on the loop, later.
using Post = std::function<void(std::function<void()>)>;

/// Collects an answer instead of sending it; a stream too, up to what one call may carry. `done` gets it in encoded
/// form, on the thread that completed it.
[[nodiscard]] std::shared_ptr<ResponseSink> collect_response(Post post, std::function<void(Payload)> done);

}  // namespace quorate::http
