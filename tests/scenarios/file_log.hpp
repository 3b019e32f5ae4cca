// The engine's write-ahead log on a simulated file system: what ModelDisk promises, kept with real bytes. It does what
// the model does at the same moments, and at every start what it finds is compared with what the model allows.
#pragma once

#include <memory>
#include <vector>

#include "consensus/concepts.hpp"
#include "consensus/effect.hpp"
#include "consensus/types.hpp"

namespace quorate::scenario {

/// What becomes of writes that were not synced when the machine lost power.
enum class UnsyncedWrites { kKept, kDropped, kTorn, kReordered };

class FileLog {
 public:
  explicit FileLog(NodeId node);
  FileLog(const FileLog&) = delete;
  FileLog& operator=(const FileLog&) = delete;
  ~FileLog();

  /// Opens the log, as a process does that starts.
  Result<Recovered> open();
  /// Durable when it returns.
  Result<LogId> write(const PersistBatch& batch);
  Result<void> compact(LogId through);
  /// There is nothing to do for a moment.
  void idle();

  /// The process ends with the machine, while these were being written.
  void crash(const std::vector<PersistBatch>& under_way, UnsyncedWrites fate);
  /// The next sync fails.
  void fail_sync();
  /// The next write goes to another place; or nowhere, and is reported as done.
  void misdirect_write();
  void lose_write();
  /// Turns a bit of the entry's body over on the medium; false if there is no such body.
  bool flip(const Entry& entry);

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace quorate::scenario
