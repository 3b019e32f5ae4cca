#include "server/config.hpp"

#include <algorithm>
#include <utility>

#include "consensus/limits.hpp"
#include "consensus/options.hpp"
#include "server/cdc/change_feed_service.hpp"
#include "server/member_address.hpp"
#include "transport/host_port.hpp"

namespace quorate::server {

namespace {

using transport::HostPort;
using transport::parse_host_port;

constexpr int kReapElectionTimeoutsMin = 3;

tl::unexpected<Error> refuse(std::string message) { return fail(ErrorKind::kInvalidArgument, std::move(message)); }

Result<HostPort> bound_address(const std::string& flag, const std::string& text) {
  auto address = parse_host_port(text);
  if (!address) return refuse(flag + ": " + address.error().message);
  if (address->port == 0) return refuse(flag + ": port 0 cannot be told to others; name a port");
  return address;
}

/// What others are told. They cannot reach an address that means "all interfaces".
Result<void> advertise(const std::string& flag, const std::string& bound, std::string& advertised) {
  if (advertised.empty()) advertised = bound;
  auto address = bound_address(flag, advertised);
  if (!address) return tl::unexpected(address.error());
  const bool is_everything = address->host.empty() || address->host == "0.0.0.0" || address->host == "::";
  if (!is_everything) return {};
  return refuse(flag + ": " + advertised + " is no address that others could connect to; name the one they should use");
}

Result<void> complete_addresses(NodeConfig& config) {
  if (auto bound = bound_address("-http-addr", config.http_address); !bound) return tl::unexpected(bound.error());
  if (auto bound = bound_address("-raft-addr", config.raft_address); !bound) return tl::unexpected(bound.error());
  if (auto done = advertise("-http-adv-addr", config.http_address, config.http_advertised); !done) return done;
  if (auto done = advertise("-raft-adv-addr", config.raft_address, config.raft_advertised); !done) return done;
  if (config.http_address == config.raft_address) return refuse("-http-addr and -raft-addr must differ");
  if (config.http_advertised == config.raft_advertised) return refuse("-http-adv-addr and -raft-adv-addr must differ");
  return {};
}

Result<void> check_discovery(const NodeConfig& config) {
  const discovery::DiscoveryOptions& options = config.discovery;
  if (!options.is_on()) {
    if (options.config.empty()) return {};
    return refuse("-disco-config says nothing without -disco-mode: name one of consul-kv, etcd-kv, dns, dns-srv");
  }
  if (!discovery::mode_named(options.mode))
    return refuse("-disco-mode: \"" + options.mode + "\" is none of consul-kv, etcd-kv, dns, dns-srv");
  if (!config.join.empty()) return refuse("-join and -disco-mode both say where the others are: use one of them");
  if (options.has_store() && config.bootstrap_expect > 0)
    return refuse("-bootstrap-expect has no place with -disco-mode " + options.mode +
                  ": whoever is first begins the cluster; leave it out");
  if (!options.has_store() && config.bootstrap_expect == 0 && !config.is_read_replica)
    return refuse("-disco-mode " + options.mode + " needs -bootstrap-expect: the number of nodes that begin a cluster");
  return {};
}

Result<void> check_joining(NodeConfig& config) {
  std::erase(config.join, "");
  std::ranges::sort(config.join);
  config.join.erase(std::ranges::unique(config.join).begin(), config.join.end());
  for (const std::string& address : config.join)
    if (auto parsed = bound_address("-join", address); !parsed) return tl::unexpected(parsed.error());
  if (!config.auto_restore.empty() && !config.join.empty())
    return refuse("-auto-restore is for a node that begins a cluster; one with -join gets its data from the others");
  if (config.bootstrap_expect > 0 && config.is_read_replica)
    return refuse("-bootstrap-expect is for voters; a node with -raft-non-voter joins a cluster that is there");
  const bool names_itself = std::ranges::binary_search(config.join, config.raft_advertised);
  if (config.bootstrap_expect == 0 && names_itself)
    return refuse("-join: " + config.raft_advertised + " is this node itself; name others");
  if (config.bootstrap_expect == 0 || config.discovery.is_on()) return {};
  if (!names_itself)
    config.join.insert(std::ranges::lower_bound(config.join, config.raft_advertised), config.raft_advertised);
  if (config.join.size() < config.bootstrap_expect)
    return refuse("-bootstrap-expect " + std::to_string(config.bootstrap_expect) + ": -join names only " +
                  std::to_string(config.join.size()) + " nodes, this one included; name all of them");
  return {};
}

/// Shorter, and a member would be removed because it was restarted, or because of an election.
Result<void> check_reaping(const NodeConfig& config) {
  const auto check = [&](const std::string& flag, Duration timeout) -> Result<void> {
    if (timeout == Duration::zero() || timeout >= kReapElectionTimeoutsMin * config.election_timeout) return {};
    return refuse(flag + " must be 0s (never) or at least " + std::to_string(kReapElectionTimeoutsMin) +
                  " election timeouts; hours make more sense than seconds");
  };
  if (auto done = check("-raft-reap-node-timeout", config.reap_timeout); !done) return done;
  return check("-raft-reap-read-only-node-timeout", config.reap_read_only_timeout);
}

Result<void> check_listener(const std::string& flag, const ListenerTls& tls) {
  if (tls.certificate.empty() != tls.key.empty())
    return refuse(flag + "-cert and " + flag + "-key belong together: name both files, or none");
  if (!tls.is_on() && tls.verifies_clients)
    return refuse(flag + "-verify-client needs TLS: name " + flag + "-cert and " + flag + "-key");
  if (!tls.is_on() && !tls.authorities.empty())
    return refuse(flag + "-ca-cert says nothing without TLS: name " + flag + "-cert and " + flag + "-key");
  if (tls.verifies_clients && tls.authorities.empty())
    return refuse(flag + "-verify-client needs " + flag +
                  "-ca-cert: whoever anybody on the internet vouches for would be let in otherwise");
  if (!tls.client_common_name.empty() && !tls.verifies_clients)
    return refuse(flag + "-verify-common-name needs " + flag + "-verify-client");
  return {};
}

Result<void> check_security(const NodeConfig& config) {
  if (auto done = check_listener("-http", config.http_tls); !done) return done;
  if (auto done = check_listener("-node", config.node_tls); !done) return done;
  const bool says_how = config.trusts_any_node || !config.node_server_name.empty();
  if (says_how && !config.node_tls.is_on())
    return refuse("-node-no-verify and -node-verify-server-name need TLS: name -node-cert and -node-key");
  if (config.trusts_any_node && !config.node_server_name.empty())
    return refuse("-node-verify-server-name has no effect with -node-no-verify; leave one of them out");
  if (!config.join_as.empty() && config.auth_file.empty())
    return refuse("-join-as needs -auth: the password is looked up in that file");
  return {};
}

}  // namespace

Result<NodeConfig> complete(NodeConfig config) {
  if (config.data_directory.empty()) return refuse("no data directory is named");
  if (auto done = complete_addresses(config); !done) return tl::unexpected(done.error());
  if (auto done = check_discovery(config); !done) return tl::unexpected(done.error());
  if (auto done = check_joining(config); !done) return tl::unexpected(done.error());
  if (member_address(config.node_id, config.raft_advertised, kFeatureLevel).size() > kAddressBytesMax)
    return refuse("-node-id is too long");
  if (std::ranges::any_of(config.node_id, [](char c) { return static_cast<unsigned char>(c) < ' '; }))
    return refuse("-node-id must not hold control characters");
  if (auto done = check_security(config); !done) return tl::unexpected(done.error());
  if (auto done = check_change_feed(config); !done) return tl::unexpected(done.error());
  if (config.heartbeat_interval == Duration::zero()) config.heartbeat_interval = config.election_timeout / 4;
  if (auto done = check_reaping(config); !done) return tl::unexpected(done.error());
  CoreOptions core{
      .id = NodeId{1}, .heartbeat_interval = config.heartbeat_interval, .election_timeout = config.election_timeout};
  if (auto valid = validate(core); !valid) return refuse("-raft-election-timeout: " + valid.error().message);
  return config;
}

}  // namespace quorate::server
