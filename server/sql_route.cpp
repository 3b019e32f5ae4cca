#include "server/sql_route.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "server/peer_protocol.hpp"
#include "transport/asio_runtime.hpp"
#include "transport/peer_limits.hpp"

namespace quorate::server {

using transport::AsioRuntime;

namespace {

/// An election takes a while.
constexpr Duration kRetryPause = std::chrono::milliseconds(20);
/// What one call may carry, less what stands around the results.
constexpr std::size_t kPassedOnBytesMax = transport::kCallBytesMax - (std::size_t{64} << 10);

}  // namespace

struct SqlRoute::Trip {
  SqlRequest request;
  Instant deadline;
  std::function<void(SqlOutcome)> done;
};

void SqlRoute::run(SqlRequest request, std::function<void(SqlOutcome)> done) {
  const Instant deadline = AsioRuntime::now() + request.options.timeout;
  if (request.options.level == ReadLevel::kAuto)
    request.options.level = cluster_.is_voter() ? ReadLevel::kWeak : ReadLevel::kNone;
  attempt(std::make_shared<Trip>(Trip{std::move(request), deadline, std::move(done)}));
}

void SqlRoute::attempt(const std::shared_ptr<Trip>& trip) {
  trip->request.options.timeout = std::max(trip->deadline - AsioRuntime::now(), Duration::zero());
  const auto results = std::make_shared<CollectedResults>(trip->request.sql.result_bytes_max);
  database_.run(trip->request, results, [this, trip, results](SqlEnd end) {
    if (end.kind == SqlEnd::Kind::kNotLeader) return ask_leader(trip);
    SqlOutcome outcome{.end = std::move(end)};
    if (outcome.is_done()) outcome.results = results->take();
    trip->done(std::move(outcome));
  });
}

void SqlRoute::ask_leader(const std::shared_ptr<Trip>& trip) {
  const Duration timeout = trip->deadline - AsioRuntime::now();
  if (timeout <= Duration::zero()) return try_again(trip, {});
  cluster_.pass_on(sql_request(encode(trip->request)), timeout, [this, trip](const ForwardEnd& end) {
    switch (end.kind) {
      case ForwardEnd::Kind::kNoLeader:
      case ForwardEnd::Kind::kRefused: return try_again(trip, {});
      case ForwardEnd::Kind::kUnknown: return trip->done({.end = {.kind = SqlEnd::Kind::kUnknown, .error = end.error}});
      case ForwardEnd::Kind::kAnswered: break;
    }
    auto outcome = decode_sql_outcome(end.answer);
    if (!outcome) return trip->done({.end = {.kind = SqlEnd::Kind::kUnknown, .error = outcome.error().message}});
    if (outcome->end.kind == SqlEnd::Kind::kNotLeader) return try_again(trip, std::move(*outcome));
    trip->done(std::move(*outcome));
  });
}

void SqlRoute::try_again(const std::shared_ptr<Trip>& trip, SqlOutcome outcome) {
  if (AsioRuntime::now() + kRetryPause < trip->deadline) {
    alarms_.after(kRetryPause, [this, trip] { attempt(trip); });
    return;
  }
  outcome.end.kind = SqlEnd::Kind::kNotLeader;
  if (outcome.end.error.empty()) outcome.end.error = "no leader was found in time";
  trip->done(std::move(outcome));
}

void SqlRoute::serve(std::span<const std::byte> bytes, std::function<void(std::optional<Payload>)> reply) {
  auto request = decode_sql_request(bytes);
  if (!request) return reply(std::nullopt);
  const auto results = std::make_shared<CollectedResults>(kPassedOnBytesMax);
  database_.run(std::move(*request), results, [results, reply = std::move(reply)](SqlEnd end) {
    SqlOutcome outcome{.end = std::move(end)};
    if (outcome.is_done()) outcome.results = results->take();
    Payload encoded = encode(outcome);
    if (encoded.size() > kPassedOnBytesMax)
      encoded = encode(SqlOutcome{.end = {.kind = SqlEnd::Kind::kUnknown,
                                          .error = "it is done, but its results are too large to be passed on"}});
    reply(std::move(encoded));
  });
}

}  // namespace quorate::server
