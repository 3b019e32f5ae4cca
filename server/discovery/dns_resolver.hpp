// Questions to the DNS, as the system is configured (/etc/resolv.conf, /etc/hosts), asked anew each time.
//
// Threads: one; calls block for five seconds at most, and end within a tenth of a second after the stop flag is raised.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "consensus/result.hpp"
#include "server/discovery/key_value_store.hpp"

namespace quorate::discovery {

/// Records of one answer that are looked at; further ones are an error.
inline constexpr std::size_t kDnsRecordsMax = 256;

struct ServiceRecord {
  std::string target;
  std::uint16_t port = 0;

  friend bool operator==(const ServiceRecord&, const ServiceRecord&) = default;
};

class DnsResolver {
 public:
  explicit DnsResolver(StopFlag stop) : stop_(std::move(stop)) {}

  /// Of A and AAAA records: as text, sorted, at least one.
  [[nodiscard]] Result<std::vector<std::string>> addresses(const std::string& name);
  /// Of SRV records, "_service._tcp.name": at least one.
  [[nodiscard]] Result<std::vector<ServiceRecord>> services(const std::string& name);

 private:
  StopFlag stop_;
};

/// Of an answer as it came over the network; takes any bytes whatever.
[[nodiscard]] Result<std::vector<ServiceRecord>> parse_service_records(std::span<const unsigned char> answer);

}  // namespace quorate::discovery
