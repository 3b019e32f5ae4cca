#include "tests/scenarios/file_log.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "consensus/storage/wal.hpp"
#include "sim/disk.hpp"

namespace quorate::scenario {
namespace {

using Log = storage::Wal<sim::SimFiles>;

storage::WalOptions options_of(NodeId node) {
  storage::WalOptions options;
  options.cluster = ClusterId{77};
  options.node = node;
  options.entropy = node.value;
  options.segment_bytes = std::uint64_t{16} << 10;
  options.reserve_bytes = std::uint64_t{4} << 10;
  options.block_bytes = storage::kBlockBytesMin;
  return options;
}

sim::CrashPolicy policy_of(UnsyncedWrites fate) {
  switch (fate) {
    case UnsyncedWrites::kKept: return sim::CrashPolicy::kKeepAll;
    case UnsyncedWrites::kDropped: return sim::CrashPolicy::kDropAll;
    case UnsyncedWrites::kTorn: return sim::CrashPolicy::kTear;
    case UnsyncedWrites::kReordered: return sim::CrashPolicy::kReorder;
  }
  QUORATE_ASSERT(false);
}

}  // namespace

struct FileLog::Parts {
  explicit Parts(NodeId node) : options(options_of(node)), files(Random(node.value)) {}

  storage::WalOptions options;
  sim::SimFiles files;
  std::optional<Log> log;
};

FileLog::FileLog(NodeId node) : parts_(std::make_unique<Parts>(node)) {}
FileLog::~FileLog() = default;

Result<Recovered> FileLog::open() {
  auto opened = Log::open(parts_->files, parts_->options);
  if (!opened) return tl::unexpected(opened.error());
  parts_->log.emplace(std::move(opened->wal));
  return std::move(opened->recovered);
}

Result<LogId> FileLog::write(const PersistBatch& batch) {
  const Result<LogId> last = parts_->log->append(batch);
  if (!last) return last;
  if (const Result<void> durable = parts_->log->commit(); !durable) return tl::unexpected(durable.error());
  return last;
}

Result<void> FileLog::compact(LogId through) { return parts_->log->compact(through); }

void FileLog::idle() {
  // A mark is a courtesy: without it the log is as durable as before.
  static_cast<void>(parts_->log->mark());
}

void FileLog::crash(const std::vector<PersistBatch>& under_way, UnsyncedWrites fate) {
  if (parts_->log) {
    bool is_staged = !under_way.empty();
    for (const PersistBatch& batch : under_way) is_staged = is_staged && parts_->log->append(batch).has_value();
    // The write is made, and the machine stops before the sync.
    parts_->files.stop_after(1);
    if (is_staged) static_cast<void>(parts_->log->commit());
  }
  parts_->log.reset();
  parts_->files.crash(policy_of(fate));
}

void FileLog::fail_sync() { parts_->files.arm(sim::DiskFault::kSyncError); }
void FileLog::misdirect_write() { parts_->files.arm(sim::DiskFault::kMisdirectedWrite); }
void FileLog::lose_write() { parts_->files.arm(sim::DiskFault::kLostWrite); }

bool FileLog::flip(const Entry& entry) {
  const auto body = entry.payload.bytes();
  if (body.empty()) return false;
  for (const std::string& path : parts_->files.durable_files()) {
    const auto bytes = parts_->files.durable_bytes(path);
    const auto found = std::ranges::search(bytes, body);
    if (found.empty()) continue;
    parts_->files.flip_bit(path, static_cast<std::uint64_t>(found.begin() - bytes.begin()), 3);
    return true;
  }
  return false;
}

}  // namespace quorate::scenario
