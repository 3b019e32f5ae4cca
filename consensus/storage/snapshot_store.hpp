// Durable snapshots of applications whose state is in memory, and the place where a received one grows. One file per
// snapshot (snapshot_format.hpp), made under another name, synced, renamed, and the directory synced: a snapshot is
// there as a whole or not at all (pitfall C13).
//
// The newest two are kept, so that damage to the newest leaves one to go back to, as long as the log reaches back that
// far too; and those that are pinned because they are being sent.
//
// Not thread-safe; it may move between threads. All calls block. After kIo nothing more should be asked of it.
#pragma once

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "consensus/assert.hpp"
#include "consensus/concepts.hpp"
#include "consensus/limits.hpp"
#include "consensus/storage/file_system.hpp"
#include "consensus/storage/snapshot_format.hpp"
#include "consensus/wire/crc32c.hpp"

namespace quorate::storage {

struct LoadedSnapshot {
  CheckpointContext context;
  std::vector<std::byte> state;
};

template <FileSystem Files>
class SnapshotStore {
 public:
  /// A snapshot must fit in memory twice; larger ones are refused before anything is allocated.
  static constexpr std::uint64_t kStateBytesMax = std::uint64_t{16} << 30;
  static constexpr std::size_t kKept = 2;
  static constexpr const char* kDraft = "draft";

  /// `files` outlives the store.
  static Result<SnapshotStore> open(Files& files, std::string directory);

  /// The newest snapshot that is not damaged; nothing if there never was one. kCorrupt if there were some, and none is
  /// whole.
  [[nodiscard]] Result<std::optional<LoadedSnapshot>> load_newest();
  /// Makes a state durable, and deletes what is not needed beside it.
  [[nodiscard]] Result<void> save(const CheckpointContext& context, std::span<const std::byte> state,
                                  const std::set<LogId>& pinned);
  /// Up to `bytes_max` bytes of a snapshot's file. kNotFound if there is no such snapshot.
  [[nodiscard]] Result<SnapshotPiece> read(LogId last, std::uint64_t offset, std::size_t bytes_max);

  /// What an interrupted transfer left. Bytes of it that had not been synced may be wrong; adopt() finds out.
  [[nodiscard]] const std::optional<StagedSnapshot>& staged() const { return staged_; }
  /// Appends to the incoming snapshot, durably, and says how long it is then; offset 0 begins a new one.
  [[nodiscard]] Result<std::uint64_t> stage(const SnapshotId& id, std::uint64_t offset,
                                            std::span<const std::byte> bytes);
  /// Verifies what was staged and makes it the newest snapshot. kCorrupt: it is discarded, and everything is as before.
  [[nodiscard]] Result<LoadedSnapshot> adopt(const SnapshotId& id, const std::set<LogId>& pinned);
  Result<void> discard_staged();

 private:
  SnapshotStore(Files& files, std::string directory) : files_(&files), directory_(std::move(directory)) {}

  [[nodiscard]] std::string path(const std::string& name) const { return directory_ + "/" + name; }
  static Result<std::uint64_t> sync_last_chunk(typename Files::File& file);
  [[nodiscard]] Result<LoadedSnapshot> load(const std::string& name);
  [[nodiscard]] Result<void> write_draft(const CheckpointContext& context, std::span<const std::byte> state);
  [[nodiscard]] Result<void> delete_old(const std::set<LogId>& pinned);

