// Every limit of the HTTP server, with the defaults. What a client sends is held in memory only up to these; each is
// answered with the status given beside it.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <string_view>

#include "consensus/types.hpp"
#include "transport/http_message.hpp"

namespace quorate::http {

struct HttpLimits {
  /// Request line and header fields together: 431. A GET query may carry its SQL in the request line.
  std::size_t head_bytes_max = std::size_t{64} << 10;
  /// Header fields of one request: 431.
  std::size_t fields_max = 100;
  /// Whose body, however large, is handed on in pieces as it comes (BodyTaker); by method and target.
  std::function<bool(Method, std::string_view)> comes_in_pieces;
  /// One request's body: 413.
  std::size_t body_bytes_max = std::size_t{64} << 20;
  /// Bodies of all requests that are being received, together: 503.
  std::size_t buffered_body_bytes_max = std::size_t{256} << 20;
  /// Requests of one connection that have begun and are not answered; further ones wait in the socket.
  std::size_t pipelined_max = 64;
  /// Requests of all connections that are not answered: 503.
  std::size_t open_requests_max = std::size_t{64} << 10;
  /// While more than this waits to be sent, a connection begins no further request and a stream gets no further chunk.
  std::size_t output_bytes_max = std::size_t{256} << 10;
  /// Beyond: 503, and the connection is closed.
  std::size_t connections_max = 20'000;

  /// From the first byte of a request to the end of its header: 408.
  Duration head_timeout = std::chrono::seconds(10);
  /// For every kBodyProgressBytes of a body: 408.
  Duration body_timeout = std::chrono::seconds(30);
  /// Without a request: closed.
  Duration idle_timeout = std::chrono::minutes(10);
  /// How long a client that has closed its side of the connection may wait for an answer to begin: closed. Most of
  /// those who do are gone, which cannot be told from the outside.
  Duration leaving_timeout = std::chrono::seconds(2);
  /// Without the client taking a byte of what waits to be sent: closed.
  Duration send_timeout = std::chrono::seconds(30);
};

/// A slow body is a slow body, but it must move.
inline constexpr std::size_t kBodyProgressBytes = std::size_t{64} << 10;
/// A body that comes in pieces is handed on in pieces of at least this size.
inline constexpr std::size_t kBodyPieceBytes = std::size_t{256} << 10;
/// Bytes read at once, at most and to begin with.
inline constexpr std::size_t kReadBytes = std::size_t{16} << 10;
inline constexpr std::size_t kIdleReadBytes = std::size_t{1} << 10;
/// A connection that has been silent for so long gives its buffers back.
inline constexpr Duration kRestAfter = std::chrono::seconds(5);
/// What a client that is being refused may still send before it is cut off, and for how long: closing at once would
/// make its kernel discard the answer.
inline constexpr std::size_t kLingerBytesMax = std::size_t{1} << 20;
inline constexpr Duration kLingerTimeout = std::chrono::seconds(2);

static_assert(kIdleReadBytes <= kReadBytes);

}  // namespace quorate::http
