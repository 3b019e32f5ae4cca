#include "server/network_interfaces.hpp"

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <utility>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

namespace quorate::server {

namespace {

std::string flags_in(unsigned flags) {
  static constexpr std::pair<unsigned, const char*> kFlags[] = {{IFF_UP, "up"},
                                                                {IFF_BROADCAST, "broadcast"},
                                                                {IFF_LOOPBACK, "loopback"},
                                                                {IFF_POINTOPOINT, "pointtopoint"},
                                                                {IFF_MULTICAST, "multicast"},
                                                                {IFF_RUNNING, "running"}};
  std::string text;
  for (const auto& [flag, name] : kFlags)
    if ((flags & flag) != 0) text.append(text.empty() ? "" : "|").append(name);
  return text;
}

/// The bytes of an address and, of its mask, how many bits are set; empty for what is neither IPv4 nor IPv6.
std::string address_in(const sockaddr* address, const sockaddr* mask) {
  if (address == nullptr || mask == nullptr) return {};
  const bool is_v4 = address->sa_family == AF_INET;
  if (!is_v4 && address->sa_family != AF_INET6) return {};
  const std::size_t offset = is_v4 ? offsetof(sockaddr_in, sin_addr) : offsetof(sockaddr_in6, sin6_addr);
  const std::size_t size = is_v4 ? sizeof(in_addr) : sizeof(in6_addr);
  std::uint8_t bytes[sizeof(in6_addr)] = {};
  std::memcpy(bytes, reinterpret_cast<const char*>(mask) + offset, size);
  int bits = 0;
  for (const std::uint8_t byte : bytes) bits += std::popcount(byte);
  std::memcpy(bytes, reinterpret_cast<const char*>(address) + offset, size);
  char text[INET6_ADDRSTRLEN] = {};
  if (inet_ntop(address->sa_family, bytes, text, sizeof(text)) == nullptr) return {};
  return std::string(text) + "/" + std::to_string(bits);
}

}  // namespace

std::vector<NetworkInterface> network_interfaces() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return {};
  std::map<std::string, NetworkInterface> by_name;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    NetworkInterface& found = by_name[entry->ifa_name];
    found.name = entry->ifa_name;
    found.flags = flags_in(entry->ifa_flags);
    std::string address = address_in(entry->ifa_addr, entry->ifa_netmask);
    if (!address.empty()) found.addresses.push_back(std::move(address));
  }
  freeifaddrs(list);
  std::vector<NetworkInterface> interfaces;
  for (auto& [name, found] : by_name) interfaces.push_back(std::move(found));
  return interfaces;
}

}  // namespace quorate::server
