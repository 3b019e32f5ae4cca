// How a node is configured: what its command line says, checked and completed. A value.
//
// Names and meanings of the flags are those of rqlited where there is such a thing here; the command
// (commands/node.hpp) says which are which.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "consensus/result.hpp"
#include "consensus/types.hpp"
#include "server/discovery/options.hpp"
#include "server/feature_level.hpp"
#include "server/log.hpp"
#include "server/write_queue_options.hpp"

namespace quorate::server {

/// TLS of what a node listens on. Without a certificate there is none.
struct ListenerTls {
  std::string certificate;
  std::string key;
  std::string authorities;  ///< empty: those that the system trusts
  bool verifies_clients = false;
  std::string client_common_name;  ///< empty: any

  [[nodiscard]] bool is_on() const { return !certificate.empty(); }
};

struct NodeConfig {
  std::string data_directory;

  // Who it is.
  std::string node_id;  ///< empty: the one in the data directory, else the advertised address for nodes
  std::string http_address = "localhost:4001";
  std::string http_advertised;  ///< empty: as bound
  std::string raft_address = "localhost:4002";
  std::string raft_advertised;  ///< empty: as bound
  std::string allow_origin;

  // How it comes to a cluster.
  std::vector<std::string> join;
  unsigned join_attempts = 5;
  Duration join_interval = std::chrono::seconds(3);
  unsigned bootstrap_expect = 0;
  Duration bootstrap_expect_timeout = std::chrono::seconds(120);
  bool is_read_replica = false;
  discovery::DiscoveryOptions discovery;

  // How it leaves.
  bool leave_on_shutdown = false;
  bool step_down_on_shutdown = true;
  bool stop_when_removed = false;
  Duration reap_timeout{};            ///< of a voter that is not heard of; 0: never
  Duration reap_read_only_timeout{};  ///< of a read replica

  // Consensus.
  Duration election_timeout = std::chrono::milliseconds(300);
  Duration heartbeat_interval{};  ///< 0: a quarter of the election timeout
  std::uint64_t checkpoint_entries = 1'000'000;
  std::uint64_t checkpoint_log_bytes = std::uint64_t{64} << 20;

  // SQL.
  bool enforce_foreign_keys = false;
  unsigned readers_max = 256;  ///< idle connections kept for reading
  unsigned reader_threads = 2;
  Duration transaction_idle_max = std::chrono::seconds(10);
  Duration transaction_max = std::chrono::minutes(1);
  Duration vacuum_interval{};                           ///< 0: never
  Duration optimize_interval = std::chrono::hours(24);  ///< of PRAGMA optimize; 0: never
  std::string extensions_path;                          ///< where SQLite extensions are, as -extensions-path has it
  std::vector<std::string> extensions;  ///< shared libraries that every connection loads; the node adds what it finds

  WriteQueueOptions write_queue;

  std::string cdc_config;  ///< of the change feed: an endpoint, or a file of options; empty: there is none

  // Files with settings (server/settings/backup_settings.hpp); empty: none.
  std::string auto_backup;
  std::string auto_restore;

  // HTTP.
  std::uint64_t http_body_bytes_max = std::uint64_t{64} << 20;
  unsigned http_connections_max = 20'000;

  // Who may do what, and who can listen.
  std::string auth_file;  ///< empty: everybody may do everything
  std::string join_as;    ///< the user of the auth file that it joins as
  ListenerTls http_tls;
  ListenerTls node_tls;
  bool trusts_any_node = false;  ///< nodes that are dialled prove nothing
  std::string node_server_name;  ///< that their certificates must be of, instead of the host dialled

  LogLevel log_level = LogLevel::kInfo;
  LogForm log_form = LogForm::kText;
  Duration slow_statement = std::chrono::seconds(1);  ///< statements that take so long are logged; 0: none

  /// What the build claims to know. Another one only in tests of clusters of several versions.
  FeatureLevel feature_level = kFeatureLevel;

  [[nodiscard]] bool has_to_find_others() const { return !join.empty() || bootstrap_expect > 0 || discovery.is_on(); }
  /// Users or certificates, which can be read again.
  [[nodiscard]] bool has_security_files() const { return !auth_file.empty() || http_tls.is_on() || node_tls.is_on(); }
};

/// Fills in what follows from the rest, and refuses what cannot work: the message names the flag, and says what to do.
[[nodiscard]] Result<NodeConfig> complete(NodeConfig config);

}  // namespace quorate::server
