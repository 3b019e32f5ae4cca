#include "statemachine/sqlite/detail/vfs_parts.hpp"

#include <cstring>

namespace quorate::sqlite::detail {
namespace {

sqlite3_vfs& machine() { return *sqlite3_vfs_find(nullptr); }

void* dl_open(sqlite3_vfs*, const char* path) { return machine().xDlOpen(&machine(), path); }
void dl_error(sqlite3_vfs*, int size, char* out) { machine().xDlError(&machine(), size, out); }
void (*dl_symbol(sqlite3_vfs*, void* library, const char* symbol))() {
  return machine().xDlSym(&machine(), library, symbol);
}
void dl_close(sqlite3_vfs*, void* library) { machine().xDlClose(&machine(), library); }
int randomness(sqlite3_vfs*, int size, char* out) { return machine().xRandomness(&machine(), size, out); }
/// Nothing here is worth waiting for: whoever could let go of a lock runs on this thread.
int sleep_not(sqlite3_vfs*, int microseconds) { return microseconds; }
int last_error(sqlite3_vfs*, int, char*) { return 0; }

}  // namespace

int full_path(sqlite3_vfs*, const char* path, int size, char* out) {
  const std::size_t length = std::strlen(path);
  if (length >= static_cast<std::size_t>(size)) return SQLITE_CANTOPEN;
  std::memcpy(out, path, length + 1);
  return SQLITE_OK;
}

void set_machine_methods(sqlite3_vfs& vfs) {
  vfs.xDlOpen = dl_open;
  vfs.xDlError = dl_error;
  vfs.xDlSym = dl_symbol;
  vfs.xDlClose = dl_close;
  vfs.xRandomness = randomness;
  vfs.xSleep = sleep_not;
  vfs.xGetLastError = last_error;
}

}  // namespace quorate::sqlite::detail
