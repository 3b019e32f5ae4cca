// Where the change feed is delivered: "http(s)://[user:password@]host[:port][/path][?query]", "file:///path", or
// "stdout". A value; nothing is connected to here.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "consensus/result.hpp"

namespace quorate::cdc {

struct Endpoint {
  enum class Kind : std::uint8_t { kHttp, kHttps, kFile, kStandardOutput };

  Kind kind = Kind::kStandardOutput;
  std::string host;         ///< without brackets
  std::string port;         ///< a number
  std::string target;       ///< with the query; begins with '/'
  std::string credentials;  ///< "user:password", or empty
  std::string path;         ///< of a file

  /// For people and pages: without credentials.
  [[nodiscard]] std::string text() const;
  /// "host:port" as a request says it.
  [[nodiscard]] std::string authority() const;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

/// Whether a text is meant to be one, rather than the name of a file with options.
[[nodiscard]] bool looks_like_endpoint(std::string_view text);
[[nodiscard]] Result<Endpoint> parse_endpoint(std::string_view text);

}  // namespace quorate::cdc
