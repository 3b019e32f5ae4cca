#include "server/node_status.hpp"

#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sqlite3.h>
#include <unistd.h>

#include "server/http/go_text.hpp"
#include "server/http/parameters.hpp"
#include "server/member_address.hpp"
#include "server/network_interfaces.hpp"
#include "server/process_figures.hpp"
#include "server/version.hpp"

namespace quorate::server {

using http::format_duration;
using http::MetricsText;
using http::StatusTree;

namespace {

std::string time_text(std::chrono::system_clock::time_point time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::floor<std::chrono::seconds>(time)));
}

std::string state_name(Role role) {
  switch (role) {
    case Role::kLeader: return "Leader";
    case Role::kCandidate:
    case Role::kPreCandidate: return "Candidate";
    case Role::kFollower: break;
  }
  return "Follower";
}

std::string suffrage(const Member& member) { return member.votes() ? "Voter" : "Nonvoter"; }

std::string_view architecture() {
#if defined(__x86_64__)
  return "amd64";
#elif defined(__aarch64__)
  return "arm64";
#else
  return "unknown";
#endif
}

/// As people write sizes: "1.5 MB".
std::string friendly(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  auto size = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; size >= 1000 && unit + 1 < std::size(kUnits); ++unit) size /= 1000;
  return fmt::format(fmt::runtime(unit == 0 ? "{:.0f} {}" : "{:.1f} {}"), size, kUnits[unit]);
}

/// Builds are reproducible, so they do not know when they were made.
void write_build(StatusTree& build) {
  build["build_time"] = "unknown";
  build["compiler_command"] = build_info().compiler.substr(0, build_info().compiler.find(' '));
  build["version"] = "v" + std::string(build_info().version);
  build["commit"] = build_info().revision;
  build["compiler_toolchain"] = build_info().compiler;
}

void write_process(const StatusSources& sources, StatusTree& status) {
  const auto now = std::chrono::system_clock::now();
  StatusTree& node = status["node"];
  node["start_time"] = time_text(sources.started);
  node["current_time"] = time_text(now);
  node["uptime"] = format_duration(std::chrono::floor<std::chrono::seconds>(now - sources.started));
  StatusTree& os = status["os"];
  os["pid"] = std::int64_t{getpid()};
  os["ppid"] = std::int64_t{getppid()};
  os["executable"] = executable_path();
  os["page_size"] = std::int64_t{sysconf(_SC_PAGESIZE)};
  std::vector<char> host(256);
  if (gethostname(host.data(), host.size() - 1) == 0) os["hostname"] = std::string(host.data());
  StatusTree& runtime = status["runtime"];
  runtime["GOARCH"] = architecture();
  runtime["GOOS"] = "linux";
  runtime["GOMAXPROCS"] = std::uint64_t{std::thread::hardware_concurrency()};
  runtime["num_goroutine"] = process_figures().threads;
  runtime["num_cpu"] = std::uint64_t{std::thread::hardware_concurrency()};
  runtime["version"] = build_info().compiler;
}

void write_tls(const ListenerTls& tls, StatusTree& status) {
  status["enabled"] = tls.is_on() ? "true" : "false";
  if (!tls.is_on()) return;
  status["cert_file"] = tls.certificate;
  status["key_file"] = tls.key;
  status["ca_file"] = tls.authorities;
  status["verify_client"] = tls.verifies_clients ? "true" : "false";
}

void write_network(StatusTree& network) {
  StatusTree& interfaces = network["interfaces"];
  for (const NetworkInterface& found : network_interfaces()) {
    StatusTree::List addresses;
    for (const std::string& address : found.addresses) addresses.emplace_back()["address"] = address;
    interfaces[found.name]["flags"] = found.flags;
    interfaces[found.name]["addresses"] = std::move(addresses);
  }
}

void write_http(const StatusSources& sources, StatusTree& http) {
  http["bind_addr"] = sources.config.http_address;
  http["auth"] = sources.config.auth_file.empty() ? "disabled" : "enabled";
  http["cluster"]["local_node_addr"] = sources.config.raft_advertised;
  http["cluster"]["timeout"] = format_duration(http::Parameters().timeout);
  if (!sources.config.allow_origin.empty()) http["allow_origin"] = sources.config.allow_origin;
  write_tls(sources.config.http_tls, http["tls"]);
  StatusTree& queue = http["queue"]["_default"];
  queue["max_size"] = std::uint64_t{sources.config.write_queue.capacity};
  queue["batch_size"] = std::uint64_t{sources.config.write_queue.batch_size};
  queue["timeout"] = format_duration(sources.config.write_queue.timeout);
  if (sources.http_server == nullptr) return;
  const http::HttpServerStats stats = sources.http_server->stats();
  http["connections"]["open"] = std::uint64_t{stats.connections_open};
  http["connections"]["accepted"] = stats.connections_accepted;
  http["connections"]["refused"] = stats.connections_refused;
}

