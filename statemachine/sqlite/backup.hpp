// A copy of one database as a standard SQLite file, made while it is read: a version is pinned, and its pages, one
// after the other, are the file. Nothing is written, nobody waits, and memory is one page.
//
// The file is that of a database in rollback-journal mode, which is what page 1 says already, because SQLite runs in
// that mode on the page store.
//
// Threads: one at a time. The store outlives the backup. A backup keeps what it needs of the pinned version from being
// dropped, up to the store's limits: if it takes too long it fails with kOverloaded ("snapshot too old").
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "consensus/result.hpp"
#include "consensus/storage/any_file_system.hpp"
#include "consensus/types.hpp"
#include "statemachine/sqlite/page_store.hpp"

namespace quorate::sqlite {

class Backup {
 public:
  /// Of what is applied now. A database that does not exist is as good as an empty one, whose file has no bytes.
  static Result<Backup> open(PageStore& store, std::string_view database);

  /// The newest entry contained.
  [[nodiscard]] LogId last() const { return pin_.last(); }
  /// Of everything that is applied: the same on all replicas in the same state, and another one after any change.
  [[nodiscard]] StateDigest digest() const { return digest_; }
  /// Of the file.
  [[nodiscard]] std::uint64_t size() const { return record_.page_count.value * record_.page_size.bytes(); }
  /// Fills `into` from `offset` on; returns how many bytes there were (fewer only at the end). kOverloaded as above,
  /// kCorrupt if a page is damaged here.
  Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const;

 private:
  Backup(PageStore& store, Pin pin, StateDigest digest, DatabaseRecord record)
      : store_(&store), pin_(std::move(pin)), digest_(digest), record_(std::move(record)) {}

  PageStore* store_;
  Pin pin_;
  StateDigest digest_;
  DatabaseRecord record_;
};

/// The same, without the room that deleted rows have left (VACUUM). That takes a copy, in a scratch directory of its
/// own that is emptied at both ends, and twice the database's size there.
class CompactBackup {
 public:
  static Result<std::unique_ptr<CompactBackup>> make(const Backup& backup, storage::AnyFileSystem files,
                                                     std::string directory);
  ~CompactBackup();
  CompactBackup(const CompactBackup&) = delete;
  CompactBackup& operator=(const CompactBackup&) = delete;

  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// As Backup::read.
  Result<std::size_t> read(std::uint64_t offset, std::span<std::byte> into) const;

 private:
  CompactBackup(storage::AnyFileSystem files, std::string directory)
      : files_(std::move(files)), directory_(std::move(directory)) {}
  Result<void> fill(const Backup& backup);

  storage::AnyFileSystem files_;
  std::string directory_;
  std::optional<storage::AnyFile> file_;
  std::uint64_t size_ = 0;
};

}  // namespace quorate::sqlite
