#include "server/shell/render.hpp"

#include <algorithm>
#include <array>
#include <cwchar>
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

std::string pad(const std::string& text, std::size_t width, bool to_the_right) {
  const std::size_t taken = display_width(text);
  const std::string space(width > taken ? width - taken : 0, ' ');
  return to_the_right ? space + text : text + space;
}

std::vector<std::size_t> widths_of(const Rows& rows, Headers headers) {
  std::vector<std::size_t> widths(rows.columns.size(), 1);
  for (std::size_t column = 0; column < widths.size(); ++column) {
    if (headers == Headers::kShown) widths[column] = std::max(widths[column], display_width(rows.columns[column]));
    for (const auto& row : rows.rows) widths[column] = std::max(widths[column], display_width(shown(row[column])));
  }
  return widths;
}

std::string column_mode(const Rows& rows, Headers headers) {
  const auto widths = widths_of(rows, headers);
  std::string out;
  const auto line = [&](auto&& text_of) {
    std::string one;
    for (std::size_t column = 0; column < widths.size(); ++column) {
      if (column > 0) one += "  ";
      one += text_of(column);
    }
    one.erase(one.find_last_not_of(' ') + 1);
    out += one + '\n';
  };
  if (headers == Headers::kShown) {
    line([&](std::size_t column) { return pad(rows.columns[column], widths[column], false); });
    line([&](std::size_t column) { return std::string(widths[column], '-'); });
  }
  for (const auto& row : rows.rows) {
    line([&](std::size_t column) {
      return pad(shown(row[column]), widths[column], row[column].kind == Cell::Kind::kNumber);
    });
  }
  return out;
}

std::string table_mode(const Rows& rows, Headers headers) {
  const auto widths = widths_of(rows, headers);
  std::string rule = "+";
  for (const std::size_t width : widths) rule += std::string(width + 2, '-') + '+';
  rule += '\n';
  std::string out = rule;
  if (headers == Headers::kShown) {
    out += '|';
    for (std::size_t column = 0; column < widths.size(); ++column)
      out += ' ' + pad(rows.columns[column], widths[column], false) + " |";
    out += '\n' + rule;
  }
  for (const auto& row : rows.rows) {
    out += '|';
    for (std::size_t column = 0; column < widths.size(); ++column) {
      out += ' ' + pad(shown(row[column]), widths[column], row[column].kind == Cell::Kind::kNumber) + " |";
    }
    out += '\n';
  }
  return rows.rows.empty() ? out : out + rule;
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

std::string csv_mode(const Rows& rows, Headers headers) {
  std::string out;
  const auto end_line = [&out] {
    if (!out.empty() && out.back() == ',') out.pop_back();
    out += "\r\n";
  };
  if (headers == Headers::kShown) {
    for (const std::string& name : rows.columns) out += csv_field(name) + ',';
    end_line();
  }
  for (const auto& row : rows.rows) {
    for (const Cell& cell : row) out += csv_field(cell.text) + ',';
    end_line();
  }
  return out;
}

std::string json_mode(const Rows& rows) {
  std::string out = "[";
  for (std::size_t number = 0; number < rows.rows.size(); ++number) {
    out += number == 0 ? "{" : ",\n{";
    for (std::size_t column = 0; column < rows.columns.size(); ++column) {
      const Cell& cell = rows.rows[number][column];
      if (column > 0) out += ',';
      out += boost::json::serialize(boost::json::string(rows.columns[column])) + ':';
      if (cell.kind == Cell::Kind::kNull)
        out += "null";
      else
        out += cell.kind == Cell::Kind::kNumber ? cell.text : boost::json::serialize(boost::json::string(cell.text));
    }
    out += '}';
  }
  return out + "]\n";
}

std::string line_mode(const Rows& rows) {
  std::size_t width = 0;
  for (const std::string& name : rows.columns) width = std::max(width, display_width(name));
  std::string out;
  for (std::size_t number = 0; number < rows.rows.size(); ++number) {
    if (number > 0) out += '\n';
    for (std::size_t column = 0; column < rows.columns.size(); ++column) {
      const Cell& cell = rows.rows[number][column];
      out +=
          pad(rows.columns[column], width, true) + " = " + (cell.kind == Cell::Kind::kNull ? "NULL" : cell.text) + '\n';
    }
  }
  return out;
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

std::string render(const Rows& rows, Mode mode, Headers headers) {
  switch (mode) {
    case Mode::kColumn: return column_mode(rows, headers);
    case Mode::kTable: return table_mode(rows, headers);
    case Mode::kCsv: return csv_mode(rows, headers);
    case Mode::kJson: return json_mode(rows);
    case Mode::kLine: return line_mode(rows);
  }
  return {};
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
