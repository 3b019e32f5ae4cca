// One node as a whole: its parts, put together on one loop, from opening the data directory to the end in good order.
//
//   data directory -> transport and HTTP listen -> (a cluster is looked for) -> replica -> known to the others
//
// `quorate node` runs one for the process (node_process.hpp), embedded_node.hpp one inside of another program.
//
// Threads: open(), run() and the destructor on one thread, which is the loop while run() runs; stop() and post() on
// any; the rest on the loop.
#pragma once

#include <chrono>
#include <ctime>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/alarms.hpp"
#include "server/backups/backups.hpp"
#include "server/bulk_service.hpp"
#include "server/cdc/change_feed_service.hpp"
#include "server/config.hpp"
#include "server/data_directory.hpp"
#include "server/entrance.hpp"
#include "server/extensions/extension_set.hpp"
#include "server/http/service.hpp"
#include "server/membership/reaper.hpp"
#include "server/membership_service.hpp"
#include "server/node_discovery.hpp"
#include "server/node_security.hpp"
#include "server/node_status.hpp"
#include "server/peer_protocol.hpp"
#include "server/removal_watch.hpp"
#include "server/replica.hpp"
#include "server/sql_database.hpp"
#include "server/sql_route.hpp"
#include "server/upkeep.hpp"
#include "server/write_queue.hpp"
#include "transport/asio_runtime.hpp"
#include "transport/asio_transport.hpp"
#include "transport/http_server.hpp"

namespace quorate::server {

/// The Date field of HTTP, made once a second.
class DateField {
 public:
  std::string_view now();

 private:
  std::time_t second_ = -1;
  std::string text_;
};

class NodeServer {
 public:
  /// Locks the directory and listens, for clients and for nodes; the configuration is complete (config.hpp).
  static Result<std::unique_ptr<NodeServer>> open(const NodeConfig& config);
  /// Clients first: what they wait for must not outlive what answers them.
  ~NodeServer();
  NodeServer(const NodeServer&) = delete;
  NodeServer& operator=(const NodeServer&) = delete;

  /// Serves until it is told to stop, or cannot go on.
  Result<void> run();
  /// Answers what has arrived, hands leadership over, and ends run(). May be repeated.
  void stop();
  /// Reads users and certificates again, if they have changed.
  void reload();
  void post(std::function<void()> task) { runtime_.post(std::move(task)); }

  [[nodiscard]] Alarms& alarms() { return alarms_; }
  [[nodiscard]] Cluster& cluster() { return *cluster_; }
  [[nodiscard]] SqlRoute& sql() { return *sql_; }

 private:
  NodeServer(NodeConfig config, DataDirectory directory, std::optional<NodeRecord> record, std::string name);

  Result<void> install_extensions();
  Result<void> listen();
  http::HttpServiceOptions service_options();
  void called(transport::PeerCall call);
  void take_in(const JoinRequest& join, const std::optional<security::Login>& login, transport::CallReply reply);
  std::function<void(std::optional<Payload>)> reply_later(transport::CallReply reply);
  void look_for_cluster();
  Result<void> open_replica();
  void open_replica_or_stop();
  void let_in_once_restored();
  void changed();
  void removed_or_taken_in();

  void told_to_stop();
  void empty_queue();
  void leave();
  void hand_over();
  void finish(std::optional<Error> failure);
  [[nodiscard]] StatusSources status_sources();

  NodeConfig config_;
  DataDirectory directory_;
  std::optional<NodeRecord> record_;
  std::string name_;

  transport::AsioRuntime runtime_;
  Alarms alarms_;
  DateField date_;
  const std::chrono::system_clock::time_point started_ = std::chrono::system_clock::now();
  NodeDescription self_;
  extensions::ExtensionSet extensions_;

  std::unique_ptr<NodeSecurity> security_;
  std::unique_ptr<transport::AsioTransport> transport_;
  std::unique_ptr<MembershipService> cluster_;
  SqlDatabase database_;
  std::unique_ptr<SqlRoute> sql_;
  std::unique_ptr<WriteQueue> write_queue_;
  std::unique_ptr<BulkService> bulk_;
  std::unique_ptr<Backups> backups_;
  std::unique_ptr<http::HttpService> service_;
  std::unique_ptr<http::HttpServer> http_server_;
  std::unique_ptr<NodeDiscovery> discovery_;  ///< null: there is none
  std::unique_ptr<Entrance> entrance_;
  std::unique_ptr<RemovalWatch> removal_watch_;
  std::unique_ptr<Reaper> reaper_;
  std::unique_ptr<Upkeep> upkeep_;
  std::unique_ptr<Replica> replica_;
  std::unique_ptr<ChangeFeedService> change_feed_;

  NodeId known_leader_;
  FeatureLevel known_level_;
  bool is_stopping_ = false;
  std::optional<Error> failure_;
};

}  // namespace quorate::server
