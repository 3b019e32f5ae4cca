#include "server/cdc/envelope.hpp"

#include "server/http/json_writer.hpp"

namespace quorate::cdc {

using http::JsonWriter;
using sqlite::ChangedTable;
using sqlite::ChangeGroup;
using sqlite::ChangeKind;
using sqlite::RowChange;

namespace {

constexpr std::string_view kMain = "main";

void write_value(JsonWriter& json, const sqlite::Value& value) {
  struct Writer {
    JsonWriter& json;
    void operator()(std::monostate) const { json.null(); }
    void operator()(std::int64_t number) const { json.integer(number); }
    void operator()(double number) const { json.number(number); }
    void operator()(const std::string& text) const { json.string(text); }
    void operator()(const sqlite::Blob& blob) const { json.base64(blob); }
  };
  std::visit(Writer{json}, value);
}

void write_row(JsonWriter& json, std::string_view name, const ChangedTable& table,
               const std::vector<sqlite::Value>& row) {
  if (row.empty()) return;
  json.key(name).begin_object();
  for (std::size_t i = 0; i < row.size(); ++i) write_value(json.key(table.columns[i]), row[i]);
  json.end_object();
}

std::string_view name_of(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::kInsert: return "INSERT";
    case ChangeKind::kUpdate: return "UPDATE";
    case ChangeKind::kDelete: return "DELETE";
  }
  return {};
}

void write_change(JsonWriter& json, const ChangedTable& table, const RowChange& change) {
  json.begin_object().key("op").string(name_of(change.kind));
  if (table.database != kMain) json.key("database").string(table.database);
  json.key("table").string(table.name);
  if (table.has_row_ids && change.kind != ChangeKind::kInsert) json.key("old_row_id").integer(change.old_row_id);
  if (table.has_row_ids && change.kind != ChangeKind::kDelete) json.key("new_row_id").integer(change.new_row_id);
  write_row(json, "before", table, change.before);
  write_row(json, "after", table, change.after);
  json.end_object();
}

void write_group(JsonWriter& json, const ChangeGroup& group) {
  json.begin_object().key("index").unsigned_integer(group.index.value);
  json.key("commit_timestamp").integer(group.unix_time_ms);
  if (group.is_continued) json.key("continued").boolean(true);
  if (!group.replaced_database.empty()) json.key("database_replaced").string(group.replaced_database);
  json.key("events").begin_array();
  for (const RowChange& change : group.changes) write_change(json, group.tables[change.table], change);
  json.end_array().end_object();
}

}  // namespace

std::string envelope_of(const std::vector<ChangeGroup>& groups, const Sender& sender) {
  JsonWriter json(http::JsonLayout::kCompact);
  json.begin_object();
  if (!sender.service_id.empty()) json.key("service_id").string(sender.service_id);
  json.key("node_id").string(sender.node_id).key("payload").begin_array();
  for (const ChangeGroup& group : groups) write_group(json, group);
  json.end_array().end_object();
  return std::move(json.buffer());
}

}  // namespace quorate::cdc
