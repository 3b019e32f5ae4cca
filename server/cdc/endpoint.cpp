#include "server/cdc/endpoint.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace quorate::cdc {

namespace {

constexpr std::string_view kStandardOutput = "stdout";
constexpr std::string_view kFile = "file://";
constexpr std::string_view kHttp = "http://";
constexpr std::string_view kHttps = "https://";
constexpr std::size_t kEndpointBytesMax = 4096;

tl::unexpected<Error> refuse(std::string_view text, const std::string& why) {
  return fail(ErrorKind::kInvalidArgument, "\"" + std::string(text) + "\" " + why);
}

/// "%40" and the like. Nothing if a percent sign stands for itself.
std::optional<std::string> percent_decoded(std::string_view text) {
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    unsigned value = 0;
    const std::string_view digits = text.substr(i + 1, 2);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.size() != 2 || error != std::errc{} || end != digits.data() + 2) return std::nullopt;
    decoded += static_cast<char>(value);
    i += 2;
  }
  return decoded;
}

bool is_port(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() && port > 0 && port < 65536;
}

/// Neither blanks nor control characters: they would end the line of the request.
bool is_printable(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c != 0x7F; });
}

Result<Endpoint> parse_url(std::string_view text, Endpoint::Kind kind, std::string_view rest) {
  // A password may be in it, and is not to be repeated in a message.
  const std::string_view shown = rest.find('@') == std::string_view::npos ? text : "the endpoint";
  if (!is_printable(rest)) return refuse(shown, "has blanks or control characters; write them as %XX");
  Endpoint endpoint{.kind = kind};
  const std::size_t path_at = std::min(rest.find_first_of("/?#"), rest.size());
  std::string_view authority = rest.substr(0, path_at);
  std::string_view target = rest.substr(path_at);
  target = target.substr(0, target.find('#'));
  endpoint.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    const auto credentials = percent_decoded(authority.substr(0, at));
    if (!credentials) return refuse(shown, "has a % in its user or password; write it as %25");
    endpoint.credentials = *credentials;
    authority.remove_prefix(at + 1);
  }
  const std::size_t bracket = authority.starts_with('[') ? authority.find(']') : std::string_view::npos;
  const std::size_t host_end = bracket == std::string_view::npos ? authority.find(':') : bracket + 1;
  endpoint.host = authority.substr(0, host_end);
  if (bracket != std::string_view::npos) endpoint.host = endpoint.host.substr(1, bracket - 1);
  const std::string_view port = host_end >= authority.size() ? std::string_view{} : authority.substr(host_end);
  endpoint.port = kind == Endpoint::Kind::kHttps ? "443" : "80";
  if (!port.empty()) endpoint.port = port.substr(1);
  if (endpoint.host.empty()) return refuse(shown, "names no host");
  if (!port.empty() && (port.front() != ':' || !is_port(endpoint.port))) return refuse(shown, "has no valid port");
  return endpoint;
}

}  // namespace

std::string Endpoint::authority() const {
  const std::string shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
  const bool is_usual = port == (kind == Kind::kHttps ? "443" : "80");
  return is_usual ? shown : shown + ":" + port;
}

std::string Endpoint::text() const {
  switch (kind) {
    case Kind::kHttp: return std::string(kHttp) + authority() + target;
    case Kind::kHttps: return std::string(kHttps) + authority() + target;
    case Kind::kFile: return std::string(kFile) + path;
    case Kind::kStandardOutput: break;
  }
  return std::string(kStandardOutput);
}

bool looks_like_endpoint(std::string_view text) {
  return text == kStandardOutput || text.find("://") != std::string_view::npos;
}

Result<Endpoint> parse_endpoint(std::string_view text) {
  if (text.size() > kEndpointBytesMax) return refuse(text.substr(0, 64), "and so on is too long for an endpoint");
  if (text == kStandardOutput) return Endpoint{};
  if (text.starts_with(kHttp)) return parse_url(text, Endpoint::Kind::kHttp, text.substr(kHttp.size()));
  if (text.starts_with(kHttps)) return parse_url(text, Endpoint::Kind::kHttps, text.substr(kHttps.size()));
  if (!text.starts_with(kFile))
    return refuse(text, "is no endpoint; write http://..., https://..., file:///path or stdout");
  Endpoint endpoint{.kind = Endpoint::Kind::kFile};
  endpoint.path = text.substr(kFile.size());
  if (!endpoint.path.starts_with('/')) return refuse(text, "names no absolute path; write file:///path");
  return endpoint;
}

}  // namespace quorate::cdc
