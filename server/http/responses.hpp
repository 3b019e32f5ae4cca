// The answers that are not results: texts as clients have always got them, and refusals that say what is certain. Pure
// functions.
#pragma once

#include <string>
#include <string_view>

#include "server/database.hpp"
#include "transport/http_message.hpp"

namespace quorate::http {

/// The message and a line feed as text/plain.
[[nodiscard]] Response text_error(Status status, std::string_view message);
[[nodiscard]] Response text(std::string body);
[[nodiscard]] Response json(Status status, std::string body);
/// What every client of this interface takes for "try another node, or again".
[[nodiscard]] Response leader_not_found();

/// The answer to a request that is not done: never 2xx. Says in a header and in the body, {"results":[],"error":"...",
/// "outcome":"refused"}, whether it had no effect ("refused") or may have had one ("unknown").
[[nodiscard]] Response request_error(const server::SqlEnd& end);

}  // namespace quorate::http
