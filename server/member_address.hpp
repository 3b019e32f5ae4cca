// How a member of the configuration is written down: the engine knows it by a number and keeps an opaque address for
// it, in which the node's name stands in front of where it can be reached: "name@host:port". Pure functions.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>

#include "transport/host_port.hpp"

namespace quorate::server {

[[nodiscard]] inline std::string member_address(std::string_view name, std::string_view host_port) {
  return std::string(name).append("@").append(host_port);
}
[[nodiscard]] inline std::string name_in(std::string_view address) {
  return std::string(address.substr(0, std::min(address.rfind('@'), address.size())));
}
[[nodiscard]] inline std::string endpoint_in(std::string_view address) {
  return std::string(transport::endpoint_of(address));
}

}  // namespace quorate::server
