#include "server/http/forwarding.hpp"

#include <iterator>
#include <string>
#include <utility>

#include "consensus/wire/record.hpp"
#include "server/http/responses.hpp"
#include "transport/peer_limits.hpp"

namespace quorate::http {

namespace {

/// The first byte of each, raised when the rest changes.
constexpr std::uint8_t kRequestFormat = 1;
constexpr std::uint8_t kResponseFormat = 1;

constexpr const char* kForwardedHeaders[] = {"Content-Type", "Idempotency-Key"};
/// One of these goes with them: what the client says of itself, or what this node says of it.
constexpr const char* kAuthorization = "Authorization";
constexpr const char* kVouchedFor = "Quorate-Authorized";
constexpr std::size_t kHeadersMax = std::size(kForwardedHeaders) + 1;

struct ForwardedHeader {
  std::string name;
  std::string value;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(name, value);
  }
};

struct ForwardedRequest {
  std::uint8_t format = kRequestFormat;
  std::uint8_t method = 0;
  std::string target;
  std::vector<ForwardedHeader> headers;
  std::string body;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(format, method, target, headers, body);
  }
};

struct ForwardedResponse {
  std::uint8_t format = kResponseFormat;
  std::uint16_t status = 0;
  std::string header_lines;
  std::string body;

  template <class Archive>
  void serialize(Archive& archive) {
    archive(format, status, header_lines, body);
  }
};

bool is_known(Status status) { return reason_phrase(status) != "Unknown"; }

/// Whatever a peer puts into the lines must not end the header of our own answer.
bool are_header_lines(std::string_view lines) {
  return lines.empty() ||
         (lines.ends_with("\r\n") && !lines.starts_with("\r\n") && lines.find("\r\n\r\n") == std::string_view::npos);
}

/// What one call may carry, less what stands around the body.
constexpr std::size_t kForwardedBodyBytesMax = transport::kCallBytesMax - (std::size_t{64} << 10);

/// What the request did, it did; only its answer cannot be had this way.
Response too_large() {
  Response response = text_error(
      Status::kBadGateway, "the answer is too large to be passed on by this node; ask the leader itself, or redirect");
  response.header("Quorate-Outcome", "unknown");
  return response;
}

class CollectingSink final : public ResponseSink {
 public:
  CollectingSink(Post post, std::function<void(Payload)> done) : post_(std::move(post)), done_(std::move(done)) {}

  void respond(RequestId, Response response) override {
    done_(encode_response(response.body.size() <= kForwardedBodyBytesMax ? response : too_large()));
  }
  void begin_stream(RequestId, Response head) override { response_ = std::move(head); }
  void write_chunk(RequestId, std::string chunk, StreamReady ready) override {
    const bool fits = add(chunk);
    post_([ready = std::move(ready), fits] { ready(fits ? StreamState::kOpen : StreamState::kGone); });
  }
  void end_stream(RequestId, StreamEnd end, std::string rest) override {
    if (add(rest) && end == StreamEnd::kComplete) return done_(encode_response(response_));
    done_(encode_response(too_large()));
  }

 private:
  /// Once something did not fit, nothing fits any more.
  bool add(const std::string& chunk) {
    is_full_ = is_full_ || response_.body.size() + chunk.size() > kForwardedBodyBytesMax;
    if (!is_full_) response_.body += chunk;
    return !is_full_;
  }

  Post post_;
  std::function<void(Payload)> done_;
  Response response_;
  bool is_full_ = false;
};

}  // namespace

Payload encode_request(const Request& request, Vouching vouching) {
  ForwardedRequest forwarded{.method = static_cast<std::uint8_t>(request.method),
                             .target = std::string(request.target()),
                             .body = request.body};
  for (const char* name : kForwardedHeaders)
    if (const auto value = request.header(name)) forwarded.headers.push_back({name, std::string(*value)});
  if (vouching == Vouching::kAuthorized)
    forwarded.headers.push_back({kVouchedFor, "yes"});
  else if (const auto value = request.header(kAuthorization))
    forwarded.headers.push_back({kAuthorization, std::string(*value)});
  return wire::write_record(forwarded);
}

Result<void> decode_request(std::span<const std::byte> bytes, Request& into) {
  auto forwarded = wire::read_record<ForwardedRequest>(bytes, kRequestFormat);
  if (!forwarded) return tl::unexpected(forwarded.error());
  if (forwarded->method > static_cast<std::uint8_t>(Method::kOther) || forwarded->headers.size() > kHeadersMax)
    return fail(ErrorKind::kCorrupt, "a forwarded request that no node has sent");
  into.reset();
  into.method = static_cast<Method>(forwarded->method);
  into.set_target(forwarded->target);
  for (const ForwardedHeader& header : forwarded->headers) into.add_header(header.name, header.value);
  into.body = std::move(forwarded->body);
  return {};
}

bool is_vouched_for(const Request& decoded) { return decoded.header(kVouchedFor).has_value(); }

Payload encode_response(const Response& response) {
  ForwardedResponse forwarded{.status = static_cast<std::uint16_t>(response.status),
                              .header_lines = response.header_lines(),
                              .body = response.body};
  return wire::write_record(forwarded);
}

Result<Response> decode_response(std::span<const std::byte> bytes) {
  auto forwarded = wire::read_record<ForwardedResponse>(bytes, kResponseFormat);
  if (!forwarded) return tl::unexpected(forwarded.error());
  const auto status = static_cast<Status>(forwarded->status);
  if (!is_known(status) || !are_header_lines(forwarded->header_lines))
    return fail(ErrorKind::kCorrupt, "a forwarded answer that no node has sent");
  Response response(status);
  response.add_header_lines(forwarded->header_lines);
  response.body = std::move(forwarded->body);
  return response;
}

std::shared_ptr<ResponseSink> collect_response(Post post, std::function<void(Payload)> done) {
  return std::make_shared<CollectingSink>(std::move(post), std::move(done));
}

}  // namespace quorate::http
