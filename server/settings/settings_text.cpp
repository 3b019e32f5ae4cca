#include "server/settings/settings_text.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <system_error>

namespace quorate::settings {

namespace {

bool begins_name(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool continues_name(char c) { return begins_name(c) || (c >= '0' && c <= '9'); }

std::string_view name_at(std::string_view text) {
  if (text.empty() || !begins_name(text.front())) return {};
  std::size_t size = 1;
  while (size < text.size() && continues_name(text[size])) ++size;
  return text.substr(0, size);
}

}  // namespace

Environment process_environment() {
  return [](const std::string& name) -> std::optional<std::string> {
    const char* const value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  };
}

Result<std::string> read_settings(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    return fail(errno == ENOENT ? ErrorKind::kNotFound : ErrorKind::kInvalidArgument,
                "cannot open " + file + ": " + std::generic_category().message(errno));
  }
  std::string text(kSettingsBytesMax + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (stream.bad())
    return fail(ErrorKind::kInvalidArgument, "cannot read " + file + ": " + std::generic_category().message(errno));
  text.resize(static_cast<std::size_t>(stream.gcount()));
  if (text.size() > kSettingsBytesMax)
    return fail(ErrorKind::kInvalidArgument, file + ": larger than " + std::to_string(kSettingsBytesMax) + " bytes");
  return text;
}

Result<std::string> with_variables(std::string_view text, const std::string& file, const Environment& environment) {
  std::string out;
  while (!text.empty()) {
    const std::size_t at = std::min(text.find('$'), text.size());
    out.append(text.substr(0, at));
    text.remove_prefix(at);
    if (text.empty()) break;
    const bool is_braced = text.substr(1).starts_with('{');
    const std::string_view name = name_at(text.substr(is_braced ? 2 : 1));
    const std::size_t bytes = name.size() + (is_braced ? 3 : 1);
    if (name.empty() || (is_braced && (bytes > text.size() || text[bytes - 1] != '}'))) {
      out += '$';
      text.remove_prefix(1);
      continue;
    }
    const std::optional<std::string> value = environment(std::string(name));
    if (!value)
      return fail(ErrorKind::kInvalidArgument,
                  file + ": there is no environment variable " + std::string(name) + "; set it, or write its value");
    out += *value;
    text.remove_prefix(bytes);
    if (out.size() > kSettingsBytesMax)
      return fail(ErrorKind::kInvalidArgument, file + ": with its environment variables it is larger than " +
                                                   std::to_string(kSettingsBytesMax) + " bytes");
  }
  return out;
}

}  // namespace quorate::settings
