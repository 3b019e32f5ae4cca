// What the tests of SQL share: a page store on a simulated disk that commits every sealed version at once (or when told
// to), connections to it, and results as text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "statemachine/sqlite/connection.hpp"
#include "tests/sqlite/store_harness.hpp"

namespace quorate::sqlite::testing {

inline std::string text_of(const Value& value) {
  struct Printer {
    std::string operator()(std::monostate) const { return "NULL"; }
    std::string operator()(std::int64_t number) const { return fmt::format("{}", number); }
    std::string operator()(double number) const { return fmt::format("{:.17g}", number); }
    std::string operator()(const std::string& text) const { return "'" + text + "'"; }
    std::string operator()(const Blob& blob) const {
      std::string hex = "x'";
      for (std::byte byte : blob) hex += fmt::format("{:02x}", std::to_integer<unsigned>(byte));
      return hex + "'";
    }
  };
  return std::visit(Printer{}, value);
}

/// Rows separated by ';', values by ','; or the error as "code: message".
inline std::string query(Connection& connection, std::string_view sql) {
  std::string rows;
  while (!sql.empty()) {
    SqlResult<Connection::Prepared> prepared = connection.prepare(sql);
    if (!prepared) return fmt::format("{}: {}", prepared.error().code, prepared.error().message);
    sql = prepared->rest;
    if (prepared->statement.is_empty()) continue;
    for (;;) {
      const SqlResult<Statement::Progress> progress = prepared->statement.step();
      if (!progress) return fmt::format("{}: {}", progress.error().code, progress.error().message);
      if (*progress == Statement::Progress::kDone) break;
      if (!rows.empty()) rows += ';';
      for (std::size_t column = 0; column < prepared->statement.column_count(); ++column) {
        rows += (column == 0 ? "" : ",") + text_of(prepared->statement.value(column));
      }
    }
  }
  return rows;
}

class SqlStore {
 public:
  explicit SqlStore(PageStoreOptions options = {}) : store_(disk_, std::move(options)) {
    store_->begin_epoch(Epoch{1});
  }

  PageStore& operator*() { return *store_; }
  PageStore* operator->() { return &*store_; }
  sim::SimFiles& disk() { return disk_; }
  Store& store() { return store_; }

  std::unique_ptr<Connection> connect(ConnectionRole role, ConnectionOptions options = {}) {
    options.vfs.role = role;
    if (options.vfs.unix_time_ms == nullptr) options.vfs.unix_time_ms = [this] { return unix_time_ms; };
    if (options.now == nullptr) options.now = [this] { return now; };
    SqlResult<std::unique_ptr<Connection>> opened = Connection::open(*store_, std::move(options));
    EXPECT_TRUE(opened.has_value()) << opened.error().message;
    return std::move(*opened);
  }

  /// Commits what the connection has sealed; the versions, in order.
  std::vector<SealedVersion> commit(Connection& connection) {
    std::vector<SealedVersion> sealed = connection.vfs().take_sealed();
    for (const SealedVersion& version : sealed) store_->commit(version.name, store_.next_entry());
    return sealed;
  }
  /// Runs SQL and commits what it seals.
  std::string execute(Connection& connection, std::string_view sql) {
    std::string result = query(connection, sql);
    commit(connection);
    return result;
  }

  std::int64_t unix_time_ms = 1'700'000'000'000;
  Instant now{};

 private:
  sim::SimFiles disk_{Random(1)};
  Store store_;
};

}  // namespace quorate::sqlite::testing
