// The machine's network interfaces, for those who look at a node from afar. Asks the operating system each time; any
// thread.
#pragma once

#include <string>
#include <vector>

namespace quorate::server {

struct NetworkInterface {
  std::string name;
  std::string flags;                   ///< "up|loopback|running"
  std::vector<std::string> addresses;  ///< with the length of the network's prefix: "127.0.0.1/8"
};

/// In the order of their names; empty if that cannot be known.
[[nodiscard]] std::vector<NetworkInterface> network_interfaces();

}  // namespace quorate::server
