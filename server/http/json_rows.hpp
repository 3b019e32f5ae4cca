// Writes the results of statements, as they come, in the envelope that clients know:
//
//   {"results":[element...],"error":"...","time":0.1,"sequence_number":1,"raft_index":1}
//
// with each key only if it says something. An element of a write is {"last_insert_id":1,"rows_affected":1}, one of a
// read
// {"columns":[...],"types":[...],"values":[[...]...]}, or with objects for rows {"types":{...},"rows":[{...}...]};
// either may end with "error" and "time". Rows are never collected: the buffer may be taken away at any time.
//
// Calls: begin(), then per statement executed() or failed() or { begin_rows(), row()..., end_rows() or rows_failed() },
// then end(). Not thread-safe; may live on the thread that steps the statement.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/types.hpp"
#include "server/http/json_writer.hpp"
#include "statemachine/sqlite/connection.hpp"
#include "statemachine/sqlite/value.hpp"

namespace quorate::http {

enum class RowForm : std::uint8_t { kArrays, kObjects };
enum class BlobForm : std::uint8_t { kBase64, kByteArray };
enum class ColumnNames : std::uint8_t {
  kPlain,
  kQualified,  ///< "table.column" where there is a table
};
enum class Timings : std::uint8_t { kOmitted, kShown };

struct ResultsStyle {
  JsonLayout layout = JsonLayout::kCompact;
  RowForm rows = RowForm::kArrays;
  BlobForm blobs = BlobForm::kBase64;
  ColumnNames names = ColumnNames::kPlain;
  Timings timings = Timings::kOmitted;
};

/// What stands behind the results.
struct ResultsTail {
  std::string error;
  Duration elapsed{};
  std::uint64_t sequence_number = 0;
  Index raft_index;  ///< 0: not shown
};

class ResultsWriter {
 public:
  explicit ResultsWriter(const ResultsStyle& style) : style_(style), json_(style.layout) {}

  void begin();
  void executed(std::int64_t last_insert_id, std::int64_t rows_affected, Duration elapsed);
  void failed(std::string_view error, Duration elapsed);
  void begin_rows(std::span<const sqlite::ColumnDescription> columns);
  void row(std::span<const sqlite::Value> values);
  void end_rows(Duration elapsed);
  /// The statement failed after some rows. They are withdrawn if they are still in the buffer.
  void rows_failed(std::string_view error, Duration elapsed);
  void end(const ResultsTail& tail);

  [[nodiscard]] std::size_t buffered_bytes() { return json_.buffer().size(); }
  /// What was written since the last take().
  [[nodiscard]] std::string take();

 private:
  enum class Conversion : std::uint8_t { kNone, kBoolean, kTime };
  struct Column {
    std::string name;
    std::string type;
    Conversion conversion = Conversion::kNone;
  };

  void write_head(std::span<const sqlite::Value> first_row);
  void write_value(const Column& column, const sqlite::Value& value);
  void write_time(Duration elapsed);

  ResultsStyle style_;
  JsonWriter json_;
  std::vector<Column> columns_;
  std::vector<std::size_t> order_;  ///< of the columns in an object: by name, one of each
  bool is_head_written_ = false;
  /// Where the element began in the buffer; nothing once that part was taken.
  std::optional<JsonWriter::Mark> element_;
};

}  // namespace quorate::http
