// Reads the JSON of a settings file, key by key. What is wrong first is kept, with its file and key, and told at the
// end, so that a parser can be written as a list of what it expects. Values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "consensus/result.hpp"
#include "consensus/types.hpp"

namespace quorate::settings {

/// One JSON value and nothing else; the error names line and column.
[[nodiscard]] Result<boost::json::value> parse_json(std::string_view text, const std::string& file);

/// Of one file; the first one counts.
struct Complaint {
  std::optional<Error> first;

  void add(const std::string& where, const std::string& what) {
    if (!first) first = Error{ErrorKind::kInvalidArgument, where + ": " + what};
  }
};

/// Anything that is absent or of another kind reads as the fallback, or as an empty value, and is complained about if
/// it must be there.
class ObjectReader {
 public:
  ObjectReader(const boost::json::value& value, std::string where, Complaint& complaint);

  [[nodiscard]] bool has(std::string_view key) const { return find(key) != nullptr; }
  /// Must be there, and not be empty.
  [[nodiscard]] std::string text(std::string_view key);
  [[nodiscard]] bool flag(std::string_view key, bool fallback);
  [[nodiscard]] std::int64_t integer(std::string_view key);
  /// "1m30s", or nanoseconds. Without a fallback it must be there.
  [[nodiscard]] Duration duration(std::string_view key, std::optional<Duration> fallback);
  /// Must be there, and be an object.
  [[nodiscard]] ObjectReader object(std::string_view key);

  void complain(std::string_view key, const std::string& what);
  /// Every key that was not asked for is one too many.
  void end();

 private:
  [[nodiscard]] const boost::json::value* find(std::string_view key) const;
  [[nodiscard]] const boost::json::value* take(std::string_view key);
  [[nodiscard]] const boost::json::value* demand(std::string_view key);

  const boost::json::object* object_;  ///< null: it is none
  std::string where_;
  Complaint* complaint_;
  std::set<std::string, std::less<>> known_;
};

}  // namespace quorate::settings
