// The journal that makes a set of page changes and a superblock reach the base files together, whatever happens in
// between: `fold.journal` is written and synced whole before the first page is overwritten in place.
//
//   u64 magic | u32 format (1) | u32 length of the superblock | superblock (superblock.hpp)
//   { u64 database > 0 | u64 page | u64 modified | u64 hash | the page's bytes, unless the hash is 0 }...
//   u64 0 | u64 XXH3-64 of everything before
//
// Recovery: a journal that is whole and whose superblock is the successor of the newest valid one is carried out, again
// and again until the new superblock is durable; any other journal is ignored, for no page was touched on its behalf,
// or all of it is done.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "consensus/result.hpp"
#include "consensus/storage/any_file_system.hpp"
#include "statemachine/sqlite/base_file.hpp"
#include "statemachine/sqlite/bytes.hpp"
#include "statemachine/sqlite/superblock.hpp"

namespace quorate::sqlite {

inline constexpr std::uint32_t kFoldJournalFormat = 1;

/// `directory`/<id>: what the files of a database's base start with.
[[nodiscard]] std::string base_stem(const std::string& directory, DatabaseId id);
[[nodiscard]] std::string fold_journal_path(const std::string& directory);

/// Writes a journal from the front to the back.
class JournalWriter {
 public:
  /// Replaces the file. Its name is durable once the caller has synced the directory.
  static Result<JournalWriter> create(storage::AnyFileSystem& files, const std::string& path,
                                      const Superblock& superblock);
  JournalWriter(JournalWriter&&) noexcept;
  JournalWriter& operator=(JournalWriter&&) noexcept;
  ~JournalWriter();

  /// `bytes` is empty if and only if the hash is 0.
  Result<void> add(DatabaseId database, PageNumber page, TableEntry entry, std::span<const std::byte> bytes);
  /// The journal's content is durable on return.
  Result<void> finish();

 private:
  struct Hash;
  JournalWriter(storage::AnyFile file, std::unique_ptr<Hash> hash);
  Result<void> flush();

  storage::AnyFile file_;
  std::unique_ptr<Hash> hash_;
  ByteWriter buffer_;
  std::uint64_t offset_ = 0;
};

/// Removes the files of a database that is no more.
[[nodiscard]] Result<void> remove_base(storage::AnyFileSystem& files, const std::string& stem);

/// Carries out the journal, which is whole and durable and leads from the durable superblock `before` to `after`. May
/// be repeated from the front until it has succeeded.
[[nodiscard]] Result<void> carry_out(storage::AnyFileSystem& files, const std::string& directory,
                                     const Superblock& before, const Superblock& after);

/// Brings the files below `directory` into the state of one superblock, which it returns: carries out a whole journal,
/// ignores a torn one, lays an empty store out if there is nothing yet, and removes files of databases that are not in
/// that state.
[[nodiscard]] Result<Superblock> recover(storage::AnyFileSystem& files, const std::string& directory);

}  // namespace quorate::sqlite
