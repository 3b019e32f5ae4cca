// A SQLite VFS over the page store, for unmodified SQLite. One object serves one connection: it is opened with
// sqlite3_open_v2(..., vfs.name()) and must outlive the connection.
//
// SQLite believes that it runs in rollback-journal mode (journal_mode TRUNCATE or DELETE, synchronous at least NORMAL:
// what pragma_rules.hpp keeps clients from changing). What its calls mean here:
//
//   xLock SHARED       the connection pins a version: writers the head, readers what is applied. All databases of the
//                      connection share the pin, so that they are always seen as of the same version.
//   xLock RESERVED     the connection takes the store's one write slot: SQLITE_BUSY if another has it,
//                      SQLITE_BUSY_SNAPSHOT if the pinned version is not the head any more, SQLITE_READONLY if this
//                      connection or this node may not write
//   xWrite, xTruncate  collected in private; possibly more than once for a page, possibly long before the commit
//   FCNTL_SYNC         the commit: seals what was written as a new head and frees the write slot. With the name of a
//                      super-journal, part of a commit of several databases, which xDelete of that journal completes.
//   xUnlock            without a commit before it: what was written is dropped
//
// SQLite also issues FCNTL_SYNC at the end of a rollback. A commit is told apart by page 1, whose change counter every
// commit increments and every rollback restores. (What a rollback leaves in pages that were free is arbitrary.)
//
// The new size of a database is read from bytes 28 to 31 of its page 1, because SQLite cuts a file only after the
// commit.
//
// Journals and temporary files live in memory and are bounded. No journal is ever hot: there is nothing to recover.
//
// Threads: used by the connection's thread only; distinct objects are independent of each other. Names are registered
// with SQLite for the life of the object.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consensus/result.hpp"
#include "statemachine/sqlite/page_store.hpp"

namespace quorate::sqlite {

enum class ConnectionRole : std::uint8_t { kReader, kWriter };

struct VfsOptions {
  ConnectionRole role = ConnectionRole::kReader;
  /// Milliseconds since 1970, for datetime('now') and its kin.
  std::function<std::int64_t()> unix_time_ms;
  /// Journals, temporary tables and sorters of the connection together; SQLITE_FULL beyond.
  std::uint64_t scratch_bytes_max = std::uint64_t{2} << 30;
  /// Pages that one transaction may change; SQLITE_FULL beyond.
  std::uint64_t transaction_bytes_max = std::uint64_t{1} << 30;
};

/// The extended result code of everything that fails because leadership was lost or never held. Whatever was to be
/// committed has had no effect.
inline constexpr int kSqliteNotLeader = 10 | (40 << 8);

enum class TransactionFate : std::uint8_t { kSealed, kDropped };

/// What goes along with every transaction of a connection.
class CommitCompanion {
 public:
  virtual ~CommitCompanion() = default;
  /// What is to be sealed together with what is being committed on top of `base`; nothing if there is nothing. An error
  /// ends the transaction without effect.
  [[nodiscard]] virtual Result<std::optional<DatabaseWrite>> share(const PageStore& store, const Pin& base) = 0;
  /// The write slot is given back.
  virtual void transaction_ended(TransactionFate fate) = 0;
};

class Vfs {
 public:
  Vfs(PageStore& store, VfsOptions options);
  ~Vfs();
  Vfs(const Vfs&) = delete;
  Vfs& operator=(const Vfs&) = delete;

  /// What sqlite3_open_v2 is to be told.
  [[nodiscard]] const std::string& name() const;

  [[nodiscard]] PageStore& store();
  /// Null: nothing goes along. It must outlive the last transaction.
  void set_companion(CommitCompanion* companion);
  /// Makes a version of its own of pages that do not come from SQLite, under the write slot. The connection is in no
  /// transaction. Errors as of PageStore::seal; kOverloaded, too, if somebody else is writing.
  Result<void> write(std::vector<DatabaseWrite> writes);
  /// The versions sealed since this was asked last, oldest first.
  [[nodiscard]] std::vector<SealedVersion> take_sealed();
  /// The newest version that the connection has read or sealed: a reply must wait until it is committed.
  [[nodiscard]] VersionId newest_seen() const;
  /// The newest entry contained in what was pinned last.
  [[nodiscard]] LogId last_entry() const;
  /// Why the last call of SQLite that failed in here did, in words; nullopt if none has since this was asked last.
  [[nodiscard]] std::optional<Error> take_error();
  /// Whether the connection must be closed, because what it has seen is no more (PageStore::generation), or should be
  /// before it is used again, because it may know another text encoding (PageStore::adoptions).
  [[nodiscard]] bool is_outdated() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace quorate::sqlite
