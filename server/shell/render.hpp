// How the shell shows the rows of a result. Pure functions from values to text.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::shell {

enum class Mode {
  kColumn,  ///< aligned columns under underlined names
  kTable,   ///< the same inside a frame
  kCsv,     ///< RFC 4180
  kJson,    ///< an array of objects
  kLine,    ///< one value per line
};

[[nodiscard]] std::optional<Mode> mode_named(std::string_view name);
[[nodiscard]] const char* name_of(Mode mode);

/// One value of a row, as text; numbers and NULL are told apart because some modes write them differently.
struct Cell {
  enum class Kind { kNull, kNumber, kText };
  Kind kind = Kind::kNull;
  std::string text;
};

struct Rows {
  std::vector<std::string> columns;
  std::vector<std::vector<Cell>> rows;
};

/// Whether names of columns are shown.
enum class Headers { kShown, kHidden };

[[nodiscard]] std::string render(const Rows& rows, Mode mode, Headers headers);

/// How many terminal columns the UTF-8 text takes.
[[nodiscard]] std::size_t display_width(std::string_view text);

}  // namespace quorate::shell
