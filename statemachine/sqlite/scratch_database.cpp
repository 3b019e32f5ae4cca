#include "statemachine/sqlite/scratch_database.hpp"

#include <utility>
#include <vector>

#include <fmt/format.h>
#include <sqlite3.h>

namespace quorate::sqlite {

Result<std::unique_ptr<ScratchDatabase>> ScratchDatabase::open(storage::AnyFileSystem files, std::string directory,
                                                               const std::string& name) {
  std::unique_ptr<ScratchDatabase> database(new ScratchDatabase(std::move(files), std::move(directory)));
  const int code = sqlite3_open_v2(name.c_str(), &database->handle_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX,
                                   database->vfs_.name().c_str());
  if (code != SQLITE_OK) return tl::unexpected(database->error_of(code));
  sqlite3_db_config(database->handle_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(database->handle_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(database->handle_, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, nullptr);
  // Without it a database in WAL mode would need shared memory.
  if (Result<std::string> set = database->query("PRAGMA locking_mode=EXCLUSIVE"); !set) {
    return tl::unexpected(set.error());
  }
  return database;
}

ScratchDatabase::~ScratchDatabase() { sqlite3_close(handle_); }

Result<std::string> ScratchDatabase::query(const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v2(handle_, sql.c_str(), -1, &statement, nullptr);
  if (code == SQLITE_OK) code = sqlite3_step(statement);
  std::string text;
  if (code == SQLITE_ROW) {
    const unsigned char* column = sqlite3_column_text(statement, 0);
    if (column != nullptr) text = reinterpret_cast<const char*>(column);
  }
  while (code == SQLITE_ROW) code = sqlite3_step(statement);
  const bool is_done = code == SQLITE_DONE;
  const Error error = is_done ? Error{} : error_of(code);
  sqlite3_finalize(statement);
  if (!is_done) return tl::unexpected(error);
  return text;
}

Error ScratchDatabase::error_of(int code) {
  if (std::optional<Error> cause = vfs_.take_error()) return std::move(*cause);
  if ((code & 0xFF) == SQLITE_NOMEM) return {ErrorKind::kOverloaded, "there is not enough memory to look at the file"};
  return {ErrorKind::kInvalidArgument, fmt::format("SQLite says of the file: {}", sqlite3_errmsg(handle_))};
}

Result<void> ScratchDatabase::empty(storage::AnyFileSystem& files, const std::string& directory) {
  const Result<std::vector<std::string>> names = files.list(directory);
  if (!names) return tl::unexpected(names.error());
  for (const std::string& name : *names) {
    if (Result<void> removed = files.remove(directory + "/" + name); !removed) return removed;
  }
  return {};
}

}  // namespace quorate::sqlite
