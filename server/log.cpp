#include "server/log.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "server/http/json_writer.hpp"

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

constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S.%e%z %-5l %v";
constexpr const char* kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",%v)";

std::atomic<LogForm> chosen_form = LogForm::kText;

spdlog::logger& logger() {
  static const std::shared_ptr<spdlog::logger> kLogger = [] {
    auto made = spdlog::stderr_logger_mt("quorate");
    made->set_pattern(kTextPattern);
    made->flush_on(spdlog::level::debug);
    return made;
  }();
  return *kLogger;
}

/// As it is if it is one word; else in quotes, with escapes, so that a value never breaks its line.
std::string text_value(const std::string& value) {
  const bool is_word = !value.empty() && std::ranges::all_of(value, [](char c) {
    return static_cast<unsigned char>(c) > ' ' && c != '"' && c != '=' && c != '\\' && c != '\x7f';
  });
  if (is_word) return value;
  std::string quoted = "\"";
  for (const char c : value) {
    if (c == '"' || c == '\\')
      quoted.append(1, '\\').append(1, c);
    else if (c == '\n')
      quoted += "\\n";
    else if (c == '\t')
      quoted += "\\t";
    else if (static_cast<unsigned char>(c) < ' ' || c == '\x7f')
      quoted += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
    else
      quoted += c;
  }
  return quoted += '"';
}

void write(LogLevel level, std::string_view message, LogValues values) {
  if (!is_logged(level)) return;
  logger().log(level_of(level), "{}", describe_line(chosen_form.load(std::memory_order_relaxed), message, values));
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

void set_log_form(LogForm form) {
  chosen_form.store(form, std::memory_order_relaxed);
  logger().set_pattern(form == LogForm::kJson ? kJsonPattern : kTextPattern);
}

std::string describe_line(LogForm form, std::string_view message, LogValues values) {
  if (form == LogForm::kText) {
    std::string line(message);
    for (const auto& [name, value] : values) {
      if (std::holds_alternative<std::monostate>(value)) continue;
      line.append(" ").append(name).append("=");
      if (const auto* const text = std::get_if<std::string>(&value)) line += text_value(*text);
      if (const auto* const count = std::get_if<std::uint64_t>(&value)) line += std::to_string(*count);
      if (const auto* const number = std::get_if<double>(&value)) line += fmt::format("{}", *number);
    }
    return line;
  }
  http::JsonWriter json(http::JsonLayout::kCompact);
  json.begin_object().key("message").string(message);
  for (const auto& [name, value] : values) {
    if (std::holds_alternative<std::monostate>(value)) continue;
    json.key(name);
    if (const auto* const text = std::get_if<std::string>(&value)) json.string(*text);
    if (const auto* const count = std::get_if<std::uint64_t>(&value)) json.unsigned_integer(*count);
    if (const auto* const number = std::get_if<double>(&value)) json.number(*number);
  }
  json.end_object();
  return json.buffer().substr(1);
}

void log_debug(std::string_view message, LogValues values) { write(LogLevel::kDebug, message, values); }
void log_info(std::string_view message, LogValues values) { write(LogLevel::kInfo, message, values); }
void log_warn(std::string_view message, LogValues values) { write(LogLevel::kWarn, message, values); }
void log_error(std::string_view message, LogValues values) { write(LogLevel::kError, message, values); }

}  // namespace quorate::server
