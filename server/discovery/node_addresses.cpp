#include "server/discovery/node_addresses.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "transport/host_port.hpp"

namespace quorate::discovery {

namespace {

/// For the targets of all records together.
constexpr std::chrono::seconds kTargetsPatience{10};

std::string name_in(const std::variant<DnsConfig, DnsSrvConfig>& config) {
  if (const auto* hosts = std::get_if<DnsConfig>(&config)) return hosts->name;
  const auto& services = std::get<DnsSrvConfig>(config);
  return "_" + services.service + "._tcp." + services.name;
}

}  // namespace

NodeAddresses::NodeAddresses(std::variant<DnsConfig, DnsSrvConfig> config, std::vector<std::string> override,
                             StopFlag stop)
    : config_(std::move(config)), override_(std::move(override)), name_(name_in(config_)), resolver_(std::move(stop)) {}

Result<std::vector<std::string>> NodeAddresses::look_up() {
  auto found = [this]() -> Result<std::vector<std::string>> {
    if (!override_.empty()) return override_;
    if (const auto* hosts = std::get_if<DnsConfig>(&config_)) return look_up_hosts(*hosts);
    return look_up_services();
  }();
  if (!found) return found;
  std::ranges::sort(*found);
  found->erase(std::ranges::unique(*found).begin(), found->end());
  if (found->size() <= kDnsRecordsMax) return found;
  return fail(ErrorKind::kUnavailable,
              name_ + " stands for more than " + std::to_string(kDnsRecordsMax) + " nodes; name those of one cluster");
}

Result<std::vector<std::string>> NodeAddresses::look_up_hosts(const DnsConfig& config) {
  auto found = resolver_.addresses(config.name);
  if (!found) return found;
  for (std::string& address : *found) address = transport::to_string({address, config.port});
  return found;
}

/// A target that does not exist (yet) leaves the others as they are.
Result<std::vector<std::string>> NodeAddresses::look_up_services() {
  const auto records = resolver_.services(name_);
  if (!records) return tl::unexpected(records.error());
  std::vector<std::string> found;
  std::optional<Error> last;
  const auto deadline = std::chrono::steady_clock::now() + kTargetsPatience;
  for (const ServiceRecord& record : *records) {
    const auto addresses = resolver_.addresses(record.target);
    if (!addresses) last = addresses.error();
    if (!addresses && addresses.error().kind != ErrorKind::kNotFound) break;  // the others would take as long
    if (!addresses) continue;
    for (const std::string& address : *addresses) found.push_back(transport::to_string({address, record.port}));
    if (std::chrono::steady_clock::now() >= deadline) break;
  }
  if (found.empty()) return tl::unexpected(*last);
  return found;
}

}  // namespace quorate::discovery
