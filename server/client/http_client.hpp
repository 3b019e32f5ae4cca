// A blocking HTTP client, for the command line tools and for threads of a node that ask other services: one connection
// at a time, kept open, to one of several servers of the same cluster. Follows redirects, and moves on to another node
// when one does not answer, but never sends a write twice by itself unless it was told that this is harmless: whether
// the first one took effect is then not known, and the error says so.
//
// Threads: one at a time; the stop flag may be raised on any.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/result.hpp"
#include "server/client/client_options.hpp"

namespace quorate::client {

struct HttpReply {
  unsigned status = 0;
  std::string body;
};

enum class Repetition : std::uint8_t {
  kUnsafe,    ///< sent again only if nobody has taken it
  kHarmless,  ///< it reads, or carries a key by which it takes effect once
};

/// The piece of a body that begins at an offset; never empty before the end. An error ends the request.
using BodySource = std::function<Result<std::string>(std::uint64_t offset)>;

struct HttpRequest {
  std::string method = "GET";
  std::string target = "/";
  std::string body;
  std::string content_type = "application/json";
  std::string idempotency_key;
  /// More header fields, "name: value" each; nothing in them is checked.
  std::vector<std::string> fields;
  Repetition repetition = Repetition::kUnsafe;
  /// Instead of `body`, for one that may be larger than memory.
  BodySource body_at;
  std::uint64_t body_bytes = 0;
  /// How long to wait for the answer, if that is longer than the client usually does.
  std::chrono::milliseconds patience{0};

  [[nodiscard]] bool may_be_repeated() const { return method == "GET" || repetition == Repetition::kHarmless; }
};

/// Called with the parts of a large answer as they come; returning false gives up the rest and the connection. Once it
/// has been called, the request is not sent again.
using BodySink = std::function<bool(std::string_view)>;

class HttpClient {
 public:
  /// The first of the hosts that answers is used.
  explicit HttpClient(ClientOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// kUnavailable: no node took the request; kTimeout: one took it and did not answer, so that a write may or may not
  /// have taken effect.
  [[nodiscard]] Result<HttpReply> send(const HttpRequest& request);
  /// The same, but a successful answer's body goes to the sink instead of into the reply.
  [[nodiscard]] Result<HttpReply> send(const HttpRequest& request, const BodySink& sink);

  /// For another node of the same cluster, with all else as it is here.
  [[nodiscard]] std::unique_ptr<HttpClient> beside(const std::string& host) const;

  /// The node that answered last, or would be asked next.
  [[nodiscard]] const std::string& host() const;

 private:
  class Connection;

  [[nodiscard]] Result<HttpReply> send_once(const HttpRequest& request, const BodySink& sink);
  [[nodiscard]] Result<void> send_body(const HttpRequest& request);

  ClientOptions options_;
  std::size_t current_ = 0;
  std::string authorization_;  ///< the header line
  std::unique_ptr<Connection> connection_;
};

/// The header line that says who asks, ended by CR LF; empty for nobody.
[[nodiscard]] std::string authorization_line(const std::string& credentials);

/// For query strings: everything but letters, digits and -._~ as %XX.
[[nodiscard]] std::string percent_encode(std::string_view text);

}  // namespace quorate::client
