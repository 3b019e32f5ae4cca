#include "server/discovery/options.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace quorate::discovery {

namespace {

constexpr std::array<std::pair<Mode, std::string_view>, 4> kModes{
    {{Mode::kConsul, "consul-kv"}, {Mode::kEtcd, "etcd-kv"}, {Mode::kDns, "dns"}, {Mode::kDnsSrv, "dns-srv"}}};

}  // namespace

std::optional<Mode> mode_named(std::string_view name) {
  const auto found = std::ranges::find(kModes, name, &decltype(kModes)::value_type::second);
  return found != kModes.end() ? std::optional(found->first) : std::nullopt;
}

std::string_view name_of(Mode mode) {
  const auto found = std::ranges::find(kModes, mode, &decltype(kModes)::value_type::first);
  return found != kModes.end() ? found->second : "none";
}

}  // namespace quorate::discovery
