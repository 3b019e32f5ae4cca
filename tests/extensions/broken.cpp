// What a SQLite extension that does not want to be loaded looks like, for tests.
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT1

extern "C" __attribute__((visibility("default"))) int sqlite3_broken_init(sqlite3*, char** problem,
                                                                          const sqlite3_api_routines* api) {
  SQLITE_EXTENSION_INIT2(api);
  *problem = sqlite3_mprintf("not today");
  return SQLITE_ERROR;
}