void write_mux(const StatusSources& sources, StatusTree& mux) {
  mux["addr"] = sources.config.raft_address;
  write_tls(sources.config.node_tls, mux["tls"]);
  if (sources.transport == nullptr) return;
  const auto listener = sources.transport->listener_stats();
  mux["connections"] = std::uint64_t{listener.connections};
  mux["refused"] = listener.refused;
  if (!listener.last_refusal.empty()) mux["last_refusal"] = listener.last_refusal;
}

void write_raft(const Core& core, StatusTree& raft) {
  raft["state"] = state_name(core.role());
  raft["term"] = core.term().value;
  raft["voter"] = core.configuration().is_voter(core.id());
  raft["commit_index"] = core.commit().value;
  raft["applied_index"] = core.applied().value;
  raft["last_log_index"] = core.log().last().index.value;
  raft["last_log_term"] = core.log().last().term.value;
  raft["last_snapshot_index"] = core.checkpoint().index.value;
  raft["last_snapshot_term"] = core.checkpoint().term.value;
  raft["latest_configuration_index"] = core.configuration_index().value;
  raft["num_peers"] =
      std::uint64_t{core.configuration().members.size() - (core.configuration().contains(core.id()) ? 1U : 0U)};
  raft["durable_index"] = core.durable().value;
  raft["fsm_pending"] = core.commit().value - core.applied().value;
  std::string members;
  for (const Member& member : core.configuration().members)
    members += fmt::format("{}{{Suffrage:{} ID:{} Address:{}}}", members.empty() ? "" : " ", suffrage(member),
                           name_in(member.address), endpoint_in(member.address));
  raft["latest_configuration"] = "[" + members + "]";
}

void write_peers(const StatusSources& sources, StatusTree& peers) {
  const Core& core = sources.replica->core();
  for (const auto& peer : sources.transport->peers()) {
    const Member* member = core.configuration().find(peer.node);
    StatusTree& status = peers[member != nullptr ? name_in(member->address) : peer.address];
    status["addr"] = peer.address;
    status["connected"] = peer.link.is_connected;
    status["bytes_sent"] = peer.link.bytes_sent;
    if (!peer.link.last_error.empty()) status["last_error"] = peer.link.last_error;
    if (core.leading() == nullptr) continue;
    const auto progress = core.leading()->progress.find(peer.node);
    if (progress == core.leading()->progress.end()) continue;
    status["match_index"] = progress->second.match.value;
    status["since_contact"] = format_duration(transport::AsioRuntime::now() - progress->second.last_contact);
  }
}

/// The size of the database that clients see, as of what is applied here.
std::uint64_t database_bytes(sqlite::PageStore& store) {
  const sqlite::Pin pin = store.pin(sqlite::PinKind::kApplied);
  const auto database = store.find_database(pin, sqlite::ConnectionOptions{}.database);
  return database ? std::uint64_t{database->page_size.bytes()} * database->page_count.value : 0;
}

void write_process_metrics(const StatusSources& sources, MetricsText& metrics) {
  const ProcessFigures figures = process_figures();
  const std::chrono::duration<double> started = sources.started.time_since_epoch();
  metrics.gauge("process_resident_memory_bytes", "Memory of the process that is in RAM.")
      .sample(figures.resident_bytes);
  metrics.gauge("process_virtual_memory_bytes", "Address space of the process.").sample(figures.virtual_bytes);
  metrics.gauge("process_open_fds", "Open file descriptors.").sample(figures.open_files);
  metrics.gauge("process_threads", "Threads.").sample(figures.threads);
  metrics.counter("process_cpu_seconds_total", "Processor time of the process.").sample(figures.processor_time.count());
  metrics.gauge("process_start_time_seconds", "When the process began, since 1970.").sample(started.count());
}

void write_sqlite(StatusTree& sqlite) {
  sqlite["version"] = std::string(sqlite3_libversion());
  StatusTree::List options;
  for (int i = 0; const char* option = sqlite3_compileoption_get(i); ++i) options.emplace_back(option);
  sqlite["compile_options"] = std::move(options);
  sqlite["mem_stats"]["memory_used"] = std::int64_t{sqlite3_memory_used()};
  sqlite["mem_stats"]["max_memory_used"] = std::int64_t{sqlite3_memory_highwater(0)};
}

