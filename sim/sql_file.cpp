#include "sim/sql_file.hpp"

#include <memory>
#include <span>

#include <fmt/format.h>
#include <sqlite3.h>

#include "consensus/assert.hpp"

namespace quorate::sim {

std::vector<std::byte> sql_file(const std::string& mark) {
  sqlite3* database = nullptr;
  int code = sqlite3_open_v2(":memory:", &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  const std::unique_ptr<sqlite3, int (*)(sqlite3*)> owner(database, sqlite3_close);
  QUORATE_ASSERT(code == SQLITE_OK);
  const std::string sql = fmt::format(
      "PRAGMA page_size=1024; CREATE TABLE loaded(mark TEXT, filler TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
      "SELECT i + 1 FROM n WHERE i < {}) INSERT INTO loaded SELECT '{}', printf('%0400d', i) FROM n",
      kFileRows, mark);
  code = sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr);
  QUORATE_ASSERT(code == SQLITE_OK);
  sqlite3_int64 size = 0;
  const std::unique_ptr<unsigned char, void (*)(void*)> image(sqlite3_serialize(database, "main", &size, 0),
                                                              sqlite3_free);
  QUORATE_ASSERT(image != nullptr);
  const auto bytes = std::as_bytes(std::span(image.get(), static_cast<std::size_t>(size)));
  return {bytes.begin(), bytes.end()};
}

}  // namespace quorate::sim
