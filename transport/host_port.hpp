// "host:port" as it is written in flags and in member addresses, with IPv6 hosts in brackets. A value; resolving names
// is up to whoever connects.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "consensus/result.hpp"

namespace quorate::transport {

struct HostPort {
  std::string host;  ///< without brackets; empty: every interface
  std::uint16_t port = 0;

  friend bool operator==(const HostPort&, const HostPort&) = default;
};

[[nodiscard]] Result<HostPort> parse_host_port(std::string_view text);
[[nodiscard]] std::string to_string(const HostPort& address);

/// The host:port in the address of a member, which may have a name in front of it, and a mark of what it can do behind:
/// "name@host:port#mark".
[[nodiscard]] inline std::string_view endpoint_of(std::string_view member_address) {
  member_address.remove_prefix(member_address.rfind('@') + 1);
  return member_address.substr(0, member_address.find('#'));
}

}  // namespace quorate::transport
