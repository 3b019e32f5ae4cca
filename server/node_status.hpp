// What a node tells of itself at /status, /metrics and /debug/vars. Loop thread only.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <string>

#include "server/backups/backups.hpp"
#include "server/cdc/change_feed_service.hpp"
#include "server/config.hpp"
#include "server/discovery/discovery.hpp"
#include "server/extensions/extension_set.hpp"
#include "server/http/metrics.hpp"
#include "server/http/status_tree.hpp"
#include "server/membership/reaper.hpp"
#include "server/membership_service.hpp"
#include "server/removal_watch.hpp"
#include "server/replica.hpp"
#include "server/upkeep.hpp"
#include "transport/asio_transport.hpp"
#include "transport/http_server.hpp"

namespace quorate::server {

/// Where the figures come from; what is null is not there (yet).
struct StatusSources {
  const NodeConfig& config;
  const NodeDescription& self;
  std::chrono::system_clock::time_point started;
  Replica* replica = nullptr;
  const transport::AsioTransport* transport = nullptr;
  const http::HttpServer* http_server = nullptr;
  const RemovalWatch* removal_watch = nullptr;
  const MembershipService* membership = nullptr;
  const discovery::Discovery* discovery = nullptr;
  const extensions::ExtensionSet* extensions = nullptr;
  const ChangeFeedService* change_feed = nullptr;
  const Backups* backups = nullptr;
  const Reaper* reaper = nullptr;
  const Upkeep* upkeep = nullptr;
  std::int64_t last_backup_unix_seconds = 0;  ///< of clients and automatic ones; 0: there was none
};

/// By name.
using Counters = std::map<std::string, http::StatusTree, std::less<>>;

void write_status(const StatusSources& sources, http::StatusTree& status);
void write_counters(const StatusSources& sources, Counters& counters);
void write_metrics(const StatusSources& sources, http::MetricsText& metrics);

}  // namespace quorate::server
