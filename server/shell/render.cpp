#include "server/shell/render.hpp"

#include <algorithm>
#include <array>
#include <cwchar>
#include <ostream>
#include <sstream>
#include <utility>

#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <boost/json/value.hpp>

namespace quorate::shell {

namespace {

constexpr std::array kModes = {std::pair{Mode::kColumn, "column"}, std::pair{Mode::kTable, "table"},
                               std::pair{Mode::kCsv, "csv"}, std::pair{Mode::kJson, "json"},
                               std::pair{Mode::kLine, "line"}};

/// What stands for a line break inside a cell of an aligned mode, so that the columns stay aligned.
std::string on_one_line(const std::string& text) {
  std::string line;
  for (const char letter : text) {
    if (letter == '\n')
      line += "\\n";
    else if (letter == '\r')
      line += "\\r";
    else if (letter == '\t')
      line += "\\t";
    else
      line += letter;
  }
  return line;
}

std::string shown(const Cell& cell) { return cell.kind == Cell::Kind::kNull ? "NULL" : on_one_line(cell.text); }

enum class Side { kLeft, kRight };

Side side_of(const Cell& cell) { return cell.kind == Cell::Kind::kNumber ? Side::kRight : Side::kLeft; }

std::string pad(const std::string& text, std::size_t width, Side side) {
  const std::size_t taken = display_width(text);
  const std::string space(width > taken ? width - taken : 0, ' ');
  return side == Side::kRight ? space + text : text + space;
}

std::string without_blanks_behind(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

std::string quoted(const std::string& text) { return boost::json::serialize(boost::json::string(text)); }

std::string json_of(const Cell& cell) {
  if (cell.kind == Cell::Kind::kNull) return "null";
  return cell.kind == Cell::Kind::kNumber ? cell.text : quoted(cell.text);
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char letter : text) {
    if (letter == '"') quoted += '"';
    quoted += letter;
  }
  return quoted + '"';
}

}  // namespace

std::optional<Mode> mode_named(std::string_view name) {
  for (const auto& [mode, its_name] : kModes) {
    if (name == its_name) return mode;
  }
  return std::nullopt;
}

const char* name_of(Mode mode) {
  return std::ranges::find(kModes, mode, [](const auto& entry) { return entry.first; })->second;
}

void RowPrinter::begin(std::vector<std::string> columns) {
  columns_ = std::move(columns);
  widths_.clear();
  held_back_.clear();
  printed_ = 0;
  is_measured_ = !is_aligned();
  if (is_measured_) print_head();
}

void RowPrinter::row(std::vector<Cell> cells) {
  if (is_measured_) return print(cells);
  held_back_.push_back(std::move(cells));
  if (held_back_.size() >= kMeasuredRows) measure();
}

void RowPrinter::end() {
  if (!is_measured_) measure();
  if (mode_ == Mode::kTable && printed_ > 0) print_rule();
  if (mode_ == Mode::kJson) out_ << "]\n";
}

/// The columns are as wide as what is known of them needs.
void RowPrinter::measure() {
  is_measured_ = true;
  widths_.assign(columns_.size(), 1);
  for (std::size_t column = 0; column < columns_.size(); ++column) {
    std::size_t& width = widths_[column];
    if (headers_ == Headers::kShown) width = std::max(width, display_width(columns_[column]));
    for (const auto& cells : held_back_) width = std::max(width, display_width(shown(cells[column])));
  }
  print_head();
  for (const auto& cells : held_back_) print(cells);
  held_back_.clear();
}

void RowPrinter::print_rule() {
  out_ << '+';
  for (const std::size_t width : widths_) out_ << std::string(width + 2, '-') << '+';
  out_ << '\n';
}

void RowPrinter::print_csv(const std::vector<std::string>& fields) {
  for (std::size_t i = 0; i < fields.size(); ++i) out_ << (i > 0 ? "," : "") << csv_field(fields[i]);
  out_ << "\r\n";
}

void RowPrinter::print_head() {
  if (mode_ == Mode::kJson) out_ << '[';
  if (mode_ == Mode::kTable) print_rule();
  if (headers_ == Headers::kHidden) return;
  if (mode_ == Mode::kCsv) return print_csv(columns_);
  if (mode_ == Mode::kTable) {
    out_ << '|';
    for (std::size_t i = 0; i < columns_.size(); ++i) out_ << ' ' << pad(columns_[i], widths_[i], Side::kLeft) << " |";
    out_ << '\n';
    print_rule();
  }
  if (mode_ == Mode::kColumn) {
    std::string names;
    std::string underlines;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      names.append(i > 0 ? "  " : "").append(pad(columns_[i], widths_[i], Side::kLeft));
      underlines.append(i > 0 ? "  " : "").append(widths_[i], '-');
    }
    out_ << without_blanks_behind(std::move(names)) << '\n' << underlines << '\n';
  }
}

void RowPrinter::print(const std::vector<Cell>& cells) {
  const bool is_first = printed_++ == 0;
  switch (mode_) {
    case Mode::kColumn: {
      std::string line;
      for (std::size_t i = 0; i < cells.size(); ++i)
        line.append(i > 0 ? "  " : "").append(pad(shown(cells[i]), widths_[i], side_of(cells[i])));
      out_ << without_blanks_behind(std::move(line)) << '\n';
      break;
    }
    case Mode::kTable:
      out_ << '|';
      for (std::size_t i = 0; i < cells.size(); ++i)
        out_ << ' ' << pad(shown(cells[i]), widths_[i], side_of(cells[i])) << " |";
      out_ << '\n';
      break;
    case Mode::kCsv: {
      std::vector<std::string> fields;
      for (const Cell& cell : cells) fields.push_back(cell.text);
      print_csv(fields);
      break;
    }
    case Mode::kJson:
      out_ << (is_first ? "{" : ",\n{");
      for (std::size_t i = 0; i < cells.size(); ++i)
        out_ << (i > 0 ? "," : "") << quoted(columns_[i]) << ':' << json_of(cells[i]);
      out_ << '}';
      break;
    case Mode::kLine: {
      std::size_t width = 0;
      for (const std::string& name : columns_) width = std::max(width, display_width(name));
      if (!is_first) out_ << '\n';
      for (std::size_t i = 0; i < cells.size(); ++i)
        out_ << pad(columns_[i], width, Side::kRight) << " = "
             << (cells[i].kind == Cell::Kind::kNull ? "NULL" : cells[i].text) << '\n';
      break;
    }
  }
}

std::string render(const Rows& rows, Mode mode, Headers headers) {
  std::ostringstream out;
  RowPrinter printer(out, mode, headers);
  printer.begin(rows.columns);
  for (const auto& cells : rows.rows) printer.row(cells);
  printer.end();
  return std::move(out).str();
}

std::size_t display_width(std::string_view text) {
  std::size_t width = 0;
  std::mbstate_t state{};
  while (!text.empty()) {
    wchar_t letter = 0;
    const std::size_t used = std::mbrtowc(&letter, text.data(), text.size(), &state);
    if (used == 0 || used > text.size()) {  // not in the locale's encoding: a byte is a column
      state = {};
      text.remove_prefix(1);
      ++width;
      continue;
    }
    const int columns = wcwidth(letter);
    width += columns < 0 ? 1 : static_cast<std::size_t>(columns);
    text.remove_prefix(used);
  }
  return width;
}

}  // namespace quorate::shell