  Files* files_;
  std::string directory_;
  std::vector<LogId> kept_;  ///< ascending
  std::optional<StagedSnapshot> staged_;
  bool stage_failed_ = false;
};

template <FileSystem Files>
Result<SnapshotStore<Files>> SnapshotStore<Files>::open(Files& files, std::string directory) {
  SnapshotStore store(files, std::move(directory));
  if (auto created = files.create_directories(store.directory_); !created) return tl::unexpected(created.error());
  if (auto synced = files.sync_directory(""); !synced) return tl::unexpected(synced.error());
  // A process that was killed may have left a snapshot whose name only the cache knows; the log will be cut behind it.
  if (auto synced = files.sync_directory(store.directory_); !synced) return tl::unexpected(synced.error());
  auto names = files.list(store.directory_);
  if (!names) return tl::unexpected(names.error());
  for (const std::string& name : *names) {
    if (const auto last = parse_snapshot_name(name)) {
      store.kept_.push_back(*last);
    } else if (const auto id = parse_incoming_name(name); id && !store.staged_) {
      auto file = files.open(store.path(name), OpenMode::kReadWrite);
      if (!file) return tl::unexpected(file.error());
      auto size = sync_last_chunk(*file);
      if (!size) return tl::unexpected(size.error());
      store.staged_ = StagedSnapshot{*id, *size};
    } else if (auto removed = files.remove(store.path(name)); !removed) {  // unfinished
      return tl::unexpected(removed.error());
    }
  }
  std::ranges::sort(store.kept_, {}, &LogId::index);
  return store;
}

/// Chunks are synced one by one, so only the last one may be in the cache alone, even if a sync claims the contrary
/// after an earlier one has failed. Written again, it will be synced. Returns the file's size.
template <FileSystem Files>
Result<std::uint64_t> SnapshotStore<Files>::sync_last_chunk(typename Files::File& file) {
  auto size = file.size();
  if (!size) return size;
  std::vector<std::byte> chunk(std::min<std::uint64_t>(*size, kSnapshotChunkBytesMax));
  const std::uint64_t offset = *size - chunk.size();
  if (auto count = file.read(offset, chunk); !count) return tl::unexpected(count.error());
  if (auto written = file.write(offset, chunk); !written) return tl::unexpected(written.error());
  if (auto synced = file.sync(); !synced) return tl::unexpected(synced.error());
  return size;
}

template <FileSystem Files>
Result<LoadedSnapshot> SnapshotStore<Files>::load(const std::string& name) {
  const auto damaged = [&](const std::string& how) {
    return fail(ErrorKind::kCorrupt, path(name) + " is damaged: " + how);
  };
  auto file = files_->open(path(name), OpenMode::kReadOnly);
  if (!file) return tl::unexpected(file.error());
  auto size = file->size();
  if (!size) return tl::unexpected(size.error());
  std::vector<std::byte> head(kSnapshotHeaderBytes);
  const auto fill = [&](std::span<std::byte> into, std::uint64_t offset) -> Result<void> {
    auto bytes = file->read(offset, into);
    if (!bytes) return tl::unexpected(bytes.error());
    if (*bytes != into.size()) return damaged("it is cut short");
    return {};
  };
  if (auto filled = fill(head, 0); !filled) return tl::unexpected(filled.error());
  const auto header = parse_snapshot_header(head);
  if (!header)
    return header.error().kind == ErrorKind::kCorrupt ? damaged(header.error().message)
                                                      : tl::unexpected(header.error());
  const std::uint64_t state_at = kSnapshotHeaderBytes + header->context_bytes;
  if (header->state_bytes > kStateBytesMax || state_at + header->state_bytes != *size)
    return damaged("its size is wrong");
  head.resize(state_at);
  if (auto filled = fill(std::span(head).subspan(kSnapshotHeaderBytes), kSnapshotHeaderBytes); !filled) {
    return tl::unexpected(filled.error());
  }
  auto context = parse_snapshot_context(head);
  if (!context) return damaged(context.error().message);
  LoadedSnapshot loaded{std::move(*context), std::vector<std::byte>(header->state_bytes)};
  if (auto filled = fill(loaded.state, state_at); !filled) return tl::unexpected(filled.error());
  if (wire::masked(wire::crc32c(loaded.state)) != header->state_checksum)
    return damaged("the state fails its checksum");
  return loaded;
}

template <FileSystem Files>
Result<std::optional<LoadedSnapshot>> SnapshotStore<Files>::load_newest() {
  Error first_problem{ErrorKind::kNotFound, {}};
  for (auto last = kept_.rbegin(); last != kept_.rend(); ++last) {
    auto loaded = load(snapshot_name(*last));
    if (loaded) return std::optional(std::move(*loaded));
    if (loaded.error().kind != ErrorKind::kCorrupt) return tl::unexpected(loaded.error());
    if (first_problem.message.empty()) first_problem = loaded.error();
  }
  if (!kept_.empty()) {
    return fail(ErrorKind::kCorrupt,
                first_problem.message + "; and no older one is whole: wipe the directory and let the node join anew");
  }
  return std::optional<LoadedSnapshot>();
}

template <FileSystem Files>
Result<void> SnapshotStore<Files>::save(const CheckpointContext& context, std::span<const std::byte> state,
                                        const std::set<LogId>& pinned) {
  QUORATE_ASSERT(state.size() <= kStateBytesMax);
  if (auto written = write_draft(context, state); !written) {
    if (written.error().kind != ErrorKind::kDiskFull) return written;
    // What there was room for is of no use; others may need it.
    if (auto removed = files_->remove(path(kDraft)); !removed) return removed;
    return written;
  }
  if (auto renamed = files_->rename(path(kDraft), path(snapshot_name(context.last))); !renamed) return renamed;
  if (auto synced = files_->sync_directory(directory_); !synced) return synced;
  if (std::ranges::find(kept_, context.last) == kept_.end()) kept_.push_back(context.last);
  return delete_old(pinned);
}

template <FileSystem Files>
Result<void> SnapshotStore<Files>::write_draft(const CheckpointContext& context, std::span<const std::byte> state) {
  auto file = files_->open(path(kDraft), OpenMode::kCreate);
  if (!file) return tl::unexpected(file.error());
  const std::vector<std::byte> head = encode_snapshot_head(context, state);
  if (auto written = file->write(0, head); !written) return written;
  if (auto written = file->write(head.size(), state); !written) return written;
  return file->sync();
}

/// The log may be compacted only up to what is durable here, so the order of deletions does not matter.
template <FileSystem Files>
Result<void> SnapshotStore<Files>::delete_old(const std::set<LogId>& pinned) {
  const std::vector<LogId> all = kept_;
  for (std::size_t i = 0; i + kKept < all.size(); ++i) {
    if (pinned.contains(all[i])) continue;
    if (auto removed = files_->remove(path(snapshot_name(all[i]))); !removed) return removed;
    std::erase(kept_, all[i]);
  }
  return {};
}

template <FileSystem Files>
Result<SnapshotPiece> SnapshotStore<Files>::read(LogId last, std::uint64_t offset, std::size_t bytes_max) {
  auto file = files_->open(path(snapshot_name(last)), OpenMode::kReadOnly);
  if (!file) return tl::unexpected(file.error());
  auto size = file->size();
  if (!size) return tl::unexpected(size.error());
  const std::uint64_t left = *size > offset ? *size - offset : 0;
  Result<std::size_t> count{0};
  SnapshotPiece piece;
  piece.bytes = Payload::build(static_cast<std::size_t>(std::min<std::uint64_t>(left, bytes_max)),
                               [&](std::span<std::byte> into) { count = file->read(offset, into); });
  if (!count) return tl::unexpected(count.error());
  if (*count != piece.bytes.size())
    return fail(ErrorKind::kIo, path(snapshot_name(last)) + " became shorter while it was read");
  piece.is_last = offset + piece.bytes.size() >= *size;
  return piece;
}

template <FileSystem Files>
Result<std::uint64_t> SnapshotStore<Files>::stage(const SnapshotId& id, std::uint64_t offset,
                                                  std::span<const std::byte> bytes) {
  const bool begins = offset == 0;
  if (begins) {
    if (auto discarded = discard_staged(); !discarded) return tl::unexpected(discarded.error());
    staged_ = StagedSnapshot{id, 0};
  } else if (stage_failed_) {
    return fail(ErrorKind::kIo, "an earlier piece of the snapshot was not written");  // more were on their way already
  }
  QUORATE_ASSERT(staged_ && staged_->id == id && staged_->next_offset == offset);
  auto file = files_->open(path(incoming_name(id)), begins ? OpenMode::kCreate : OpenMode::kReadWrite);
  stage_failed_ = true;  // until all of it is durable
  if (!file) return tl::unexpected(file.error());
  if (auto written = file->write(offset, bytes); !written) return tl::unexpected(written.error());
  if (auto synced = file->sync(); !synced) return tl::unexpected(synced.error());
  if (begins) {
    if (auto synced = files_->sync_directory(directory_); !synced) return tl::unexpected(synced.error());
  }
  stage_failed_ = false;
  staged_->next_offset = offset + bytes.size();
  return staged_->next_offset;
}

template <FileSystem Files>
Result<LoadedSnapshot> SnapshotStore<Files>::adopt(const SnapshotId& id, const std::set<LogId>& pinned) {
  QUORATE_ASSERT(staged_ && staged_->id == id);
  auto loaded = load(incoming_name(id));
  if (loaded && loaded->context.last != id.last) {
    loaded = fail(ErrorKind::kCorrupt, path(incoming_name(id)) + " holds another snapshot than was announced");
  }
  if (!loaded) {
    if (loaded.error().kind != ErrorKind::kIo) {
      if (auto discarded = discard_staged(); !discarded) return tl::unexpected(discarded.error());
      return fail(ErrorKind::kCorrupt, loaded.error().message);
    }
    return loaded;
  }
  if (auto renamed = files_->rename(path(incoming_name(id)), path(snapshot_name(id.last))); !renamed) {
    return tl::unexpected(renamed.error());
  }
  if (auto synced = files_->sync_directory(directory_); !synced) return tl::unexpected(synced.error());
  staged_.reset();
  if (std::ranges::find(kept_, id.last) == kept_.end()) kept_.push_back(id.last);
  if (auto deleted = delete_old(pinned); !deleted) return tl::unexpected(deleted.error());
  return loaded;
}

template <FileSystem Files>
Result<void> SnapshotStore<Files>::discard_staged() {
  if (!staged_) return {};
  const std::string name = path(incoming_name(staged_->id));
  staged_.reset();
  return files_->remove(name);
}

}  // namespace quorate::storage
