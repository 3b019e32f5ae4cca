// The maps of /debug/vars that are not the HTTP interface's own.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

#include <malloc.h>

#include "server/node_status.hpp"
#include "server/process_figures.hpp"

namespace quorate::server {

using http::StatusTree;

namespace {

StatusTree::List command_line() {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  StatusTree::List words;
  for (std::string word; std::getline(file, word, '\0');) words.emplace_back(word);
  return words;
}

void write_memory(StatusTree& memory) {
  const struct mallinfo2 heap = mallinfo2();
  const ProcessFigures process = process_figures();
  memory["Alloc"] = std::uint64_t{heap.uordblks + heap.hblkhd};
  memory["HeapAlloc"] = std::uint64_t{heap.uordblks + heap.hblkhd};
  memory["HeapIdle"] = std::uint64_t{heap.fordblks};
  memory["HeapSys"] = std::uint64_t{heap.arena + heap.hblkhd};
  memory["Sys"] = process.resident_bytes;
}

void write_database(const StatusSources& sources, StatusTree& database) {
  const sqlite::Executor::Stats stats = sources.replica->executor().stats();
  database["requests"] = stats.requests;
  database["batches"] = stats.batches;
  database["entries"] = stats.bundles;
  database["repeats"] = stats.repeats;
  const sqlite::PageKeeperReport& pages = sources.replica->page_care();
  database["pages_scrubbed"] = pages.scrub.pages_checked;
  database["pages_repaired"] = pages.pages_repaired;
}

/// A snapshot of its own is never restored at a start: the database is there as it was.
void write_snapshots(const StatusSources& sources, Counters& counters) {
  const std::uint64_t installed = sources.replica != nullptr ? sources.replica->snapshots_installed() : 0;
  const std::uint64_t all = sources.replica != nullptr ? sources.replica->checkpoints() : 0;
  const bool has_begun_with_data = sources.replica != nullptr && sources.replica->has_begun_with_data();
  StatusTree& store = counters["store"];
  store["num_restores"] = installed;
  store["num_restores_start"] = std::uint64_t{0};
  store["num_restores_start_skipped"] = std::uint64_t{has_begun_with_data};
  counters["snapshot"]["num_taken"] = all - std::min(all, installed);
  counters["snapshot"]["num_installed"] = installed;
}

void write_links(const StatusSources& sources, StatusTree& proto) {
  std::uint64_t bytes = 0;
  std::uint64_t connected = 0;
  for (const auto& peer : sources.transport->peers()) {
    bytes += peer.link.bytes_sent;
    connected += peer.link.is_connected ? 1 : 0;
  }
  proto["bytes_sent"] = bytes;
  proto["peers_connected"] = connected;
}

void write_listener(const transport::PeerListener::Stats& stats, StatusTree& mux) {
  mux["num_connections"] = std::uint64_t{stats.connections};
  mux["num_refused"] = stats.refused;
}

}  // namespace

void write_counters(const StatusSources& sources, Counters& counters) {
  counters["cmdline"] = command_line();
  write_memory(counters["memstats"]);
  const ClusterCounts cluster = sources.membership != nullptr ? sources.membership->counts() : ClusterCounts();
  counters["cluster"]["num_join_req"] = cluster.joins;
  StatusTree& store = counters["store"];
  store["num_snapshots"] = cluster.snapshots;
  store["num_ignored_joins"] = cluster.joins_ignored;
  store["num_removed_before_joins"] = cluster.removed_before_joins;
  const ReapCounts reaped = sources.reaper != nullptr ? sources.reaper->counts() : ReapCounts();
  store["nodes_reaped_ok"] = reaped.ok;
  store["nodes_reaped_failed"] = reaped.failed;
  const UpkeepCounts vacuums = sources.upkeep != nullptr ? sources.upkeep->vacuums() : UpkeepCounts();
  store["num_auto_vacuums"] = vacuums.done;
  store["num_auto_vacuums_failed"] = vacuums.failed;
  const UpkeepCounts optimizations = sources.upkeep != nullptr ? sources.upkeep->optimizations() : UpkeepCounts();
  store["num_auto_optimizes"] = optimizations.done;
  store["num_auto_optimizes_failed"] = optimizations.failed;
  if (sources.backups != nullptr) {
    sources.backups->write_uploads(counters["uploader"]);
    sources.backups->write_downloads(counters["downloader"]);
  }
  if (sources.transport != nullptr) write_links(sources, counters["proto"]);
  ChangeFeedView{sources.change_feed, sources.replica}.write_counters(counters["cdc.service"]);
  write_snapshots(sources, counters);
  if (sources.transport != nullptr) write_listener(sources.transport->listener_stats(), counters["mux"]);
  if (sources.replica != nullptr) write_database(sources, counters["db"]);
}

}  // namespace quorate::server
