// The addresses of nodes in the DNS, or in the environment instead of it, which is how tests and networks without a DNS
// of their own have them.
//
// Threads: one; blocks as DnsResolver does.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "consensus/result.hpp"
#include "server/discovery/discovery_config.hpp"
#include "server/discovery/dns_resolver.hpp"

namespace quorate::discovery {

class NodeAddresses {
 public:
  NodeAddresses(std::variant<DnsConfig, DnsSrvConfig> config, std::vector<std::string> override, StopFlag stop);

  /// "host:port" each, sorted, each once: at least one.
  [[nodiscard]] Result<std::vector<std::string>> look_up();
  /// What is looked up.
  [[nodiscard]] const std::string& name() const { return name_; }

 private:
  Result<std::vector<std::string>> look_up_hosts(const DnsConfig& config);
  Result<std::vector<std::string>> look_up_services();

  std::variant<DnsConfig, DnsSrvConfig> config_;
  std::vector<std::string> override_;
  std::string name_;
  DnsResolver resolver_;
};

}  // namespace quorate::discovery
