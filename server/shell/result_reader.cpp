#include "server/shell/result_reader.hpp"

#include <cstddef>
#include <cstdlib>
#include <utility>

#include <boost/json/basic_parser_impl.hpp>

namespace quorate::shell {

namespace {

namespace json = boost::json;
using boost::system::error_code;

/// Depths of brackets: the envelope, its "results", an element, its "values", a row, and a BLOB as an array of bytes.
constexpr std::size_t kEnvelope = 1;
constexpr std::size_t kResults = 2;
constexpr std::size_t kElement = 3;
constexpr std::size_t kList = 4;
constexpr std::size_t kRow = 5;
constexpr std::size_t kBlob = 6;

/// What Boost.JSON calls while it parses. Rows that have fewer cells than there are columns are filled up.
struct Handler {
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  ResultEvents events;
  std::optional<std::string> failure;

  // Where the parser is.
  std::size_t depth = 0;
  std::string key;   ///< of the innermost object
  std::string text;  ///< of the string or number that is being read
  bool is_shapely = true;

  // The element that is being read.
  ResultSummary summary;
  std::vector<std::string> columns;
  std::vector<Cell> cells;
  std::string blob;

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_comment_part(json::string_view, error_code&) { return true; }
  bool on_comment(json::string_view, error_code&) { return true; }

  bool on_object_begin(error_code&) {
    ++depth;
    is_shapely = is_shapely && (depth == kEnvelope || depth == kElement);
    if (depth == kElement) {
      summary = {};
      columns.clear();
    }
    return true;
  }
  bool on_object_end(std::size_t, error_code&) {
    if (depth == kElement) events.end(summary);
    --depth;
    return true;
  }
  bool on_array_begin(error_code&) {
    ++depth;
    is_shapely = is_shapely && depth != kEnvelope && depth != kElement && depth <= kBlob;
    if (depth == kRow) cells.clear();
    if (depth == kBlob) blob = "[";
    return true;
  }
  bool on_array_end(std::size_t, error_code&) {
    if (depth == kList && key == "columns") {
      summary.has_rows = true;
      events.columns(columns);
    } else if (depth == kRow && key == "values") {
      cells.resize(columns.size());
      events.row(std::move(cells));
    } else if (depth == kBlob) {
      cells.push_back({Cell::Kind::kNumber, std::move(blob) + "]"});
    }
    --depth;
    return true;
  }

  bool on_key_part(json::string_view part, std::size_t, error_code&) { return on_part(part); }
  bool on_key(json::string_view part, std::size_t, error_code&) {
    key = take(part);
    return true;
  }
  bool on_string_part(json::string_view part, std::size_t, error_code&) { return on_part(part); }
  bool on_string(json::string_view part, std::size_t, error_code&) { return on_value({Cell::Kind::kText, take(part)}); }
  bool on_number_part(json::string_view part, error_code&) { return on_part(part); }
  bool on_int64(std::int64_t, json::string_view part, error_code&) { return on_number(part); }
  bool on_uint64(std::uint64_t, json::string_view part, error_code&) { return on_number(part); }
  bool on_double(double, json::string_view part, error_code&) { return on_number(part); }
  bool on_bool(bool value, error_code&) { return on_value({Cell::Kind::kNumber, value ? "true" : "false"}); }
  bool on_null(error_code&) { return on_value({}); }

  bool on_part(json::string_view part) {
    text.append(part.data(), part.size());
    return true;
  }
  std::string take(json::string_view last_part) {
    on_part(last_part);
    return std::exchange(text, {});
  }
  /// As it was sent: all digits of it.
  bool on_number(json::string_view part) { return on_value({Cell::Kind::kNumber, take(part)}); }

  bool on_value(Cell cell) {
    if (depth == kBlob) {
      blob.append(blob.size() > 1 ? "," : "").append(cell.text);
    } else if (depth == kRow) {
      cells.push_back(std::move(cell));
    } else if (depth == kList && key == "columns") {
      columns.push_back(std::move(cell.text));
    } else if (depth == kElement && key == "error") {
      summary.error = std::move(cell.text);
    } else if (depth == kElement && key == "time") {
      summary.time = std::move(cell.text);
    } else if (depth == kElement && key == "rows_affected") {
      summary.rows_affected = std::strtoull(cell.text.c_str(), nullptr, 10);
    } else if (depth == kEnvelope && key == "error") {
      failure = std::move(cell.text);
    } else if (depth == 0 || depth == kResults) {
      is_shapely = false;
    }
    return true;
  }
};

}  // namespace

class ResultReader::Parser {
 public:
  explicit Parser(ResultEvents events) : parser_({}) { parser_.handler().events = std::move(events); }

  bool read(std::string_view piece, bool is_last) {
    if (error_) return false;
    const std::size_t used = parser_.write_some(!is_last, piece.data(), piece.size(), error_);
    if (used != piece.size()) parser_.handler().is_shapely = false;  // something follows the answer
    return !error_ && parser_.handler().is_shapely;
  }
  [[nodiscard]] bool is_done() const { return parser_.done(); }
  [[nodiscard]] const Handler& handler() const { return parser_.handler(); }

 private:
  json::basic_parser<Handler> parser_;
  error_code error_;
};

ResultReader::ResultReader(ResultEvents events) : parser_(std::make_unique<Parser>(std::move(events))) {}
ResultReader::~ResultReader() = default;

bool ResultReader::read(std::string_view piece) { return piece.empty() || parser_->read(piece, false); }

Result<std::optional<std::string>> ResultReader::finish() {
  const bool is_whole = (parser_->is_done() || parser_->read({}, true)) && parser_->handler().is_shapely;
  if (!is_whole) return fail(ErrorKind::kCorrupt, "the answer is not what a node of this kind says, or breaks off");
  return parser_->handler().failure;
}

}  // namespace quorate::shell
