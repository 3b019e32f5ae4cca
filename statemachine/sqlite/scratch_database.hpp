// A database file in a scratch directory, opened by stock SQLite through the file system seam: for looking into files
// that were sent in, and for copies that are worked on before they are sent out.
//
// Whoever made the file decided what is in its schema: nothing of it is executed unasked.
//
// Threads: one at a time; all calls block.
#pragma once

#include <memory>
#include <string>

#include "consensus/result.hpp"
#include "consensus/storage/any_file_system.hpp"
#include "statemachine/sqlite/file_vfs.hpp"

struct sqlite3;

namespace quorate::sqlite {

class ScratchDatabase {
 public:
  /// Opens `directory`/`name`, which exists.
  static Result<std::unique_ptr<ScratchDatabase>> open(storage::AnyFileSystem files, std::string directory,
                                                       const std::string& name);
  ~ScratchDatabase();
  ScratchDatabase(const ScratchDatabase&) = delete;
  ScratchDatabase& operator=(const ScratchDatabase&) = delete;

  /// Runs one statement; the first column of its first row, empty if there is none. kInvalidArgument is SQLite's
  /// verdict on the file, other kinds are the file system's.
  Result<std::string> query(const std::string& sql);
  [[nodiscard]] sqlite3* handle() { return handle_; }

  /// Removes all files below a directory.
  static Result<void> empty(storage::AnyFileSystem& files, const std::string& directory);

 private:
  ScratchDatabase(storage::AnyFileSystem files, std::string directory) : vfs_(std::move(files), std::move(directory)) {}
  [[nodiscard]] Error error_of(int code);

  FileVfs vfs_;
  sqlite3* handle_ = nullptr;
};

}  // namespace quorate::sqlite
