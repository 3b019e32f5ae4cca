// Finds the ends of statements in SQL text that comes in pieces, looking at each byte once. A semicolon ends a
// statement unless it stands in a string, in a quoted name, in a comment or in the body of a trigger: where
// sqlite3_complete() says "complete" of the text so far.
//
// A value; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::server {

class StatementScanner {
 public:
  /// Adds to `ends` how many bytes of this piece belong to each statement that ends in it, its semicolon included,
  /// counted from the beginning of the piece.
  void read(std::string_view piece, std::vector<std::size_t>& ends);

  /// What was read ends with a whole statement, but for white space and comments.
  [[nodiscard]] bool is_between_statements() const;

 private:
  enum class Lexeme : std::uint8_t { kNone, kWord, kQuoted, kMinus, kSlash, kLineComment, kComment, kCommentStar };
  /// CREATE [TEMP] TRIGGER is all that matters of a statement: its end is ";END;".
  enum class Place : std::uint8_t {
    kBetween,
    kExplain,
    kCreate,
    kInside,
    kTrigger,
    kTriggerSemicolon,
    kTriggerEnd,
  };

  /// False if the byte is none of the lexeme that was under way, and so begins another one.
  bool goes_on(char byte);
  void begin(char byte);
  void add_word(std::string_view word);
  void add_other();
  /// Whether a statement ends here.
  bool add_semicolon();

  Lexeme lexeme_ = Lexeme::kNone;
  char closing_ = '\0';  ///< of what is quoted
  std::string word_;     ///< its beginning, in capitals
  Place place_ = Place::kBetween;
};

}  // namespace quorate::server
