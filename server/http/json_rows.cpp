#include "server/http/json_rows.hpp"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <utility>
#include <variant>

#include "consensus/assert.hpp"
#include "server/http/timestamps.hpp"

namespace quorate::http {

namespace {

using sqlite::Blob;
using sqlite::Value;

std::string lower_case(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}

/// The type of a column that declares none is that of its first value.
std::string_view storage_class(const Value& value) {
  constexpr std::string_view kNames[] = {"", "integer", "real", "text", "blob"};
  return kNames[value.index()];
}
static_assert(std::is_same_v<std::variant_alternative_t<4, Value>, Blob>);

}  // namespace

void ResultsWriter::begin() { json_.begin_object().key("results").begin_array(); }

void ResultsWriter::executed(std::int64_t last_insert_id, std::int64_t rows_affected, Duration elapsed) {
  json_.begin_object();
  if (last_insert_id != 0) json_.key("last_insert_id").integer(last_insert_id);
  if (rows_affected != 0) json_.key("rows_affected").integer(rows_affected);
  write_time(elapsed);
  if (style_.rows == RowForm::kObjects) json_.key("rows").null();
  json_.end_object();
}

void ResultsWriter::failed(std::string_view error, Duration elapsed) {
  json_.begin_object().key("error").string(error);
  write_time(elapsed);
  json_.end_object();
}

void ResultsWriter::begin_rows(std::span<const sqlite::ColumnDescription> columns) {
  columns_.clear();
  for (const sqlite::ColumnDescription& column : columns) {
    const bool is_qualified = style_.names == ColumnNames::kQualified && !column.table.empty();
    Column known{.name = is_qualified ? column.table + "." + column.name : column.name,
                 .type = lower_case(column.declared_type)};
    if (known.type == "boolean") known.conversion = Conversion::kBoolean;
    if (known.type == "date" || known.type == "datetime" || known.type == "timestamp")
      known.conversion = Conversion::kTime;
    columns_.push_back(std::move(known));
  }
  order_.clear();
  if (style_.rows == RowForm::kObjects) {
    // Of several columns with one name the last one counts, as when they are put into a map one after the other.
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      const auto same_name = [&](std::size_t other) { return columns_[other].name == columns_[i].name; };
      std::erase_if(order_, same_name);
      order_.push_back(i);
    }
    std::ranges::sort(order_, {}, [this](std::size_t i) -> const std::string& { return columns_[i].name; });
  }
  is_head_written_ = false;
  element_ = json_.mark();
}

/// Waits for the first row, because it decides the types of what is declared without one.
void ResultsWriter::write_head(std::span<const Value> first_row) {
  is_head_written_ = true;
  for (std::size_t i = 0; i < first_row.size(); ++i)
    if (columns_[i].type.empty()) columns_[i].type = storage_class(first_row[i]);
  json_.begin_object();
  if (style_.rows == RowForm::kObjects) {
    json_.key("types").begin_object();
    for (const std::size_t i : order_) json_.key(columns_[i].name).string(columns_[i].type);
    json_.end_object().key("rows").begin_array();
    return;
  }
  json_.key("columns").begin_array();
  for (const Column& column : columns_) json_.string(column.name);
  json_.end_array().key("types").begin_array();
  for (const Column& column : columns_) json_.string(column.type);
  json_.end_array();
  if (!first_row.empty()) json_.key("values").begin_array();
}

void ResultsWriter::row(std::span<const Value> values) {
  QUORATE_ASSERT(values.size() == columns_.size());
  if (!is_head_written_) write_head(values);
  if (style_.rows == RowForm::kObjects) {
    json_.begin_object();
    for (const std::size_t i : order_) {
      json_.key(columns_[i].name);
      write_value(columns_[i], values[i]);
    }
    json_.end_object();
    return;
  }
  json_.begin_array();
  for (std::size_t i = 0; i < values.size(); ++i) write_value(columns_[i], values[i]);
  json_.end_array();
}

void ResultsWriter::write_value(const Column& column, const Value& value) {
  if (const auto* number = std::get_if<std::int64_t>(&value)) {
    if (column.conversion == Conversion::kBoolean) {
      json_.boolean(*number > 0);
    } else if (const auto time = column.conversion == Conversion::kTime ? timestamp_of_number(*number) : std::nullopt) {
      json_.string(*time);
    } else {
      json_.integer(*number);
    }
  } else if (const auto* real = std::get_if<double>(&value)) {
    json_.number(*real);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    if (column.conversion == Conversion::kTime)
      json_.string(timestamp_of_text(*text));
    else
      json_.string(*text);
  } else if (const auto* blob = std::get_if<Blob>(&value)) {
    if (style_.blobs == BlobForm::kByteArray)
      json_.byte_array(*blob);
    else
      json_.base64(*blob);
  } else {
    json_.null();
  }
}

void ResultsWriter::end_rows(Duration elapsed) {
  const bool had_rows = is_head_written_;
  if (!had_rows) write_head({});
  if (had_rows || style_.rows == RowForm::kObjects) json_.end_array();
  write_time(elapsed);
  json_.end_object();
  element_.reset();
}

void ResultsWriter::rows_failed(std::string_view error, Duration elapsed) {
  const bool can_withdraw = element_.has_value() || !is_head_written_;
  if (can_withdraw) {
    if (element_) json_.rewind(*element_);
    element_.reset();
    return failed(error, elapsed);
  }
  json_.end_array().key("error").string(error);
  write_time(elapsed);
  json_.end_object();
}

void ResultsWriter::write_time(Duration elapsed) {
  if (style_.timings == Timings::kOmitted || elapsed == Duration::zero()) return;
  json_.key("time").number(std::chrono::duration<double>(elapsed).count());
}

void ResultsWriter::end(const ResultsTail& tail) {
  json_.end_array();
  if (!tail.error.empty()) json_.key("error").string(tail.error);
  write_time(tail.elapsed);
  if (tail.sequence_number != 0) json_.key("sequence_number").unsigned_integer(tail.sequence_number);
  if (tail.raft_index != Index{}) json_.key("raft_index").unsigned_integer(tail.raft_index.value);
  json_.end_object();
}

std::string ResultsWriter::take() {
  element_.reset();
  return std::exchange(json_.buffer(), {});
}

}  // namespace quorate::http
