#include "server/http/query_string.hpp"

#include <algorithm>
#include <cstdint>

#include "server/http/hex.hpp"

namespace quorate::http {

namespace {

enum class Plus : std::uint8_t { kIsPlus, kIsBlank };

Result<std::string> unescape(std::string_view text, Plus plus) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus == Plus::kIsBlank) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      const int high = i + 1 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0)
        return fail(ErrorKind::kInvalidArgument, "invalid URL escape \"" + std::string(text.substr(i, 3)) + "\"");
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

std::string_view without_origin(std::string_view target) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (!target.starts_with(scheme)) continue;
    const std::size_t path = target.find_first_of("/?", scheme.size());
    return path == std::string_view::npos ? "/" : target.substr(path);
  }
  return target;
}

}  // namespace

Result<Target> split_target(std::string_view target) {
  target = without_origin(target);
  const std::size_t mark = target.find('?');
  auto path = unescape(target.substr(0, mark), Plus::kIsPlus);
  if (!path) return tl::unexpected(path.error());
  if (path->empty()) *path = "/";
  return Target{std::move(*path), mark == std::string_view::npos ? std::string_view() : target.substr(mark + 1)};
}

Result<QueryString> QueryString::parse(std::string_view query) {
  QueryString parsed;
  while (!query.empty()) {
    const std::size_t end = std::min(query.find('&'), query.size());
    const std::string_view pair = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (pair.empty()) continue;
    if (pair.find(';') != std::string_view::npos)
      return fail(ErrorKind::kInvalidArgument, "invalid semicolon separator in query");
    const std::size_t equals = pair.find('=');
    auto key = unescape(pair.substr(0, equals), Plus::kIsBlank);
    if (!key) return tl::unexpected(key.error());
    auto value = unescape(equals == std::string_view::npos ? "" : pair.substr(equals + 1), Plus::kIsBlank);
    if (!value) return tl::unexpected(value.error());
    parsed.pairs_.emplace_back(std::move(*key), std::move(*value));
  }
  return parsed;
}

std::optional<std::string_view> QueryString::find(std::string_view key) const {
  const auto at = std::ranges::find(pairs_, key, &std::pair<std::string, std::string>::first);
  if (at == pairs_.end()) return std::nullopt;
  return at->second;
}

}  // namespace quorate::http