void write_files(const StatusSources& sources, StatusTree& store) {
  const std::string& directory = sources.config.data_directory;
  const std::uint64_t log_bytes = bytes_below(directory + "/log");
  const std::uint64_t page_bytes = bytes_below(directory + "/pages");
  store["dir"] = directory;
  store["dir_size"] = log_bytes + page_bytes;
  store["dir_size_friendly"] = friendly(log_bytes + page_bytes);
  store["raft"]["log_size"] = log_bytes;
  store["snapshot_store"]["dir"] = directory + "/pages";
  store["snapshot_store"]["dir_size"] = page_bytes;
}

void write_store(const StatusSources& sources, StatusTree& store) {
  store["addr"] = sources.config.raft_advertised;
  write_files(sources, store);
  store["snapshot_threshold"] = sources.config.checkpoint_entries;
  store["node_id"] = sources.self.name;
  store["election_timeout"] = format_duration(sources.config.election_timeout);
  store["heartbeat_timeout"] = format_duration(sources.config.heartbeat_interval);
  store["reap_timeout"] = format_duration(sources.config.reap_timeout);
  store["reap_read_only_timeout"] = format_duration(sources.config.reap_read_only_timeout);
  store["db_conf"]["fk_constraints"] = sources.config.enforce_foreign_keys;
  store["leader"]["addr"] = "";
  store["leader"]["node_id"] = "";
  store["open"] = sources.replica != nullptr;
  store["cdc"]["enabled"] = sources.change_feed != nullptr;
  store["cdc"]["registered"] = sources.change_feed != nullptr;
  store["ready"] = false;
  store["feature_level"]["known"] = sources.config.feature_level.value;
  write_sqlite(store["sqlite3"]);
  if (sources.replica == nullptr) return;

  const Core& core = sources.replica->core();
  if (const Member* leader = core.configuration().find(core.leader())) {
    store["leader"]["addr"] = endpoint_in(leader->address);
    store["leader"]["node_id"] = name_in(leader->address);
    store["ready"] = sources.replica->has_replayed();
  }
  const std::uint64_t bytes = database_bytes(sources.replica->store());
  store["sqlite3"]["db_size"] = bytes;
  store["sqlite3"]["db_size_friendly"] = friendly(bytes);
  StatusTree& pragmas = store["sqlite3"]["pragmas"]["rw"];
  pragmas["foreign_keys"] = sources.config.enforce_foreign_keys ? "1" : "0";
  store["cluster_id"] = fmt::format("{:016x}", sources.replica->identity().cluster.value);
  store["removed"] = sources.removal_watch != nullptr && sources.removal_watch->is_removed();
  store["feature_level"]["in_force"] = level_in_force(core.configuration()).value;
  store["fsm_index"] = core.applied().value;
  store["fsm_term"] = core.log().term_at(core.applied()).value_or(Term{}).value;
  store["db_applied_index"] = core.applied().value;
  StatusTree::List nodes;
  for (const Member& member : core.configuration().members) {
    StatusTree node;
    node["id"] = name_in(member.address);
    node["addr"] = endpoint_in(member.address);
    node["suffrage"] = suffrage(member);
    node["feature_level"] = level_in(member.address).value;
    nodes.push_back(std::move(node));
  }
  store["nodes"] = std::move(nodes);
  write_raft(core, store["raft"]);
  const std::optional<Duration> silence = sources.replica->since_contact();
  store["raft"]["last_contact"] = silence ? format_duration(*silence) : std::string("never");
  write_peers(sources, store["peers"]);
  StatusTree& executor = store["executor"];
  const sqlite::Executor::Stats stats = sources.replica->executor().stats();
  executor["queued"] = std::uint64_t{stats.queued};
  executor["sessions"] = std::uint64_t{stats.sessions};
  executor["requests"] = stats.requests;
  executor["batches"] = stats.batches;
  executor["bundles"] = stats.bundles;
  executor["repeats"] = stats.repeats;
  store["pages"]["overlay_bytes"] = sources.replica->store().overlay_bytes();
  store["pages"]["folded_index"] = sources.replica->store().durable().last.index.value;
}

}  // namespace

