// The seam between storage code and the disk. Everything durable in Quorate (the write-ahead log, snapshots, the page
// store) is written against the FileSystem concept: PosixFiles in production, SimFiles in the simulator, where a crash
// loses, tears or reorders whatever was not synced.
//
// Paths are relative to the root that the file system was opened on, with '/' between components. All calls block. A
// file system and its files are used by one thread at a time unless an implementation says otherwise.
//
// Durability: write() promises nothing until sync() of the same file returned success; creating, renaming and removing
// promise nothing until sync_directory() of the parent returned success. After sync() has failed the state of the file
// is unknown for ever (a later sync() that succeeds proves nothing): the caller must stop using the store.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "consensus/result.hpp"

namespace quorate::storage {

enum class OpenMode {
  kReadOnly,     ///< must exist
  kReadWrite,    ///< must exist
  kCreate,       ///< created, or truncated to nothing if it exists; read and write
  kOpenOrCreate  ///< opened as it is, or created empty; read and write
};

/// An open file. Moving transfers ownership; destruction closes it without syncing.
template <class F>
concept File = std::movable<F> && requires(F file, const F constant, std::uint64_t offset, std::span<std::byte> into,
                                           std::span<const std::byte> from) {
  /// Fills `into` from `offset`; returns how many bytes there were (fewer only at the end of the file).
  { constant.read(offset, into) } -> std::same_as<Result<std::size_t>>;
  /// Writes all of `from` at `offset`, extending the file if needed. Not atomic: a crash may leave any part of it.
  { file.write(offset, from) } -> std::same_as<Result<void>>;
  /// fdatasync: everything written so far, and the size, survives a crash.
  { file.sync() } -> std::same_as<Result<void>>;
  { constant.size() } -> std::same_as<Result<std::uint64_t>>;
  /// Sets the size: cuts, or extends with zeros.
  { file.truncate(offset) } -> std::same_as<Result<void>>;
  /// Extends the file to `offset` bytes with written zeros, so that later syncs need not update metadata.
  { file.preallocate(offset) } -> std::same_as<Result<void>>;
};

template <class S>
concept FileSystem =
    File<typename S::File> && requires(S files, const std::string& path, const std::string& other, OpenMode mode) {
      { files.open(path, mode) } -> std::same_as<Result<typename S::File>>;
      { files.exists(path) } -> std::same_as<Result<bool>>;
      /// Replaces `other` atomically if it exists.
      { files.rename(path, other) } -> std::same_as<Result<void>>;
      /// Removing what does not exist is not an error.
      { files.remove(path) } -> std::same_as<Result<void>>;
      { files.create_directories(path) } -> std::same_as<Result<void>>;
      /// Names (not paths) of the files in a directory, sorted.
      { files.list(path) } -> std::same_as<Result<std::vector<std::string>>>;
      { files.sync_directory(path) } -> std::same_as<Result<void>>;
      /// Takes the exclusive lock named by `path` until the file system is destroyed; kLocked if another process has
      /// it.
      { files.lock(path) } -> std::same_as<Result<void>>;
      /// Bytes that may still be written.
      { files.free_bytes() } -> std::same_as<Result<std::uint64_t>>;
    };

}  // namespace quorate::storage
