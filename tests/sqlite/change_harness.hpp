// What the tests of captured changes share: groups as text, and a picture of tables that is kept by replaying them.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "statemachine/sqlite/change_queue.hpp"
#include "tests/sqlite/sql_harness.hpp"

namespace quorate::sqlite::testing {

/// Everything that is in the queue, as of what is applied.
inline std::vector<ChangeGroup> queued(PageStore& store, ChangePosition from = {}) {
  const Pin pin = store.pin(PinKind::kApplied);
  Result<ChangeBatch> batch = read_changes(store, pin, from, {.groups = SIZE_MAX, .bytes = SIZE_MAX});
  EXPECT_TRUE(batch.has_value()) << batch.error().message;
  return batch ? std::move(batch->groups) : std::vector<ChangeGroup>();
}

inline std::string row_text(const std::vector<Value>& row) {
  std::string text;
  for (const Value& value : row) text += (text.empty() ? "" : ",") + text_of(value);
  return text;
}

/// "+t[1](a,b)", "-t[1](a,b)", "t[1>2](a,b>c,d)".
inline std::string change_text(const ChangeGroup& group, const RowChange& change) {
  const ChangedTable& table = group.tables.at(change.table);
  const std::string name = (table.database == "main" ? "" : table.database + ".") + table.name;
  const auto id = [&](std::int64_t row_id) { return table.has_row_ids ? fmt::format("[{}]", row_id) : ""; };
  switch (change.kind) {
    case ChangeKind::kInsert: return fmt::format("+{}{}({})", name, id(change.new_row_id), row_text(change.after));
    case ChangeKind::kDelete: return fmt::format("-{}{}({})", name, id(change.old_row_id), row_text(change.before));
    case ChangeKind::kUpdate: break;
  }
  return fmt::format("{}{}({}>{}){}", name, id(change.old_row_id), row_text(change.before), row_text(change.after),
                     change.old_row_id == change.new_row_id ? "" : id(change.new_row_id));
}

/// "1: +t[1](1) +t[2](2); 2: ...".
inline std::string text_of(const std::vector<ChangeGroup>& groups) {
  std::string text;
  for (const ChangeGroup& group : groups) {
    text += fmt::format("{}{}{}:", text.empty() ? "" : "; ", group.index.value, group.is_continued ? "+" : "");
    if (!group.replaced_database.empty()) text += " replaced " + group.replaced_database;
    for (const RowChange& change : group.changes) text += " " + change_text(group, change);
  }
  return text;
}

/// Tables as they must be if what was told is true and whole.
class ReplayedTables {
 public:
  /// By the name of the table; of each row by its key, the row id or else the first column.
  using Rows = std::map<std::string, std::vector<Value>>;
  using Tables = std::map<std::string, Rows>;

  void replay(const ChangeGroup& group) {
    for (const RowChange& change : group.changes) {
      const ChangedTable& table = group.tables.at(change.table);
      Rows& rows = tables[table.name];
      const auto key = [&](std::int64_t row_id, const std::vector<Value>& row) {
        return table.has_row_ids ? fmt::format("{}", row_id) : testing::text_of(row.at(0));
      };
      if (change.kind != ChangeKind::kInsert) {
        const auto at = rows.find(key(change.old_row_id, change.before));
        ASSERT_TRUE(at != rows.end()) << "a row that is not there: " << change_text(group, change);
        EXPECT_EQ(row_text(at->second), row_text(change.before)) << change_text(group, change);
        rows.erase(at);
      }
      if (change.kind == ChangeKind::kDelete) continue;
      const auto [at, is_new] = rows.try_emplace(key(change.new_row_id, change.after), change.after);
      EXPECT_TRUE(is_new) << "a row that is there already: " << change_text(group, change);
    }
  }

  /// What is there now. Tables without rows are left out, as they may never have been told of.
  static Tables actual(Connection& connection) {
    Tables tables;
    for (const std::string& name : names(connection,
                                         "SELECT name FROM pragma_table_list WHERE schema = 'main' AND "
                                         "type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")) {
      const bool has_row_ids =
          query(connection,
                fmt::format("SELECT wr FROM pragma_table_list WHERE schema = 'main' AND name = '{}'", name)) == "0";
      const std::string sql = fmt::format("SELECT {}, * FROM main.\"{}\"", has_row_ids ? "rowid" : "0", name);
      SqlResult<Connection::Prepared> prepared = connection.prepare(sql);
      EXPECT_TRUE(prepared.has_value()) << sql;
      while (*prepared->statement.step() == Statement::Progress::kRow) {
        std::vector<Value> row;
        for (std::size_t i = 1; i < prepared->statement.column_count(); ++i) {
          row.push_back(prepared->statement.value(i));
        }
        const Value key = has_row_ids ? prepared->statement.value(0) : row.at(0);
        tables[name].emplace(testing::text_of(key), std::move(row));
      }
    }
    return tables;
  }

  /// Empty if they are the same.
  [[nodiscard]] std::string difference(const Tables& actual) const {
    std::string text;
    for (const auto& [name, rows] : actual) {
      for (const auto& [key, row] : rows) {
        const auto known = tables.find(name);
        const bool is_known = known != tables.end() && known->second.contains(key);
        const std::string told = is_known ? row_text(known->second.at(key)) : "nothing";
        if (told != row_text(row)) text += fmt::format("{}[{}] is {}, told was {}\n", name, key, row_text(row), told);
      }
    }
    for (const auto& [name, rows] : tables) {
      for (const auto& [key, row] : rows) {
        const auto there = actual.find(name);
        if (there == actual.end() || !there->second.contains(key)) text += fmt::format("{}[{}] is gone\n", name, key);
      }
    }
    return text;
  }

  Tables tables;

 private:
  static std::vector<std::string> names(Connection& connection, const std::string& sql) {
    std::vector<std::string> found;
    SqlResult<Connection::Prepared> prepared = connection.prepare(sql);
    EXPECT_TRUE(prepared.has_value());
    while (*prepared->statement.step() == Statement::Progress::kRow) {
      found.push_back(std::get<std::string>(prepared->statement.value(0)));
    }
    return found;
  }
};

}  // namespace quorate::sqlite::testing