void write_status(const StatusSources& sources, StatusTree& status) {
  write_build(status["build"]);
  write_process(sources, status);
  write_network(status["network"]);
  StatusTree& cluster = status["cluster"];
  cluster["addr"] = sources.config.raft_advertised;
  cluster["api_addr"] = sources.config.http_advertised;
  cluster["https"] = sources.config.http_tls.is_on() ? "true" : "false";
  write_mux(sources, status["mux"]);
  write_http(sources, status["http"]);
  if (sources.change_feed != nullptr) sources.change_feed->write_status(status["cdc"]);
  write_store(sources, status["store"]);
  if (sources.extensions != nullptr) {
    const extensions::ExtensionSet& set = *sources.extensions;
    status["store"]["sqlite3"]["extensions"] = StatusTree::List(set.names.begin(), set.names.end());
    status["extensions"]["names"] = StatusTree::List(set.names.begin(), set.names.end());
    if (!set.names.empty()) status["extensions"]["dir"] = set.directory;
  }
  if (sources.discovery != nullptr) sources.discovery->write_status(status["disco"]);
  if (sources.backups != nullptr) sources.backups->write_status(status);
  if (sources.last_backup_unix_seconds != 0) {
    const std::chrono::sys_seconds made{std::chrono::seconds(sources.last_backup_unix_seconds)};
    status["last_backup_time"] = time_text(made);
  }
}

void write_metrics(const StatusSources& sources, MetricsText& metrics) {
  write_process_metrics(sources, metrics);
  ChangeFeedView{sources.change_feed, sources.replica}.write_metrics(metrics);
  if (sources.http_server != nullptr)
    metrics.gauge("quorate_http_connections", "Connections of clients.")
        .sample(std::uint64_t{sources.http_server->stats().connections_open});
  if (sources.replica == nullptr) return;
  const Core& core = sources.replica->core();
  metrics.gauge("quorate_raft_is_leader", "1 on the leader.").sample(std::uint64_t{core.role() == Role::kLeader});
  metrics.gauge("quorate_raft_term", "The current term.").sample(core.term().value);
  metrics.gauge("quorate_raft_commit_index", "The last entry known to be committed.").sample(core.commit().value);
  metrics.gauge("quorate_raft_applied_index", "The last entry applied.").sample(core.applied().value);
  metrics.gauge("quorate_raft_last_index", "The last entry of the log.").sample(core.log().last().index.value);
  metrics.gauge("quorate_raft_checkpoint_index", "The last entry of the newest checkpoint.")
      .sample(core.checkpoint().index.value);
  metrics.gauge("quorate_removed", "1 if this node was removed from its cluster.")
      .sample(std::uint64_t{sources.removal_watch != nullptr && sources.removal_watch->is_removed()});
  metrics.gauge("quorate_feature_level", "The feature level in force.")
      .sample(level_in_force(core.configuration()).value);
  const sqlite::PageKeeperReport& pages = sources.replica->page_care();
  metrics.counter("quorate_pages_scrubbed_total", "Pages of the base files compared with their hashes.")
      .sample(pages.scrub.pages_checked);
  metrics.counter("quorate_scrub_rounds_total", "How often all pages have been looked at.").sample(pages.scrub.rounds);
  metrics.counter("quorate_pages_repaired_total", "Damaged pages replaced by another node's copy.")
      .sample(pages.pages_repaired);
  metrics.counter("quorate_pages_supplied_total", "Questions of other nodes for pages that are damaged there.")
      .sample(pages.pages_supplied);
  metrics.gauge("quorate_pages_damaged", "Pages known to be damaged on this node's disk.")
      .sample(std::uint64_t{sources.replica->damaged_pages()});
  metrics.gauge("quorate_raft_members", "Members of the cluster.")
      .sample(std::uint64_t{core.configuration().members.size()});
  metrics.gauge("quorate_peer_connected", "1 if there is a connection to the member.");
  for (const auto& peer : sources.transport->peers())
    metrics.sample(std::uint64_t{peer.link.is_connected}, {{"addr", peer.address}});
  metrics.counter("quorate_peer_sent_bytes_total", "Bytes sent to the member.");
  for (const auto& peer : sources.transport->peers()) metrics.sample(peer.link.bytes_sent, {{"addr", peer.address}});
  const sqlite::Executor::Stats stats = sources.replica->executor().stats();
  metrics.gauge("quorate_sql_queued", "Requests that wait to be executed.").sample(std::uint64_t{stats.queued});
  metrics.gauge("quorate_sql_transactions", "Interactive transactions.").sample(std::uint64_t{stats.sessions});
  metrics.counter("quorate_sql_requests_total", "Requests executed.").sample(stats.requests);
  metrics.counter("quorate_sql_batches_total", "Batches in which they were executed.").sample(stats.batches);
  metrics.counter("quorate_sql_entries_total", "Log entries proposed for them.").sample(stats.bundles);
  metrics.counter("quorate_sql_repeats_total", "Repeated requests answered without execution.").sample(stats.repeats);
  metrics.gauge("quorate_database_bytes", "The size of the database.").sample(database_bytes(sources.replica->store()));
  metrics.gauge("quorate_pages_overlay_bytes", "Pages in memory that are newer than the base file.")
      .sample(sources.replica->store().overlay_bytes());
}

}  // namespace quorate::server
