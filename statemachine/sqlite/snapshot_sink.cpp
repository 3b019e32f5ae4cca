#include "statemachine/sqlite/snapshot_sink.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "consensus/assert.hpp"
#include "consensus/limits.hpp"
#include "consensus/storage/snapshot_format.hpp"
#include "statemachine/sqlite/replacement.hpp"
#include "statemachine/sqlite/snapshot_stream.hpp"

namespace quorate::sqlite {

// --- Staging ---

Result<SnapshotSink> SnapshotSink::open(storage::AnyFileSystem files, std::string directory) {
  SnapshotSink sink(std::move(files), std::move(directory));
  if (Result<void> created = sink.files_.create_directories(sink.directory_); !created) {
    return tl::unexpected(created.error());
  }
  if (Result<void> synced = sink.files_.sync_directory(""); !synced) return tl::unexpected(synced.error());
  const Result<std::vector<std::string>> names = sink.files_.list(sink.directory_);
  if (!names) return tl::unexpected(names.error());
  for (const std::string& name : *names) {
    const std::optional<SnapshotId> id = storage::parse_incoming_name(name);
    const Result<bool> adopted = id && !sink.staged_ ? sink.adopt(name, *id) : Result<bool>(false);
    if (!adopted) return tl::unexpected(adopted.error());
    if (*adopted) continue;
    if (Result<void> removed = sink.files_.remove(sink.path(name)); !removed) return tl::unexpected(removed.error());
  }
  return sink;
}

/// Whether the file is worth going on with. Chunks were synced one after the other, so that only the last may have been
/// in the cache alone; without it the transfer is never complete, and its end is sent again.
Result<bool> SnapshotSink::adopt(const std::string& name, const SnapshotId& id) {
  Result<storage::AnyFile> file = files_.open(path(name), storage::OpenMode::kReadWrite);
  if (!file) return tl::unexpected(file.error());
  const Result<std::uint64_t> size = file->size();
  if (!size) return tl::unexpected(size.error());
  if (*size <= kSnapshotChunkBytesMax) return false;
  const std::uint64_t kept = *size - kSnapshotChunkBytesMax;
  const Result<SnapshotReader> reader = SnapshotReader::open(*file);
  if (!reader) {
    if (reader.error().kind == ErrorKind::kIo) return tl::unexpected(reader.error());
    return false;
  }
  if (reader->head().state.last != id.last || reader->head().base != id.base) return false;
  if (Result<void> cut = file->truncate(kept); !cut) return tl::unexpected(cut.error());
  staged_ = StagedSnapshot{id, kept};
  return true;
}

Result<std::uint64_t> SnapshotSink::stage(const SnapshotId& id, std::uint64_t offset,
                                          std::span<const std::byte> bytes) {
  QUORATE_ASSERT(bytes.size() <= kSnapshotChunkBytesMax);
  const bool begins = offset == 0;
  if (begins) {
    if (Result<void> discarded = discard(); !discarded) return tl::unexpected(discarded.error());
    staged_ = StagedSnapshot{id, 0};
  } else if (stage_failed_) {
    return fail(ErrorKind::kIo, "an earlier piece of the snapshot was not written");  // more were on their way already
  }
  QUORATE_ASSERT(staged_.has_value());
  QUORATE_ASSERT(staged_->id == id);
  QUORATE_ASSERT(staged_->next_offset == offset);
  stage_failed_ = true;  // until all of it is durable
  Result<storage::AnyFile> file = files_.open(path(storage::incoming_name(id)),
                                              begins ? storage::OpenMode::kCreate : storage::OpenMode::kReadWrite);
  if (!file) return tl::unexpected(file.error());
  if (Result<void> written = file->write(offset, bytes); !written) return tl::unexpected(written.error());
  if (Result<void> synced = file->sync(); !synced) return tl::unexpected(synced.error());
  if (begins) {
    if (Result<void> synced = files_.sync_directory(directory_); !synced) return tl::unexpected(synced.error());
  }
  stage_failed_ = false;
  staged_->next_offset = offset + bytes.size();
  return staged_->next_offset;
}

Result<void> SnapshotSink::discard() {
  if (!staged_) return {};
  const std::string name = path(storage::incoming_name(staged_->id));
  staged_.reset();
  return files_.remove(name);
}

// --- Installing ---

Result<std::vector<std::byte>> SnapshotSink::install(PageStore& store, const SnapshotId& id) {
  QUORATE_ASSERT(staged_.has_value());
  QUORATE_ASSERT(staged_->id == id);
  Result<std::vector<std::byte>> application = carry_over(store, id);
  const bool is_useless = application || application.error().kind == ErrorKind::kCorrupt ||
                          application.error().kind == ErrorKind::kUnsupported;
  if (is_useless) {
    if (Result<void> discarded = discard(); !discarded) return tl::unexpected(discarded.error());
  }
  return application;
}

Result<std::vector<std::byte>> SnapshotSink::carry_over(PageStore& store, const SnapshotId& id) {
  const Result<storage::AnyFile> file = files_.open(path(storage::incoming_name(id)), storage::OpenMode::kReadOnly);
  if (!file) return tl::unexpected(file.error());
  Result<SnapshotReader> reader = SnapshotReader::open(*file);
  if (!reader) return tl::unexpected(reader.error());
  if (reader->head().state.last != id.last || reader->head().base != id.base) {
    return fail(ErrorKind::kCorrupt, "the snapshot is another one than was announced");
  }
  Result<Replacement> replacement = Replacement::begin(store, reader->head().state, id.base);
  if (!replacement) return tl::unexpected(replacement.error());
  for (;;) {
    const Result<const SnapshotGroup*> group = reader->next();
    if (!group) return tl::unexpected(group.error());
    if (*group == nullptr) break;
    for (std::size_t i = 0; i < (*group)->entries.size(); ++i) {
      const SnapshotEntry& entry = (*group)->entries[i];
      const Result<void> told = entry.is_run()
                                    ? replacement->add_zeros((*group)->database, entry.page, entry.zeros)
                                    : replacement->add((*group)->database, entry.page, entry.entry, reader->bytes(i));
      if (!told) return tl::unexpected(told.error());
    }
  }
  if (Result<void> finished = replacement->finish(); !finished) return tl::unexpected(finished.error());
  return reader->head().state.application;
}

}  // namespace quorate::sqlite
