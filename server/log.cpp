#include "server/log.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace quorate::server {

namespace {

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarn: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
    case LogLevel::kOff: break;
  }
  return spdlog::level::off;
}

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> kLogger = [] {
    auto made = spdlog::stderr_logger_mt("quorate");
    made->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %-5l %v");
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return *kLogger;
}

}  // namespace

std::optional<LogLevel> log_level_named(std::string_view name) {
  static constexpr std::array<std::pair<std::string_view, LogLevel>, 5> kNames{{{"debug", LogLevel::kDebug},
                                                                                {"info", LogLevel::kInfo},
                                                                                {"warn", LogLevel::kWarn},
                                                                                {"error", LogLevel::kError},
                                                                                {"off", LogLevel::kOff}}};
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  const auto* const found = std::ranges::find(kNames, lower, &std::pair<std::string_view, LogLevel>::first);
  if (found == kNames.end()) return std::nullopt;
  return found->second;
}

void set_log_level(LogLevel level) { logger().set_level(level_of(level)); }
bool is_logged(LogLevel level) { return logger().should_log(level_of(level)); }

void log_debug(std::string_view message) { logger().debug("{}", message); }
void log_info(std::string_view message) { logger().info("{}", message); }
void log_warn(std::string_view message) { logger().warn("{}", message); }
void log_error(std::string_view message) { logger().error("{}", message); }

}  // namespace quorate::server
