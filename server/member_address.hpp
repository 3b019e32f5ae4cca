// How a member of the configuration is written down: the engine knows it by a number and keeps an opaque address for
// it, in which the node's name stands in front of where it can be reached, and the feature level of its build behind:
// "name@host:port#level". Pure functions.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "consensus/types.hpp"
#include "transport/host_port.hpp"

namespace quorate::server {

using FeatureLevel = StrongNumber<struct FeatureLevelTag>;
inline constexpr FeatureLevel kFirstFeatureLevel{1};

[[nodiscard]] inline std::string member_address(std::string_view name, std::string_view host_port, FeatureLevel level) {
  return std::string(name).append("@").append(host_port).append("#").append(std::to_string(level.value));
}
[[nodiscard]] inline std::string name_in(std::string_view address) {
  return std::string(address.substr(0, std::min(address.rfind('@'), address.size())));
}
[[nodiscard]] inline std::string endpoint_in(std::string_view address) {
  return std::string(transport::endpoint_of(address));
}
/// The first level if the address does not say.
[[nodiscard]] inline FeatureLevel level_in(std::string_view address) {
  const std::string_view behind_name = address.substr(address.rfind('@') + 1);
  const std::size_t mark = behind_name.rfind('#');
  if (mark == std::string_view::npos) return kFirstFeatureLevel;
  FeatureLevel level = kFirstFeatureLevel;
  std::from_chars(behind_name.data() + mark + 1, behind_name.data() + behind_name.size(), level.value);
  return level;
}

}  // namespace quorate::server
