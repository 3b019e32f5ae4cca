// Turns received bytes into requests, one at a time (Boost.Beast's parser behind a wall). It refuses what is ambiguous
// about where a request ends, because two programs that disagree about that can be played off against each other: two
// lengths, a length and a transfer coding, codings other than "chunked", folded or duplicated Host.
//
// No I/O, bounded memory: the caller keeps what was not consumed, up to HttpLimits::head_bytes_max, and gives it again
// together with what came after. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "transport/http_limits.hpp"
#include "transport/http_message.hpp"

namespace quorate::http {

class HttpParser {
 public:
  /// `limits` outlives the parser.
  explicit HttpParser(const HttpLimits& limits);
  ~HttpParser();

  enum class Progress : std::uint8_t {
    kNeedMore,  ///< what was consumed is not a whole request yet
    kHead,      ///< the header is complete; a body follows
    kDone,      ///< the request is complete; the next feed() begins another one
    kRefused,   ///< not a request that can be served; the connection cannot go on
  };
  struct Step {
    std::size_t consumed = 0;
    Progress progress = Progress::kNeedMore;
    Status status = Status::kBadRequest;  ///< of a refusal
    std::string_view reason;              ///< of a refusal
  };

  /// `into` is reset when a request begins and must be the same object until it is done.
  [[nodiscard]] Step feed(std::string_view bytes, Request& into);
  /// Whether a request has begun and is not done.
  [[nodiscard]] bool is_inside() const;
  [[nodiscard]] bool is_inside_body() const;

 private:
  class Machine;
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quorate::http
