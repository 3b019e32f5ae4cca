// What the change feed tells: the rows that a transaction has inserted, updated and deleted, in groups. A group is what
// takes effect at once: a request in a transaction of its own, a single statement, an interactive transaction. Groups
// are numbered without gaps, and a group has the same number whoever reads it, and however often.
//
// How a group is written (docs/formats/changes.md has an example):
//
//   group   varint index | u64 milliseconds since 1970 | u8 flags | string database, if it was replaced
//           | varint tables, table... | varint changes, change...
//   table   string database | string name | u8 1 if its rows have ids | varint columns, string...
//   change  varint table | u8 kind | varint size of what follows | u64 old row id | u64 new row id | values before
//           | values after
//
// Flags: 1 the transaction goes on in the next group, 2 a database was replaced. An insertion has neither an old row id
// nor values before, a deletion neither a new row id nor values after; a table without row ids has none of the former,
// one without columns none of the latter. There are as many values as columns.
//
// Values and pure functions; reading is safe on hostile bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "consensus/result.hpp"
#include "consensus/types.hpp"
#include "statemachine/sqlite/bytes.hpp"
#include "statemachine/sqlite/value.hpp"

namespace quorate::sqlite {

/// The number of a group. The first is 1.
using ChangeIndex = StrongNumber<struct ChangeIndexTag>;

enum class ChangeKind : std::uint8_t { kInsert = 1, kUpdate = 2, kDelete = 3 };

struct ChangedTable {
  std::string database;  ///< its own name, whatever it was attached as
  std::string name;
  bool has_row_ids = false;
  std::vector<std::string> columns;  ///< none: changes of it carry no values

  friend bool operator==(const ChangedTable&, const ChangedTable&) = default;
};

struct RowChange {
  ChangeKind kind = ChangeKind::kInsert;
  std::size_t table = 0;  ///< in the list of the group
  std::int64_t old_row_id = 0;
  std::int64_t new_row_id = 0;
  std::vector<Value> before;
  std::vector<Value> after;

  friend bool operator==(const RowChange&, const RowChange&) = default;
};

struct ChangeGroup {
  ChangeIndex index;
  std::int64_t unix_time_ms = 0;  ///< when the transaction was committed, by the leader's clock
  bool is_continued = false;      ///< the rest of the transaction is in the next group
  std::string replaced_database;  ///< if not empty: a file took its place, whose rows are not told
  std::vector<ChangedTable> tables;
  std::vector<RowChange> changes;

  friend bool operator==(const ChangeGroup&, const ChangeGroup&) = default;
};

/// The parts of a group before its tables and its changes.
void put_group_head(ByteWriter& out, const ChangeGroup& group);
void put_table(ByteWriter& out, const ChangedTable& table);
void put_change_head(ByteWriter& out, std::size_t table, ChangeKind kind, std::size_t body_bytes);

/// kCorrupt if the bytes are no group.
[[nodiscard]] Result<ChangeGroup> parse_change_group(std::span<const std::byte> bytes);

}  // namespace quorate::sqlite
