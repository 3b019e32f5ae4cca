// How the shell shows the rows of a result: one after the other as they come, so that a large one needs no memory. The
// aligned modes look at the first rows to learn how wide the columns are; a later value that is wider sticks out.
#pragma once

#include <cstddef>
#include <iosfwd>
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

/// How many rows are held back to see how wide they are.
inline constexpr std::size_t kMeasuredRows = 1000;

/// Prints one result. `out` outlives it.
class RowPrinter {
 public:
  RowPrinter(std::ostream& out, Mode mode, Headers headers) : out_(out), mode_(mode), headers_(headers) {}

  void begin(std::vector<std::string> columns);
  /// As many cells as there are columns.
  void row(std::vector<Cell> cells);
  void end();

 private:
  [[nodiscard]] bool is_aligned() const { return mode_ == Mode::kColumn || mode_ == Mode::kTable; }
  void measure();
  void print_head();
  void print(const std::vector<Cell>& cells);
  void print_rule();
  void print_csv(const std::vector<std::string>& fields);

  std::ostream& out_;
  Mode mode_;
  Headers headers_;
  std::vector<std::string> columns_;
  std::vector<std::size_t> widths_;
  std::vector<std::vector<Cell>> held_back_;
  bool is_measured_ = false;
  std::size_t printed_ = 0;
};

/// All of it as one text.
[[nodiscard]] std::string render(const Rows& rows, Mode mode, Headers headers);

/// How many terminal columns the UTF-8 text takes.
[[nodiscard]] std::size_t display_width(std::string_view text);

}  // namespace quorate::shell
