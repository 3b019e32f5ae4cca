// A SQLite extension for tests: the function twice(x), and the module "kept", whose virtual tables keep what is
// inserted into them in an ordinary table beside, as full-text indexes do.
#include <cstring>
#include <memory>
#include <new>
#include <string>

#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT1

namespace {

struct Table {
  sqlite3_vtab base;
  sqlite3* database;
  std::string store;
};

struct Cursor {
  sqlite3_vtab_cursor base;
  sqlite3_stmt* rows;
  bool is_over;
};

void twice(sqlite3_context* context, int, sqlite3_value** values) {
  sqlite3_result_int64(context, 2 * sqlite3_value_int64(values[0]));
}

int open_table(sqlite3* database, const char* const* words, bool is_new, sqlite3_vtab** made, char** problem) {
  auto table = std::make_unique<Table>();
  table->database = database;
  table->store = std::string("\"") + words[1] + "\".\"" + words[2] + "_store\"";
  int code = sqlite3_declare_vtab(database, "CREATE TABLE t(value)");
  if (code == SQLITE_OK && is_new)
    code = sqlite3_exec(database, ("CREATE TABLE " + table->store + "(id INTEGER PRIMARY KEY, value)").c_str(), nullptr,
                        nullptr, problem);
  if (code == SQLITE_OK) *made = &table.release()->base;
  return code;
}

int create(sqlite3* database, void*, int, const char* const* words, sqlite3_vtab** made, char** problem) {
  return open_table(database, words, true, made, problem);
}
int connect(sqlite3* database, void*, int, const char* const* words, sqlite3_vtab** made, char** problem) {
  return open_table(database, words, false, made, problem);
}
int disconnect(sqlite3_vtab* base) {
  delete reinterpret_cast<Table*>(base);
  return SQLITE_OK;
}
int destroy(sqlite3_vtab* base) {
  auto* const table = reinterpret_cast<Table*>(base);
  const int code = sqlite3_exec(table->database, ("DROP TABLE " + table->store).c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? disconnect(base) : code;
}

int best_index(sqlite3_vtab*, sqlite3_index_info*) { return SQLITE_OK; }
int next(sqlite3_vtab_cursor* base) {
  auto* const cursor = reinterpret_cast<Cursor*>(base);
  const int code = sqlite3_step(cursor->rows);
  cursor->is_over = code != SQLITE_ROW;
  return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}
int open_cursor(sqlite3_vtab*, sqlite3_vtab_cursor** made) {
  *made = &(new Cursor{})->base;
  return SQLITE_OK;
}
int close_cursor(sqlite3_vtab_cursor* base) {
  auto* const cursor = reinterpret_cast<Cursor*>(base);
  sqlite3_finalize(cursor->rows);
  delete cursor;
  return SQLITE_OK;
}
int filter(sqlite3_vtab_cursor* base, int, const char*, int, sqlite3_value**) {
  auto* const cursor = reinterpret_cast<Cursor*>(base);
  const auto* const table = reinterpret_cast<Table*>(base->pVtab);
  sqlite3_finalize(cursor->rows);
  cursor->rows = nullptr;
  const std::string sql = "SELECT id, value FROM " + table->store + " ORDER BY id";
  const int code = sqlite3_prepare_v2(table->database, sql.c_str(), -1, &cursor->rows, nullptr);
  return code == SQLITE_OK ? next(base) : code;
}
int eof(sqlite3_vtab_cursor* base) { return reinterpret_cast<Cursor*>(base)->is_over ? 1 : 0; }
int column(sqlite3_vtab_cursor* base, sqlite3_context* context, int) {
  sqlite3_result_value(context, sqlite3_column_value(reinterpret_cast<Cursor*>(base)->rows, 1));
  return SQLITE_OK;
}
int rowid(sqlite3_vtab_cursor* base, sqlite3_int64* id) {
  *id = sqlite3_column_int64(reinterpret_cast<Cursor*>(base)->rows, 0);
  return SQLITE_OK;
}

/// Inserts only.
int update(sqlite3_vtab* base, int count, sqlite3_value** values, sqlite3_int64* id) {
  if (count < 3 || sqlite3_value_type(values[0]) != SQLITE_NULL) return SQLITE_READONLY;
  const auto* const table = reinterpret_cast<Table*>(base);
  sqlite3_stmt* insert = nullptr;
  const std::string sql = "INSERT INTO " + table->store + "(value) VALUES(?)";
  int code = sqlite3_prepare_v2(table->database, sql.c_str(), -1, &insert, nullptr);
  if (code != SQLITE_OK) return code;
  sqlite3_bind_value(insert, 1, values[2]);
  sqlite3_step(insert);
  code = sqlite3_finalize(insert);
  *id = sqlite3_last_insert_rowid(table->database);
  return code;
}

sqlite3_module kept_module() {
  sqlite3_module module{};
  module.iVersion = 1;
  module.xCreate = create;
  module.xConnect = connect;
  module.xBestIndex = best_index;
  module.xDisconnect = disconnect;
  module.xDestroy = destroy;
  module.xOpen = open_cursor;
  module.xClose = close_cursor;
  module.xFilter = filter;
  module.xNext = next;
  module.xEof = eof;
  module.xColumn = column;
  module.xRowid = rowid;
  module.xUpdate = update;
  return module;
}

}  // namespace

extern "C" __attribute__((visibility("default"))) int sqlite3_kept_init(sqlite3* database, char**,
                                                                        const sqlite3_api_routines* api) {
  SQLITE_EXTENSION_INIT2(api);
  static const sqlite3_module module = kept_module();
  const int code = sqlite3_create_function_v2(database, "twice", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, nullptr, twice,
                                              nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? sqlite3_create_module_v2(database, "kept", &module, nullptr, nullptr) : code;
}
