#include "server/http/responses.hpp"

#include <utility>

#include "consensus/assert.hpp"
#include "server/http/json_writer.hpp"

namespace quorate::http {

namespace {

Status status_of(server::SqlEnd::Kind kind) {
  using Kind = server::SqlEnd::Kind;
  switch (kind) {
    case Kind::kInvalid: return Status::kBadRequest;
    case Kind::kTooLarge: return Status::kPayloadTooLarge;
    case Kind::kDone:
    case Kind::kNotLeader:
    case Kind::kRefused: return Status::kUnavailable;
    case Kind::kUnknown: return Status::kGatewayTimeout;
  }
  return Status::kInternalError;
}

}  // namespace

Response text_error(Status status, std::string_view message) {
  Response response(status);
  response.header("Content-Type", "text/plain; charset=utf-8").header("X-Content-Type-Options", "nosniff");
  response.body.append(message).append("\n");
  return response;
}

Response text(std::string body) {
  Response response;
  response.header("Content-Type", "text/plain; charset=utf-8");
  response.body = std::move(body);
  return response;
}

Response json(Status status, std::string body) {
  Response response(status);
  response.header("Content-Type", "application/json; charset=utf-8");
  response.body = std::move(body);
  return response;
}

Response leader_not_found() { return text_error(Status::kUnavailable, "leader not found"); }

Response request_error(const server::SqlEnd& end) {
  QUORATE_ASSERT(end.kind != server::SqlEnd::Kind::kDone);
  const char* const outcome = end.kind == server::SqlEnd::Kind::kUnknown ? "unknown" : "refused";
  JsonWriter writer(JsonLayout::kCompact);
  writer.begin_object().key("results").begin_array().end_array();
  writer.key("error").string(end.error).key("outcome").string(outcome).end_object();
  Response response = json(status_of(end.kind), std::move(writer.buffer()));
  response.header("Quorate-Outcome", outcome);
  return response;
}

}  // namespace quorate::http
