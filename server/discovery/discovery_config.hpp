// What -disco-config says, by mode: JSON with the keys of rqlite. `$NAME` and `${NAME}` stand for variables of the
// environment, within texts and outside of them. Keys that make no sense are refused; those that tune what does not
// exist here are accepted.
//
// Pure, but for the file and the variables that are read.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/result.hpp"

namespace quorate::discovery {

inline constexpr std::size_t kConfigBytesMax = std::size_t{64} << 10;
inline constexpr std::size_t kEndpointsMax = 64;
/// Of any text in it.
inline constexpr std::size_t kConfigTextBytesMax = 4096;

/// A variable of the environment; nothing if there is none of that name.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

struct TlsFiles {
  std::string authorities;  ///< empty: those that the system trusts
  std::string certificate;
  std::string key;
  std::string server_name;  ///< that the server's certificate must be of; empty: the host that is asked
  bool trusts_anybody = false;
};

/// How to reach a store over HTTP.
struct StoreConfig {
  std::vector<std::string> hosts;  ///< "host:port" each
  bool is_secure = false;
  TlsFiles tls;
  std::string user;
  std::string password;
  std::chrono::milliseconds timeout{5000};
};

struct ConsulConfig {
  StoreConfig store;
  std::string token;
  std::string token_file;  ///< holds it, instead
  std::string datacenter;
  std::string name_space;
  std::string partition;
};

struct EtcdConfig {
  StoreConfig store;
};

struct DnsConfig {
  std::string name = "rqlite";
  std::uint16_t port = 4002;
};

struct DnsSrvConfig {
  std::string name = "rqlite";
  std::string service = "rqlite";
};

/// The text itself, or what the file of that name holds; empty for an empty one.
[[nodiscard]] Result<std::string> read_config(const std::string& text_or_file);
/// The error names the variable that is missing.
[[nodiscard]] Result<std::string> expand_environment(std::string_view text, const Environment& environment);

/// Of an expanded text; an empty one is all defaults. The error says which key is wrong.
[[nodiscard]] Result<ConsulConfig> parse_consul_config(std::string_view text);
[[nodiscard]] Result<EtcdConfig> parse_etcd_config(std::string_view text);
[[nodiscard]] Result<DnsConfig> parse_dns_config(std::string_view text);
[[nodiscard]] Result<DnsSrvConfig> parse_dns_srv_config(std::string_view text);

/// "host:port,...", as RQLITE_DISCO_DNS_HOSTS has it.
[[nodiscard]] Result<std::vector<std::string>> parse_hosts(std::string_view text);

}  // namespace quorate::discovery
