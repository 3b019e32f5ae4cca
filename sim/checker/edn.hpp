// A reader of EDN, the notation in which Jepsen records histories: as much of it as such files hold. Form by form, so
// that a file is never in memory as a tree. Tags are skipped, discarded forms and comments too. Symbols, characters and
// fractions are read but are of no further use here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/result.hpp"
#include "sim/checker/value.hpp"

namespace quorate::checker {

/// How deep forms may be nested.
inline constexpr int kEdnNestingMax = 32;

struct EdnForm {
  enum class Kind : std::uint8_t { kNull, kTruth, kInteger, kText, kKeyword, kSequence, kMap, kOther };

  Kind kind = Kind::kNull;
  bool truth = false;
  std::int64_t integer = 0;
  std::string text;            ///< of a text; of a keyword without its colon; of what is something else
  std::vector<EdnForm> items;  ///< of a list, vector or set; of a map keys and values in turn
  std::size_t line = 0;        ///< on which it begins

  /// The value of a map's key, which is a keyword; null if there is none.
  [[nodiscard]] const EdnForm* find(std::string_view keyword) const;
};

/// For messages.
[[nodiscard]] std::string to_text(const EdnForm& form);
/// Keywords become texts that begin with a colon. Nothing if the form is no value that a history can hold.
[[nodiscard]] std::optional<Value> to_value(const EdnForm& form);

class EdnReader {
 public:
  /// `text` must outlive the reader. Lines are counted from `first_line`.
  explicit EdnReader(std::string_view text, std::size_t first_line = 1) : text_(text), line_(first_line) {}

  /// The next form; nothing at the end. Errors are "LINE: what was expected".
  [[nodiscard]] Result<std::optional<EdnForm>> next();

  /// If the rest begins with a vector, steps into it: what follows are its items, and its bracket is the end. Of use
  /// before the first form only.
  void enter_vector();

  [[nodiscard]] std::size_t line() const { return line_; }

 private:
  [[nodiscard]] bool at_end() const { return at_ == text_.size(); }
  char take();
  Result<void> skip_blanks(int depth);
  Result<EdnForm> form(int depth);
  Result<EdnForm> items(EdnForm::Kind kind, char closing, int depth);
  Result<EdnForm> text();
  Result<EdnForm> dispatch(int depth);
  Result<EdnForm> token();
  [[nodiscard]] tl::unexpected<Error> expected(std::string_view what, std::size_t line) const;

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t line_;
  bool is_in_vector_ = false;
};

}  // namespace quorate::checker
