// The path and the query string of a request target, decoded as the clients' servers of old did: "+" is a blank, "%41"
// an "A", a semicolon no separator, the first value of a repeated key counts. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "consensus/result.hpp"

namespace quorate::http {

struct Target {
  std::string path;        ///< decoded
  std::string_view query;  ///< as sent, without the question mark
};
/// Origin form ("/path?query"), absolute form ("http://host/path?query") or "*". The query refers to `target`.
[[nodiscard]] Result<Target> split_target(std::string_view target);

class QueryString {
 public:
  /// The error's message is what the client is told.
  [[nodiscard]] static Result<QueryString> parse(std::string_view query);

  [[nodiscard]] bool has(std::string_view key) const { return find(key).has_value(); }
  [[nodiscard]] std::optional<std::string_view> find(std::string_view key) const;

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;
};

}  // namespace quorate::http
