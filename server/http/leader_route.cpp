#include "server/http/leader_route.hpp"

#include <optional>
#include <utility>

#include "server/http/responses.hpp"

namespace quorate::http {

using server::ForwardEnd;
using server::SqlEnd;

namespace {

/// Long enough for an election to make progress, short enough that a person does not notice.
constexpr Duration kRetryPause = std::chrono::milliseconds(100);
/// A client may ask for more; an hour of retries helps nobody.
constexpr std::uint32_t kRetriesMax = 100;

}  // namespace

struct LeaderRoute::Trip {
  Payload request;
  Duration timeout;
  std::uint32_t retries_left;
  Responder responder;
};

Response LeaderRoute::no_leader() const {
  ++context_.counts->leader_not_found;
  return leader_not_found();
}

void LeaderRoute::take(Exchange exchange) {
  if (exchange.parameters.has(Flag::kRedirect)) return redirect(std::move(exchange));
  forward(encode_request(exchange.request, context_.vouching), exchange.parameters, std::move(exchange.responder));
}

void LeaderRoute::redirect(Exchange exchange) {
  auto responder = std::make_shared<Responder>(std::move(exchange.responder));
  auto target = std::string(exchange.request.target());
  cluster_.find_leader(exchange.parameters.timeout,
                       [this, responder, target = std::move(target)](const std::optional<server::NodeView>& leader) {
                         const bool is_known = leader && !leader->api_url.empty();
                         if (!is_known) ++context_.counts->leader_not_found;
                         if (!is_known) return responder->send(text_error(Status::kInternalError, "leader not found"));
                         Response response(Status::kMovedPermanently);
                         response.header("Location", leader->api_url + target);
                         responder->send(std::move(response));
                       });
}

void LeaderRoute::forward(Payload request, const Parameters& parameters, Responder responder) {
  ++context_.counts->forwarded;
  attempt(std::make_shared<Trip>(
      Trip{std::move(request), parameters.timeout, std::min(parameters.retries, kRetriesMax), std::move(responder)}));
}

void LeaderRoute::attempt(const std::shared_ptr<Trip>& trip) {
  cluster_.forward(trip->request, trip->timeout, [this, trip](const ForwardEnd& end) { arrived(trip, end); });
}

void LeaderRoute::arrived(const std::shared_ptr<Trip>& trip, const ForwardEnd& end) {
  const bool had_no_effect = end.kind == ForwardEnd::Kind::kNoLeader || end.kind == ForwardEnd::Kind::kRefused;
  if (had_no_effect && trip->retries_left > 0) {
    --trip->retries_left;
    return context_.after(kRetryPause, [this, trip] { attempt(trip); });
  }
  if (end.kind != ForwardEnd::Kind::kAnswered) ++context_.counts->forwards_failed;
  switch (end.kind) {
    case ForwardEnd::Kind::kNoLeader: return trip->responder.send(no_leader());
    case ForwardEnd::Kind::kRefused:
      return trip->responder.send(request_error({.kind = SqlEnd::Kind::kRefused, .error = end.error}));
    case ForwardEnd::Kind::kUnknown:
      return trip->responder.send(request_error({.kind = SqlEnd::Kind::kUnknown, .error = end.error}));
    case ForwardEnd::Kind::kAnswered: break;
  }
  auto response = decode_response(end.answer);
  if (response) return trip->responder.send(std::move(*response));
  trip->responder.send(request_error({.kind = SqlEnd::Kind::kUnknown, .error = response.error().message}));
}

}  // namespace quorate::http
