// Values of columns declared DATE, DATETIME or TIMESTAMP, as clients get them: RFC 3339 in UTC. SQLite itself knows no
// such type; what is stored may be a text in one of several forms or a number of seconds or milliseconds. Pure
// functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quorate::http {

/// "2020-01-02", "2020-01-02 03:04[:05[.678]]", with a "T" between, with "Z" or an offset at the end. Text that is none
/// of these becomes the zero time of Go, "0001-01-01T00:00:00Z".
[[nodiscard]] std::string timestamp_of_text(std::string_view text);

/// Seconds since 1970, or milliseconds if they are more than 10^12 either way. Nothing for years beyond 0 to 9999,
/// which RFC 3339 cannot write.
[[nodiscard]] std::optional<std::string> timestamp_of_number(std::int64_t number);

}  // namespace quorate::http
