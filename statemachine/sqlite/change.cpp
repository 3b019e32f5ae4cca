#include "statemachine/sqlite/change.hpp"

#include "statemachine/sqlite/limits.hpp"
#include "statemachine/sqlite/value_codec.hpp"

namespace quorate::sqlite {
namespace {

constexpr std::uint8_t kContinued = 1;
constexpr std::uint8_t kReplaced = 2;

/// A number of things each of which takes at least one byte of what is left.
std::size_t count_in(ByteReader& in) { return static_cast<std::size_t>(in.varint_at_most(in.left())); }

ChangedTable parse_table(ByteReader& in) {
  ChangedTable table;
  table.database = in.text(kDatabaseNameBytesMax);
  table.name = in.text(in.left());
  const auto has_row_ids = in.fixed<std::uint8_t>();
  if (has_row_ids > 1) in.fail();
  table.has_row_ids = has_row_ids == 1;
  const std::size_t columns = count_in(in);
  for (std::size_t i = 0; i < columns && !in.failed(); ++i) table.columns.emplace_back(in.text(in.left()));
  return table;
}

std::vector<Value> parse_row(ByteReader& in, std::size_t columns) {
  std::vector<Value> row;
  for (std::size_t i = 0; i < columns && !in.failed(); ++i) row.push_back(take_value(in));
  return row;
}

RowChange parse_change(ByteReader& in, const std::vector<ChangedTable>& tables) {
  RowChange change;
  change.table = static_cast<std::size_t>(in.varint());
  const auto kind = in.fixed<std::uint8_t>();
  ByteReader body(in.string(in.left()));
  const bool is_known = kind >= static_cast<std::uint8_t>(ChangeKind::kInsert) &&
                        kind <= static_cast<std::uint8_t>(ChangeKind::kDelete) && change.table < tables.size();
  if (in.failed() || !is_known) return in.fail(), change;
  change.kind = static_cast<ChangeKind>(kind);
  const ChangedTable& table = tables[change.table];
  const bool was_there = change.kind != ChangeKind::kInsert;
  const bool is_there = change.kind != ChangeKind::kDelete;
  if (table.has_row_ids && was_there) change.old_row_id = static_cast<std::int64_t>(body.fixed<std::uint64_t>());
  if (table.has_row_ids && is_there) change.new_row_id = static_cast<std::int64_t>(body.fixed<std::uint64_t>());
  if (was_there) change.before = parse_row(body, table.columns.size());
  if (is_there) change.after = parse_row(body, table.columns.size());
  if (!body.finished()) in.fail();
  return change;
}

}  // namespace

void put_group_head(ByteWriter& out, const ChangeGroup& group) {
  const bool is_replacement = !group.replaced_database.empty();
  out.varint(group.index.value);
  out.fixed(static_cast<std::uint64_t>(group.unix_time_ms));
  out.fixed(static_cast<std::uint8_t>((group.is_continued ? kContinued : 0) | (is_replacement ? kReplaced : 0)));
  if (is_replacement) out.string(group.replaced_database);
}

void put_table(ByteWriter& out, const ChangedTable& table) {
  out.string(table.database);
  out.string(table.name);
  out.fixed(static_cast<std::uint8_t>(table.has_row_ids ? 1 : 0));
  out.varint(table.columns.size());
  for (const std::string& column : table.columns) out.string(column);
}

void put_change_head(ByteWriter& out, std::size_t table, ChangeKind kind, std::size_t body_bytes) {
  out.varint(table);
  out.fixed(static_cast<std::uint8_t>(kind));
  out.varint(body_bytes);
}

Result<ChangeGroup> parse_change_group(std::span<const std::byte> bytes) {
  ByteReader in(bytes);
  ChangeGroup group;
  group.index = ChangeIndex{in.varint()};
  group.unix_time_ms = static_cast<std::int64_t>(in.fixed<std::uint64_t>());
  const auto flags = in.fixed<std::uint8_t>();
  if ((flags & ~(kContinued | kReplaced)) != 0) in.fail();
  group.is_continued = (flags & kContinued) != 0;
  if ((flags & kReplaced) != 0) group.replaced_database = in.text(kDatabaseNameBytesMax);
  const std::size_t tables = count_in(in);
  for (std::size_t i = 0; i < tables && !in.failed(); ++i) group.tables.push_back(parse_table(in));
  const std::size_t changes = count_in(in);
  for (std::size_t i = 0; i < changes && !in.failed(); ++i) group.changes.push_back(parse_change(in, group.tables));
  if (!in.finished()) return fail(ErrorKind::kCorrupt, "this is no group of changes");
  return group;
}

}  // namespace quorate::sqlite
