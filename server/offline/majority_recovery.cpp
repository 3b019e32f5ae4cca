#include "server/offline/majority_recovery.hpp"

#include <ctime>
#include <utility>

#include <fmt/format.h>

#include "consensus/configuration_codec.hpp"
#include "consensus/storage/wal.hpp"
#include "server/feature_level.hpp"
#include "server/member_address.hpp"
#include "server/offline/node_reading.hpp"
#include "transport/host_port.hpp"

namespace quorate::server {

namespace {

using Log = storage::Wal<storage::PosixFiles>;

tl::unexpected<Error> unfit(const StoppedNode& node, const std::string& why) {
  return fail(ErrorKind::kCorrupt,
              fmt::format("node {} cannot be recovered: {}; recover another survivor, or restore a "
                          "copy of its directory",
                          node.record().name, why));
}

/// Where others repair what is damaged, this node will be alone: nothing but a hole in the log may be given up.
Result<void> check_soundness(const StoppedNode& node, const NodeReading& reading, ShadowFiles& files) {
  if (reading.problem) return unfit(node, reading.problem->message);
  if (reading.log.recovered().promises_lost)
    return unfit(node, "its log is damaged so far that ids of entries are lost");
  const auto pages = check_pages(files, reading.pages.superblock);
  if (!pages) return tl::unexpected(pages.error());
  if (pages->damage.empty()) return {};
  const PageDamage& page = pages->damage.front();
  return unfit(node, fmt::format("{} of its pages are damaged, the first of them page {} of database '{}' ({}, offset "
                                 "{})",
                                 pages->damage.size(), page.page.value, page.database, page.file, page.offset));
}

Result<void> append_line(storage::PosixFiles& files, const std::string& text) {
  auto file = files.open(kRecoveriesFile, storage::OpenMode::kOpenOrCreate);
  if (!file) return tl::unexpected(file.error());
  const auto end = file->size();
  if (!end) return tl::unexpected(end.error());
  if (auto written = file->write(*end, std::as_bytes(std::span(text))); !written) return written;
  if (auto synced = file->sync(); !synced) return synced;
  return files.sync_directory("");
}

}  // namespace

Result<RecoveryPlan> plan_majority_recovery(const StoppedNode& node, const std::optional<std::string>& new_address) {
  std::optional<std::string> address;
  if (new_address) {
    if (const auto parsed = transport::parse_host_port(*new_address); !parsed) return tl::unexpected(parsed.error());
    address = member_address(node.record().name, *new_address, kFeatureLevel);
  }
  auto files = node.shadow();
  if (!files) return tl::unexpected(files.error());
  const auto reading = read_node(node, *files, storage::ScanDepth::kForRestart);
  if (!reading) return tl::unexpected(reading.error());
  if (auto sound = check_soundness(node, *reading, *files); !sound) return tl::unexpected(sound.error());
  const auto recovery = plan_recovery(node.id(), reading->log.recovered(), reading->checkpoint, address);
  if (!recovery) {
    return fail(recovery.error().kind, fmt::format("node {}: {}", node.record().name, recovery.error().message));
  }
  if (recovery->report.left_behind.empty() && !address) {
    return fail(ErrorKind::kInvalidArgument, fmt::format("node {} is the only member of its cluster already: there is "
                                                         "nothing to recover, just start it",
                                                         node.record().name));
  }
  const auto after = decode_configuration(recovery->batch.entries.front().payload.bytes());
  if (!after) return tl::unexpected(after.error());
  return RecoveryPlan{recovery->report, reading->checkpoint, after->members.front()};
}

std::string time_of_day() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  char text[64];
  return {text, std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

Result<void> recover_majority(const StoppedNode& node, const RecoveryPlan& plan, const std::string& time) {
  auto files = node.files();
  if (!files) return tl::unexpected(files.error());
  auto log = Log::open(*files, {.directory = kLogDirectory, .cluster = node.record().cluster, .node = node.id()});
  if (!log) return tl::unexpected(log.error());
  const auto recovery = plan_recovery(node.id(), log->recovered, plan.checkpoint, plan.survivor.address);
  if (!recovery) return tl::unexpected(recovery.error());
  const std::string account = recovery->report.describe();
  // An account too many, of a recovery that a crash kept from happening, misleads less than one too few.
  if (auto begun = append_line(*files, time + " recovery begun\n" + account); !begun) return begun;
  if (auto last = log->wal.append(recovery->batch); !last) return tl::unexpected(last.error());
  if (auto committed = log->wal.commit(); !committed) return committed;
  if (auto marked = log->wal.mark(); !marked) return marked;
  return append_line(*files, time + " recovery carried out\n\n");
}

}  // namespace quorate::server
