// What the command line says of how nodes find each other without knowing any address (-disco-mode, -disco-key,
// -disco-config). A value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace quorate::discovery {

enum class Mode : std::uint8_t {
  kNone,
  kConsul,  ///< a key of Consul's store names the leader
  kEtcd,    ///< a key of etcd names the leader
  kDns,     ///< the addresses of a name are the nodes
  kDnsSrv,  ///< the SRV records of a service name the nodes
};

/// "consul-kv", "etcd-kv", "dns" or "dns-srv".
[[nodiscard]] std::optional<Mode> mode_named(std::string_view name);
[[nodiscard]] std::string_view name_of(Mode mode);

struct DiscoveryOptions {
  std::string mode;  ///< by its name; empty: none
  std::string key = "rqlite";
  std::string config;  ///< JSON, or the name of a file that holds it; empty: all as it is by default

  [[nodiscard]] bool is_on() const { return !mode.empty(); }
  /// It is a store that settles who begins a cluster.
  [[nodiscard]] bool has_store() const { return mode == "consul-kv" || mode == "etcd-kv"; }
};

}  // namespace quorate::discovery
