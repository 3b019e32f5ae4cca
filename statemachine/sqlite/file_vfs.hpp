// A SQLite VFS over the file system seam, for databases that one connection uses for a while and nobody needs after a
// crash: a file that was sent in, before it is believed. Whatever SQLite asks for, its journals and temporary files
// too, is a file in one directory; nothing is synced, and locks are always granted. Databases in WAL mode work as long
// as the connection keeps locking_mode=EXCLUSIVE (there is no shared memory).
//
// Threads: one at a time; distinct objects are independent of each other. The name is registered with SQLite for the
// life of the object, which outlives the connection.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "consensus/result.hpp"
#include "consensus/storage/any_file_system.hpp"

namespace quorate::sqlite {

class FileVfs {
 public:
  /// The directory exists.
  FileVfs(storage::AnyFileSystem files, std::string directory);
  ~FileVfs();
  FileVfs(const FileVfs&) = delete;
  FileVfs& operator=(const FileVfs&) = delete;

  /// What sqlite3_open_v2 is to be told.
  [[nodiscard]] const std::string& name() const;
  /// Why the last call of SQLite that failed in here did; nullopt if none has since this was asked last.
  [[nodiscard]] std::optional<Error> take_error();

  struct State;  ///< what SQLite's calls are served from; nobody else's business

 private:
  std::unique_ptr<State> state_;
};

}  // namespace quorate::sqlite
