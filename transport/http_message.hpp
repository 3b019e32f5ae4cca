// A request and a response of HTTP/1.1 as values, free of sockets and of the parser behind them.
//
// Not thread-safe; a Request lives on the loop and is valid only during the handler's call, a Response is made anywhere
// and handed over.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quorate::http {

enum class Method : std::uint8_t { kGet, kHead, kPost, kPut, kDelete, kOptions, kOther };

enum class Status : std::uint16_t {
  kOk = 200,
  kNoContent = 204,
  kMovedPermanently = 301,
  kFound = 302,
  kNotModified = 304,
  kBadRequest = 400,
  kUnauthorized = 401,
  kForbidden = 403,
  kNotFound = 404,
  kMethodNotAllowed = 405,
  kRequestTimeout = 408,
  kConflict = 409,
  kGone = 410,
  kPayloadTooLarge = 413,
  kExpectationFailed = 417,
  kUnprocessable = 422,
  kTooManyRequests = 429,
  kHeaderTooLarge = 431,
  kInternalError = 500,
  kNotImplemented = 501,
  kBadGateway = 502,
  kUnavailable = 503,
  kGatewayTimeout = 504,
  kVersionNotSupported = 505,
  kInsufficientStorage = 507,
};
/// All of them.
inline constexpr Status kStatuses[] = {
    Status::kOk,
    Status::kNoContent,
    Status::kMovedPermanently,
    Status::kFound,
    Status::kNotModified,
    Status::kBadRequest,
    Status::kUnauthorized,
    Status::kForbidden,
    Status::kNotFound,
    Status::kMethodNotAllowed,
    Status::kRequestTimeout,
    Status::kConflict,
    Status::kGone,
    Status::kPayloadTooLarge,
    Status::kExpectationFailed,
    Status::kUnprocessable,
    Status::kTooManyRequests,
    Status::kHeaderTooLarge,
    Status::kInternalError,
    Status::kNotImplemented,
    Status::kBadGateway,
    Status::kUnavailable,
    Status::kGatewayTimeout,
    Status::kVersionNotSupported,
    Status::kInsufficientStorage,
};
/// As names of fields and tokens compare (ASCII only).
[[nodiscard]] bool equal_ignoring_case(std::string_view left, std::string_view right);

/// "OK", "Not Found", ...
[[nodiscard]] std::string_view reason_phrase(Status status);

/// Takes the body of a request piece by piece, instead of its being collected (http_handler.hpp).
class BodyTaker;

enum class HttpVersion : std::uint8_t { k10, k11 };
/// What becomes of the connection once the request is answered.
enum class Persistence : std::uint8_t { kClose, kKeepAlive };

/// What the parser hands to the handler. The body may be moved out of it; the views are into the request itself.
class Request {
 public:
  Method method = Method::kOther;
  HttpVersion version = HttpVersion::k11;
  Persistence persistence = Persistence::kKeepAlive;
  std::string body;
  /// If set, it has been given the body, and `body` is empty.
  std::shared_ptr<BodyTaker> taker;

  /// As sent: path and query, or an absolute URL, or "*".
  [[nodiscard]] std::string_view target() const { return std::string_view(text_).substr(0, target_size_); }
  /// The first field of that name; names compare without case.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
  [[nodiscard]] std::size_t header_count(std::string_view name) const;
  /// The client's address and port, for logs.
  [[nodiscard]] const std::string& peer() const { return peer_; }

  // What follows is for whoever builds a request: the parser, and tests.

  /// Forgets everything but the peer; keeps buffers for the next request.
  void reset();
  void set_peer(std::string peer) { peer_ = std::move(peer); }
  /// Before any header.
  void set_target(std::string_view target);
  void add_header(std::string_view name, std::string_view value);
  [[nodiscard]] std::size_t field_count() const { return fields_.size(); }
  /// Gives back memory that one large request left behind.
  void shrink();

 private:
  struct Field {
    std::uint32_t name_at;
    std::uint32_t name_size;
    std::uint32_t value_size;
  };
  [[nodiscard]] std::string_view name_of(const Field& field) const;
  [[nodiscard]] std::string_view value_of(const Field& field) const;

  std::string text_;  ///< the target, then name and value of every field
  std::size_t target_size_ = 0;
  std::vector<Field> fields_;
  std::string peer_;
};

/// An answer. Content-Length, Connection, Transfer-Encoding and Date are the server's to add.
class Response {
 public:
  Response() = default;
  explicit Response(Status code) : status(code) {}

  Status status = Status::kOk;
  std::string body;

  /// Control characters in the value become blanks: nothing that a client sent can end the line and begin another.
  Response& header(std::string_view name, std::string_view value);
  /// Lines that another Response gave out.
  Response& add_header_lines(std::string_view lines) {
    header_lines_ += lines;
    return *this;
  }
  /// The added lines, each ended by CR LF.
  [[nodiscard]] const std::string& header_lines() const { return header_lines_; }

 private:
  std::string header_lines_;
};

}  // namespace quorate::http
