// What a node tells whoever operates it: lines on standard error, each with a time, a level, a message and named
// values. Any thread.
//
//   text   2026-01-02T03:04:05.678+00:00 warn  slow statement seconds=1.25 rows=7 sql="SELECT 1"
//   JSON   {"time":"2026-01-02T03:04:05.678+00:00","level":"warn","message":"slow statement","seconds":1.25,...}
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace quorate::server {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarn, kError, kOff };
/// "debug", "INFO", ...
[[nodiscard]] std::optional<LogLevel> log_level_named(std::string_view name);

enum class LogForm : std::uint8_t { kText, kJson };

/// Lines of lower levels are dropped from now on.
void set_log_level(LogLevel level);
void set_log_form(LogForm form);
[[nodiscard]] bool is_logged(LogLevel level);

struct LogValue {
  /// The first alternative is left out.
  using Any = std::variant<std::monostate, std::uint64_t, double, std::string>;
  std::string_view name;
  Any value;
};
using LogValues = std::initializer_list<LogValue>;

void log_debug(std::string_view message, LogValues values = {});
void log_info(std::string_view message, LogValues values = {});
void log_warn(std::string_view message, LogValues values = {});
void log_error(std::string_view message, LogValues values = {});

/// What follows the time and the level of a line, in one of the forms; in JSON, the members after them and the brace.
[[nodiscard]] std::string describe_line(LogForm form, std::string_view message, LogValues values);

}  // namespace quorate::server
