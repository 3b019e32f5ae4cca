#include "statemachine/sqlite/dump.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>
#include <variant>

#include <fmt/format.h>

namespace quorate::sqlite {
namespace {

std::string quoted(std::string_view text, char quote) {
  std::string out(1, quote);
  for (const char c : text) {
    if (c == quote) out += quote;
    out += c;
  }
  return out + quote;
}
std::string name_of(std::string_view text) { return quoted(text, '"'); }

std::string hex(std::string_view bytes) {
  std::string out = "x'";
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out + "'";
}

/// A literal that SQLite reads as exactly this value.
struct Literal {
  std::string operator()(std::monostate) const { return "NULL"; }
  std::string operator()(std::int64_t number) const {
    // Its digits alone are a number too large for an integer.
    if (number == INT64_MIN) return "(-9223372036854775807-1)";
    return fmt::format("{}", number);
  }
  std::string operator()(double number) const {
    if (std::isinf(number)) return number > 0 ? "9.0e+999" : "-9.0e+999";
    std::string text = fmt::format("{:.17g}", number);
    if (text.find_first_of(".e") == std::string::npos) text += ".0";
    return text;
  }
  std::string operator()(const std::string& text) const {
    // Text ends at the first NUL for the parser, wherever it is.
    if (text.find('\0') != std::string::npos) return fmt::format("CAST({} AS TEXT)", hex(text));
    return quoted(text, '\'');
  }
  std::string operator()(const Blob& blob) const {
    return hex({reinterpret_cast<const char*>(blob.data()), blob.size()});
  }
};

const std::string& text_of(const Value& value) {
  static const std::string kNone;
  const auto* text = std::get_if<std::string>(&value);
  return text == nullptr ? kNone : *text;
}

}  // namespace

SqlResult<Dump> Dump::open(Reader reader, DumpOptions options) {
  Dump dump(std::move(reader), std::move(options));
  if (SqlResult<void> planned = dump.plan(); !planned) return sql_fail(std::move(planned.error()));
  return dump;
}

bool Dump::is_wanted(const std::string& table) const {
  return options_.tables.empty() || std::ranges::find(options_.tables, table) != options_.tables.end();
}

SqlResult<void> Dump::plan() {
  // One transaction, so that all of it is of one version.
  if (SqlResult<void> begun = reader_.connection().run("BEGIN"); !begun) return begun;
  ready_ = {"PRAGMA foreign_keys=OFF;", "BEGIN TRANSACTION;"};
  // SQLite fills in sqlite_sequence while rows are inserted; what it really holds comes after all of them.
  SqlResult<std::vector<std::vector<Value>>> tables = query(
      "SELECT name, sql FROM sqlite_schema WHERE type='table' AND sql NOT NULL "
      "ORDER BY name='sqlite_sequence', rowid");
  if (!tables) return sql_fail(std::move(tables.error()));
  for (const std::vector<Value>& row : *tables) {
    if (is_wanted(text_of(row[0]))) tables_.push_back({text_of(row[0]), text_of(row[1])});
  }
  SqlResult<std::vector<std::vector<Value>>> objects =
      query("SELECT tbl_name, sql FROM sqlite_schema WHERE type<>'table' AND sql NOT NULL ORDER BY rowid");
  if (!objects) return sql_fail(std::move(objects.error()));
  for (const std::vector<Value>& row : *objects) {
    if (is_wanted(text_of(row[0]))) objects_.push_back(text_of(row[1]) + ";");
  }
  return {};
}

SqlResult<std::vector<std::vector<Value>>> Dump::query(const std::string& sql) {
  SqlResult<Connection::Prepared> prepared = reader_.connection().prepare(sql);
  if (!prepared) return sql_fail(std::move(prepared.error()));
  std::vector<std::vector<Value>> rows;
  for (;;) {
    const SqlResult<Statement::Progress> progress = prepared->statement.step();
    if (!progress) return sql_fail(progress.error());
    if (*progress == Statement::Progress::kDone) return rows;
    std::vector<Value>& row = rows.emplace_back();
    for (std::size_t i = 0; i < prepared->statement.column_count(); ++i) row.push_back(prepared->statement.value(i));
  }
}

SqlResult<Dump::Piece> Dump::next(std::size_t bytes) {
  Piece piece;
  do {
    SqlResult<std::optional<std::string>> statement = next_statement();
    if (!statement) return sql_fail(std::move(statement.error()));
    if (!*statement) {
      piece.end = Piece::End::kReached;
      break;
    }
    piece.text += **statement;
    piece.text += '\n';
  } while (piece.text.size() < bytes);
  return piece;
}

SqlResult<std::optional<std::string>> Dump::next_statement() {
  for (;;) {
    if (!ready_.empty()) {
      std::string statement = std::move(ready_.front());
      ready_.pop_front();
      return statement;
    }
    if (rows_) {
      const SqlResult<Statement::Progress> progress = rows_->step();
      if (!progress) return sql_fail(progress.error());
      if (*progress == Statement::Progress::kRow) {
        std::string values;
        for (std::size_t i = 0; i < rows_->column_count(); ++i) {
          values += (i == 0 ? "" : ",") + std::visit(Literal{}, rows_->value(i));
        }
        return fmt::format("INSERT INTO {} VALUES({});", name_of(table_), values);
      }
      rows_.reset();
    } else if (!tables_.empty()) {
      if (SqlResult<void> begun = begin_table(); !begun) return sql_fail(std::move(begun.error()));
    } else if (!is_ended_) {
      end_tables();
    } else {
      return std::nullopt;
    }
  }
}

SqlResult<void> Dump::begin_table() {
  const Table table = std::move(tables_.front());
  tables_.pop_front();
  if (table.name == "sqlite_sequence") {
    ready_.push_back("DELETE FROM sqlite_sequence;");
  } else if (table.name == "sqlite_stat1") {
    ready_.push_back("ANALYZE sqlite_schema;");  // makes the table
    ready_.push_back("DELETE FROM sqlite_stat1;");
  } else if (table.name.starts_with("sqlite_")) {
    return {};
  } else if (begins_with_keyword(table.sql, "CREATE VIRTUAL")) {
    if (!std::exchange(is_schema_writable_, true)) ready_.push_back("PRAGMA writable_schema=ON;");
    const std::string name = quoted(table.name, '\'');
    ready_.push_back(
        fmt::format("INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table',{},{},0,{});", name, name,
                    quoted(table.sql, '\'')));
    return {};
  } else {
    ready_.push_back(table.sql + ";");
  }
  // Generated columns are not among them.
  SqlResult<std::vector<std::vector<Value>>> columns = query(fmt::format("PRAGMA table_info({})", name_of(table.name)));
  if (!columns) return sql_fail(std::move(columns.error()));
  std::string names;
  for (const std::vector<Value>& column : *columns) names += (names.empty() ? "" : ",") + name_of(text_of(column[1]));
  SqlResult<Connection::Prepared> rows =
      reader_.connection().prepare(fmt::format("SELECT {} FROM {}", names, name_of(table.name)));
  if (!rows) return sql_fail(std::move(rows.error()));
  table_ = table.name;
  rows_.emplace(std::move(rows->statement));
  return {};
}

void Dump::end_tables() {
  is_ended_ = true;
  for (std::string& object : objects_) ready_.push_back(std::move(object));
  if (is_schema_writable_) ready_.push_back("PRAGMA writable_schema=OFF;");
  ready_.push_back("COMMIT;");
}

}  // namespace quorate::sqlite
