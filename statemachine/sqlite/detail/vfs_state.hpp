// What the files of one connection share, and the file of one database. Private to the VFS: vfs.cpp gives SQLite the C
// functions that end up here.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <sqlite3.h>

#include "statemachine/sqlite/memory_file.hpp"
#include "statemachine/sqlite/page_store.hpp"
#include "statemachine/sqlite/vfs.hpp"

namespace quorate::sqlite::detail {

class DatabaseFile;

/// The connection's transaction: its pin, its write slot, and the databases that take part.
class Transaction {
 public:
  Transaction(PageStore& store, const VfsOptions& options, WriterId id);

  /// Pins a version with the first database that is locked. An SQLite result code, as all below.
  int begin();
  /// Lets go of it with the last.
  void end();
  /// One database more takes part in writing, under the store's write slot.
  int join_writing(const std::string& database);
  /// One less; with the last the write slot is free again.
  void leave_writing(const std::string& database);

  /// Seals the pages of these databases as one version.
  int commit(std::span<DatabaseFile* const> files);
  /// Seals what did not come from SQLite; no database is locked. Errors as of PageStore::seal, and kOverloaded if
  /// somebody else is writing.
  Result<void> write(std::vector<DatabaseWrite> writes);

  /// The pinned version; there is one as long as any database is locked.
  [[nodiscard]] const Pin& pin() const { return pin_; }
  /// For what SQLite reads before it locks anything.
  [[nodiscard]] Pin momentary_pin() { return store.pin(kind()); }
  [[nodiscard]] bool take_pages(std::uint64_t bytes) { return page_budget_.take(bytes); }
  void give_pages_back(std::uint64_t bytes) { page_budget_.give_back(bytes); }

  /// Remembers what went wrong and says it in SQLite's terms.
  int failed(const Error& error, int code_if_io);

  PageStore& store;
  const ConnectionRole role;
  CommitCompanion* companion = nullptr;
  std::vector<SealedVersion> sealed;
  std::optional<Error> error;
  VersionId newest_seen;
  LogId last_entry;

  [[nodiscard]] bool is_outdated() const { return store.generation(kind()) != generation_; }
  /// Another database may have taken the place of one that the connection knows.
  [[nodiscard]] bool is_superseded() const { return store.adoptions() != adoptions_; }

 private:
  /// The companion's share is added to what is written.
  Result<SealedVersion> seal(const Pin& base, std::vector<DatabaseWrite> writes);
  void release_write_slot();
  [[nodiscard]] PinKind kind() const { return role == ConnectionRole::kWriter ? PinKind::kHead : PinKind::kApplied; }

  const WriterId id_;
  const std::uint64_t generation_;
  const std::uint64_t adoptions_;
  PageCodec codec_;
  MemoryBudget page_budget_;
  Pin pin_;
  std::size_t locked_ = 0;         ///< databases with a SHARED lock or more
  std::set<std::string> writing_;  ///< databases with a RESERVED lock or more
  bool has_sealed_ = false;        ///< since the write slot was taken
};

/// One database as SQLite's pager sees it.
class DatabaseFile {
 public:
  DatabaseFile(Transaction& transaction, std::string name) : transaction_(transaction), name_(std::move(name)) {}
  ~DatabaseFile() { unlock(SQLITE_LOCK_NONE); }
  DatabaseFile(const DatabaseFile&) = delete;
  DatabaseFile& operator=(const DatabaseFile&) = delete;

  int read(std::uint64_t offset, std::span<std::byte> into);
  int write(std::uint64_t offset, std::span<const std::byte> from);
  int truncate(std::uint64_t size);
  std::uint64_t size();
  int lock(int level);
  int unlock(int level);

  /// Whether what was written ends in a commit, judged by page 1.
  [[nodiscard]] bool is_commit();
  /// Whether what is to be committed says of itself that its pages have the size that they have.
  [[nodiscard]] bool keeps_page_size() const;
  [[nodiscard]] DatabaseWrite take_write();
  /// What was written is the state now.
  void mark_committed();

  std::string super_journal;  ///< that the commit of this database waits for; empty if none

 private:
  /// Looks the database up in the pinned version.
  Result<void> refresh();
  void drop_changes();
  int read_page(const Pin& pin, const DatabaseRecord* record, PageNumber page, std::size_t offset,
                std::span<std::byte> into);
  [[nodiscard]] std::uint64_t page_count() const;

  Transaction& transaction_;
  const std::string name_;
  int lock_ = SQLITE_LOCK_NONE;
  std::optional<DatabaseRecord> record_;  ///< as of the pinned version; nullopt: it does not exist yet
  std::optional<PageSize> page_size_;     ///< known once there is a page
  std::map<PageNumber, PageImage> changed_;
  std::optional<std::uint64_t> page_count_;  ///< once anything was written or cut
  bool is_committed_ = false;                ///< what SQLite still does to the file changes nothing any more
};

}  // namespace quorate::sqlite::detail
