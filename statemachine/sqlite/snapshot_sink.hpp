// Where a snapshot from another node grows until it is whole, and how it becomes the state of the page store.
//
// One file, `incoming-...` (docs/formats/snapshot.md), below a directory of its own. It is only trusted once all of it
// has been verified: the checksums of its parts, the hash of every page, and the digest of the state that it leads to.
//
// Not thread-safe; it may move between threads. All calls block. After kIo nothing more should be asked of it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "consensus/concepts.hpp"
#include "consensus/message.hpp"
#include "consensus/result.hpp"
#include "consensus/storage/any_file_system.hpp"
#include "statemachine/sqlite/page_store.hpp"

namespace quorate::sqlite {

class SnapshotSink {
 public:
  /// Finds what an interrupted transfer left and cuts the last chunk off, which may not have been durable. What is not
  /// the beginning of a snapshot is removed.
  static Result<SnapshotSink> open(storage::AnyFileSystem files, std::string directory);

  [[nodiscard]] const std::optional<StagedSnapshot>& staged() const { return staged_; }
  /// Appends at most kSnapshotChunkBytesMax bytes, durably, and says how many there are then. Offset 0 starts over,
  /// with another snapshot or the same; any other must be where the staged bytes end.
  Result<std::uint64_t> stage(const SnapshotId& id, std::uint64_t offset, std::span<const std::byte> bytes);
  /// Verifies what was staged and makes it the store's state, atomically and durably; returns the application's own
  /// bytes. While it runs nothing may be applied, sealed or committed, and no fold may be at work.
  /// kCorrupt: the staged bytes are discarded, and the store is as it was. kOverloaded, kUnsupported, kDiskFull: the
  /// store is as it was. kIo: the store must not be used any more; when it is opened again it has the old state or the
  /// new one.
  Result<std::vector<std::byte>> install(PageStore& store, const SnapshotId& id);
  /// Forgets what was staged.
  Result<void> discard();

 private:
  SnapshotSink(storage::AnyFileSystem files, std::string directory)
      : files_(std::move(files)), directory_(std::move(directory)) {}

  [[nodiscard]] std::string path(const std::string& name) const { return directory_ + "/" + name; }
  Result<bool> adopt(const std::string& name, const SnapshotId& id);
  Result<std::vector<std::byte>> carry_over(PageStore& store, const SnapshotId& id);

  storage::AnyFileSystem files_;
  std::string directory_;
  std::optional<StagedSnapshot> staged_;
  bool stage_failed_ = false;
};

}  // namespace quorate::sqlite
