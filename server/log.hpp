// What a node tells whoever operates it: lines with a time and a level on standard error. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace quorate::server {

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarn, kError, kOff };
/// "debug", "INFO", ...
[[nodiscard]] std::optional<LogLevel> log_level_named(std::string_view name);

/// Lines of lower levels are dropped from now on.
void set_log_level(LogLevel level);
[[nodiscard]] bool is_logged(LogLevel level);

void log_debug(std::string_view message);
void log_info(std::string_view message);
void log_warn(std::string_view message);
void log_error(std::string_view message);

}  // namespace quorate::server
