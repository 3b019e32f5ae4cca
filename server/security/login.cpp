#include "server/security/login.hpp"

#include <algorithm>

#include "server/security/base64.hpp"

namespace quorate::security {

namespace {

/// Schemes compare without case (RFC 9110 11.1).
bool takes_scheme(std::string_view& header, std::string_view scheme) {
  const auto equal = [](char left, char right) { return (left | 0x20) == right; };
  if (header.size() <= scheme.size() || header[scheme.size()] != ' ') return false;
  if (!std::ranges::equal(header.substr(0, scheme.size()), scheme, equal)) return false;
  header.remove_prefix(scheme.size());
  header.remove_prefix(std::min(header.find_first_not_of(' '), header.size()));
  return true;
}

}  // namespace

std::optional<Login> login_in(std::string_view authorization) {
  if (!takes_scheme(authorization, "basic")) return std::nullopt;
  const auto decoded = decode_base64(authorization);
  if (!decoded || decoded->find('\0') != std::string::npos) return std::nullopt;
  const std::size_t colon = decoded->find(':');
  if (colon == std::string::npos) return std::nullopt;
  return Login{decoded->substr(0, colon), decoded->substr(colon + 1)};
}

}  // namespace quorate::security
