#include "transport/host_port.hpp"

#include <charconv>

namespace quorate::transport {

namespace {

tl::unexpected<Error> malformed(std::string_view text, std::string_view why) {
  return fail(ErrorKind::kInvalidArgument,
              "address \"" + std::string(text) + "\": " + std::string(why) + "; expected host:port");
}

}  // namespace

Result<HostPort> parse_host_port(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return malformed(text, "there is no port");
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return malformed(text, "a bracket is not closed");
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return malformed(text, "there are too many colons; an IPv6 address is written in brackets");
  }
  if (host.find_first_of("[]/ \t\r\n") != std::string_view::npos) return malformed(text, "the host is malformed");
  HostPort address{.host = std::string(host)};
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), address.port);
  const bool is_number = parsed.ec == std::errc{} && parsed.ptr == digits.data() + digits.size();
  if (!is_number) return malformed(text, "the port is no number from 0 to 65535");
  return address;
}

std::string to_string(const HostPort& address) {
  const bool is_ipv6 = address.host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

}  // namespace quorate::transport
