#include "server/commands/node.hpp"

#include <limits>
#include <ostream>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>

#include "server/http/go_text.hpp"
#include "server/log.hpp"
#include "server/node_process.hpp"
#include "server/version.hpp"

namespace quorate {

using server::ListenerTls;
using server::NodeConfig;

namespace {

constexpr const char* kIdentity = "Who it is";
constexpr const char* kCluster = "Coming to a cluster, and leaving it";
constexpr const char* kSecurity = "Users and TLS";
constexpr const char* kConsensus = "Consensus";
constexpr const char* kSql = "SQL";
constexpr const char* kBackups = "Backups";
constexpr const char* kLimits = "Limits";
constexpr const char* kLog = "What it says";
constexpr const char* kHidden = "";

CLI::Option* add_duration(CLI::App& app, const std::string& name, Duration& value, const std::string& description) {
  const auto set = [&value, name](const std::string& text) {
    const auto parsed = http::parse_duration(text);
    if (!parsed || *parsed < Duration::zero())
      throw CLI::ValidationError(name, "\"" + text + "\" is no duration; write it like 250ms, 3s or 1m30s");
    value = *parsed;
  };
  return app.add_option_function<std::string>(name, set, description)
      ->type_name("DURATION")
      ->default_str(http::format_duration(value));
}

/// Flags of rqlited for what does not exist here. Whoever relies on one must know that it would do nothing.
void refuse_what_is_missing(CLI::App& app) {
  struct Missing {
    const char* names;
    const char* what;
  };
  static constexpr Missing kMissing[] = {
      {"--otlp-endpoint,--otlp-interval,--otlp-insecure,--otlp-no-verify,--otlp-ca-cert,--otlp-cert,--otlp-key",
       "pushing metrics (GET /metrics has them)"},
      {"--cpu-profile,--mem-profile,--trace-profile", "profiles of a Go runtime"},
      {"--on-disk,--on-disk-path", "placing the database elsewhere"},
  };
  for (const Missing& missing : kMissing) {
    std::string_view names = missing.names;
    while (!names.empty()) {
      const std::size_t end = std::min(names.find(','), names.size());
      const std::string name(names.substr(0, end));
      const auto refuse = [name, what = missing.what](const CLI::results_t&) -> bool {
        throw CLI::ValidationError(name, std::string("there is no support for ") + what + " yet; leave the flag out");
      };
      app.add_option(name, refuse)->expected(0, 1)->group(kHidden);
      names.remove_prefix(std::min(end + 1, names.size()));
    }
  }
}

/// Flags of rqlited that ask for nothing that is not so anyway.
void accept_what_needs_no_choice(CLI::App& app) {
  static constexpr const char* kNames[] = {"--raft-snap-int",           "--raft-commit-timeout",
                                           "--raft-apply-timeout",      "--raft-leader-lease-timeout",
                                           "--compress-snap-transport", "--cluster-connect-timeout"};
  for (const char* name : kNames) {
    const auto note = [name](const CLI::results_t&) {
      server::log_warn(std::string(name + 1) + " has no effect here: what it tunes does not exist in this engine");
      return true;
    };
    app.add_option(name, note)->expected(0, 1)->group(kHidden);
  }
}

void describe_identity(CLI::App& app, NodeConfig& config) {
  app.add_option("DATA_DIRECTORY", config.data_directory, "Where everything of the node is stored; created if need be")
      ->required();
  app.add_option("--node-id", config.node_id,
                 "Its name, unique in the cluster, for good (default: as advertised for nodes)")
      ->group(kIdentity);
  app.add_option("--http-addr", config.http_address, "Listen for clients on this host:port")->group(kIdentity);
  app.add_option("--http-adv-addr", config.http_advertised, "Address that clients are told (default: -http-addr)")
      ->group(kIdentity);
  app.add_option("--raft-addr", config.raft_address, "Listen for other nodes on this host:port")->group(kIdentity);
  app.add_option("--raft-adv-addr", config.raft_advertised, "Address that nodes are told (default: -raft-addr)")
      ->group(kIdentity);
  app.add_option("--http-allow-origin", config.allow_origin, "Access-Control-Allow-Origin of every answer")
      ->group(kIdentity);
}

void describe_cluster(CLI::App& app, NodeConfig& config) {
  app.add_option("--join", config.join, "Nodes to join a cluster through: host:port,... of -raft-addr")
      ->delimiter(',')
      ->group(kCluster);
  app.add_option("--join-attempts", config.join_attempts, "How often all of them are asked before giving up")
      ->check(CLI::Range(1U, 1'000'000U))
      ->group(kCluster);
  add_duration(app, "--join-interval", config.join_interval, "Pause between two attempts")->group(kCluster);
  app.add_option("--bootstrap-expect", config.bootstrap_expect,
                 "Form a cluster once so many of the nodes named by -join are there (the same -join on all of them)")
      ->group(kCluster);
  add_duration(app, "--bootstrap-expect-timeout", config.bootstrap_expect_timeout, "Give up after this long")
      ->group(kCluster);
  app.add_option("--disco-mode", config.discovery.mode,
                 "Find the others without -join: consul-kv, etcd-kv, dns or dns-srv (docs/clustering.md)")
      ->type_name("MODE")
      ->group(kCluster);
  app.add_option("--disco-key", config.discovery.key, "Of consul-kv and etcd-kv: the key of this cluster")
      ->group(kCluster);
  app.add_option("--disco-config", config.discovery.config, "JSON, or a file that holds it: how to reach the store")
      ->group(kCluster);
  app.add_flag("--raft-non-voter,!--raft-voter", config.is_read_replica,
               "Be a read replica: it has all the data and never counts for a majority")
      ->group(kCluster);
  app.add_flag("--raft-shutdown-stepdown", config.step_down_on_shutdown,
               "Hand leadership over before stopping; =false: do not")
      ->group(kCluster);
  app.add_flag("--raft-cluster-remove-shutdown", config.leave_on_shutdown, "Leave the cluster when stopping")
      ->group(kCluster);
  app.add_flag("--raft-remove-shutdown", config.stop_when_removed, "Stop when removed from the cluster")
      ->group(kCluster);
  add_duration(app, "--raft-reap-node-timeout", config.reap_timeout,
               "Remove a voter that the leader has not heard of for so long (0s: never)")
      ->group(kCluster);
  add_duration(app, "--raft-reap-read-only-node-timeout", config.reap_read_only_timeout, "The same for read replicas")
      ->group(kCluster);
}

void describe_listener_tls(CLI::App& app, const std::string& prefix, const std::string& whom, ListenerTls& tls) {
  app.add_option(prefix + "-cert", tls.certificate, "TLS for " + whom + ": certificate (PEM), with its chain")
      ->type_name("FILE")
      ->group(kSecurity);
  app.add_option(prefix + "-key", tls.key, "Its key (PEM, without a password)")->type_name("FILE")->group(kSecurity);
  app.add_option(prefix + "-ca-cert", tls.authorities,
                 "Certificates (PEM) of who may vouch for " + whom + " (default: those that the system trusts)")
      ->type_name("FILE")
      ->group(kSecurity);
  app.add_flag(prefix + "-verify-client", tls.verifies_clients, "Whoever connects must present a certificate")
      ->group(kSecurity);
  app.add_option(prefix + "-verify-common-name", tls.client_common_name, "Which must be of this common name")
      ->group(kSecurity);
}

void describe_security(CLI::App& app, NodeConfig& config) {
  app.add_option("--auth", config.auth_file,
                 "Users and what they may do (JSON, docs/security.md); read again when it changes, or at SIGHUP")
      ->type_name("FILE")
      ->group(kSecurity);
  app.add_option("--join-as", config.join_as, "User of that file to join a cluster as")->group(kSecurity);
  describe_listener_tls(app, "--http", "clients", config.http_tls);
  describe_listener_tls(app, "--node", "nodes", config.node_tls);
  app.add_flag("--node-no-verify", config.trusts_any_node, "Connect to nodes whatever certificate they present")
      ->group(kSecurity);
  app.add_option("--node-verify-server-name", config.node_server_name,
                 "Name that the certificates of nodes must be of, instead of the host that is connected to")
      ->group(kSecurity);
}

void describe_consensus(CLI::App& app, NodeConfig& config) {
  add_duration(app, "--raft-election-timeout,--raft-heartbeat-timeout,--raft-timeout", config.election_timeout,
               "A follower that hears nothing for one to two times this long stands for election")
      ->group(kConsensus);
  add_duration(app, "--raft-heartbeat-interval", config.heartbeat_interval,
               "How often a leader says that it is there (0s: a quarter of the election timeout)")
      ->group(kConsensus);
  app.add_option("--raft-snap", config.checkpoint_entries, "Checkpoint after so many log entries at the latest")
      ->check(CLI::Range(std::uint64_t{1}, std::numeric_limits<std::uint64_t>::max()))
      ->group(kConsensus);
  app.add_option("--raft-snap-wal-size", config.checkpoint_log_bytes,
                 "Checkpoint after so many bytes of log at the latest")
      ->check(CLI::Range(std::uint64_t{1} << 16, std::numeric_limits<std::uint64_t>::max()))
      ->group(kConsensus);
}

void describe_sql(CLI::App& app, NodeConfig& config) {
  app.add_flag("--fk", config.enforce_foreign_keys, "Enforce foreign keys")->group(kSql);
  app.add_option("--db-max-ro-conns", config.readers_max, "Idle connections kept for reading")
      ->check(CLI::Range(1U, 100'000U))
      ->group(kSql);
  app.add_option("--reader-threads", config.reader_threads, "Threads that read")
      ->check(CLI::Range(1U, 256U))
      ->group(kSql);
  app.add_option("--extensions-path", config.extensions_path,
                 "SQLite extensions that every connection loads: *.so, zip and tar.gz files, directories of them,\n"
                 "with commas between (docs/extensions.md)")
      ->type_name("PATH,...")
      ->group(kSql);
  add_duration(app, "--transaction-idle-max", config.transaction_idle_max,
               "An interactive transaction is rolled back when its client is silent for so long")
      ->group(kSql);
  add_duration(app, "--transaction-max", config.transaction_max, "And when it is open for so long")->group(kSql);
  add_duration(app, "--auto-vacuum-int", config.vacuum_interval, "VACUUM so often (0s: never)")->group(kSql);
  add_duration(app, "--auto-optimize-int", config.optimize_interval, "PRAGMA optimize so often (0s: never)")
      ->group(kSql);
  app.add_option("--cdc-config", config.cdc_config,
                 "Tell changes of rows to this endpoint (http://..., https://..., file:///path, stdout), or as this "
                 "JSON file says (docs/change-feed.md); the same on all nodes that vote")
      ->group(kSql);
}

void describe_queue(CLI::App& app, server::WriteQueueOptions& queue) {
  app.add_option("--write-queue-capacity", queue.capacity, "Queued writes acknowledged at once; further ones wait")
      ->check(CLI::Range(1U, 65536U))
      ->group(kSql);
  app.add_option("--write-queue-batch-size", queue.batch_size, "So many queued writes are executed at once")
      ->check(CLI::Range(1U, 65536U))
      ->group(kSql);
  add_duration(app, "--write-queue-timeout", queue.timeout, "Fewer are executed after so long")->group(kSql);
  app.add_flag("--write-queue-tx", queue.in_transactions, "Execute each batch in one transaction")->group(kSql);
}

void describe_backups(CLI::App& app, NodeConfig& config) {
  app.add_option("--auto-backup", config.auto_backup,
                 "Back up to a file every so often while this node leads, as this file says (JSON, docs/operating.md)")
      ->type_name("FILE")
      ->group(kBackups);
  app.add_option("--auto-restore", config.auto_restore,
                 "Begin a cluster with the data of a backup, as this file says (JSON, docs/operating.md)")
      ->type_name("FILE")
      ->group(kBackups);
}

void describe_limits(CLI::App& app, NodeConfig& config) {
  app.add_option("--http-body-bytes-max", config.http_body_bytes_max, "Largest body of a request; beyond it: 413")
      ->check(CLI::Range(std::uint64_t{1} << 10, std::uint64_t{1} << 30))
      ->group(kLimits);
  app.add_option("--http-connections-max", config.http_connections_max, "Connections of clients; beyond it: 503")
      ->check(CLI::Range(1U, 1'000'000U))
      ->group(kLimits);
}

}  // namespace

void describe_node_options(CLI::App& app, NodeConfig& config) {
  app.footer(
      "The first node of a cluster is started without -join, all others with it:\n\n"
      "  quorate node -node-id a data-a\n"
      "  quorate node -node-id b -http-addr localhost:4003 -raft-addr localhost:4004 -join localhost:4002 data-b\n\n"
      "or all of them with the same -bootstrap-expect 3 -join host1:4002,host2:4002,host3:4002. A node that was a\n"
      "member before goes on as one. Options are written with one dash or two; flags of rqlited that ask for what "
      "does\n"
      "not exist here are refused. SIGTERM and SIGINT stop the node in good order; a second one stops it at once.");
  app.set_version_flag("--version", describe_build());
  describe_identity(app, config);
  describe_cluster(app, config);
  describe_security(app, config);
  describe_consensus(app, config);
  describe_sql(app, config);
  describe_queue(app, config.write_queue);
  describe_backups(app, config);
  describe_limits(app, config);
  const auto set_level = [&config](const std::string& name) {
    const auto level = server::log_level_named(name);
    if (!level) throw CLI::ValidationError("--log-level", "\"" + name + "\" is none of debug, info, warn, error, off");
    config.log_level = *level;
  };
  app.add_option_function<std::string>("--log-level,--raft-log-level,--log", set_level,
                                       "What to say on standard error: debug, info, warn, error or off")
      ->type_name("LEVEL")
      ->default_str("info")
      ->group(kLog);
  app.add_flag_callback(
         "--log-json", [&config] { config.log_form = server::LogForm::kJson; },
         "One JSON object a line instead of text")
      ->group(kLog);
  add_duration(app, "--slow-statement", config.slow_statement, "Log statements that take so long; 0s: none")
      ->group(kLog);
  app.add_option("--test-feature-level", config.feature_level.value)->group(kHidden);
  refuse_what_is_missing(app);
  accept_what_needs_no_choice(app);
}

cli::ExitCode run_node(NodeConfig config, std::ostream&, std::ostream& err) {
  auto complete = server::complete(std::move(config));
  if (!complete) {
    err << "quorate node: " << complete.error().message << '\n';
    return cli::ExitCode::kUsage;
  }
  server::set_log_level(complete->log_level);
  server::set_log_form(complete->log_form);
  if (auto served = server::run_node_process(*complete); !served) {
    server::log_error(served.error().message);
    return cli::ExitCode::kFailure;
  }
  return cli::ExitCode::kSuccess;
}

}  // namespace quorate
