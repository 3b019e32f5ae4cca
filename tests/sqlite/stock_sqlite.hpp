// SQLite as it comes, on files of its own, to compare with. WAL mode has the same isolation as the page store: readers
// keep their snapshot, and a writer on an old one is told SQLITE_BUSY_SNAPSHOT.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include <fmt/format.h>
#include <sqlite3.h>

#include "statemachine/sqlite/value.hpp"

namespace quorate::sqlite::testing {

class StockSqlite {
 public:
  explicit StockSqlite(const std::string& path,
                       std::string_view settings = "PRAGMA synchronous=OFF; PRAGMA journal_mode=WAL") {
    if (sqlite3_open(path.c_str(), &database_) != SQLITE_OK) throw std::runtime_error("cannot open " + path);
    sqlite3_extended_result_codes(database_, 1);
    query(settings);
  }
  ~StockSqlite() { sqlite3_close(database_); }
  StockSqlite(const StockSqlite&) = delete;
  StockSqlite& operator=(const StockSqlite&) = delete;

  [[nodiscard]] sqlite3* handle() { return database_; }

  /// As query() of sql_harness.hpp.
  std::string query(std::string_view sql) {
    std::string rows;
    while (!sql.empty()) {
      sqlite3_stmt* statement = nullptr;
      const char* tail = nullptr;
      if (sqlite3_prepare_v2(database_, sql.data(), static_cast<int>(sql.size()), &statement, &tail) != SQLITE_OK) {
        return error();
      }
      sql.remove_prefix(static_cast<std::size_t>(tail - sql.data()));
      if (statement == nullptr) continue;
      int code = SQLITE_ROW;
      while ((code = sqlite3_step(statement)) == SQLITE_ROW) append_row(statement, rows);
      const std::string failure = code == SQLITE_DONE ? "" : error();
      sqlite3_finalize(statement);
      if (!failure.empty()) return failure;
    }
    return rows;
  }

 private:
  std::string error() { return fmt::format("{}: {}", sqlite3_extended_errcode(database_), sqlite3_errmsg(database_)); }
  static void append_row(sqlite3_stmt* statement, std::string& rows) {
    if (!rows.empty()) rows += ';';
    for (int column = 0; column < sqlite3_column_count(statement); ++column) {
      if (column > 0) rows += ',';
      const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement, column));
      switch (sqlite3_column_type(statement, column)) {
        case SQLITE_NULL: rows += "NULL"; break;
        case SQLITE_INTEGER: rows += fmt::format("{}", sqlite3_column_int64(statement, column)); break;
        case SQLITE_FLOAT: rows += fmt::format("{:.17g}", sqlite3_column_double(statement, column)); break;
        case SQLITE_TEXT:
          rows += "'" + std::string(reinterpret_cast<const char*>(sqlite3_column_text(statement, column)), size) + "'";
          break;
        default: {
          rows += "x'";
          const auto* bytes = static_cast<const unsigned char*>(sqlite3_column_blob(statement, column));
          for (std::size_t i = 0; i < size; ++i) rows += fmt::format("{:02x}", bytes[i]);
          rows += "'";
        }
      }
    }
  }

  sqlite3* database_ = nullptr;
};

}  // namespace quorate::sqlite::testing
