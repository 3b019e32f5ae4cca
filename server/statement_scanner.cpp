#include "server/statement_scanner.hpp"

#include <algorithm>
#include <iterator>

namespace quorate::server {

namespace {

/// Longer words are no keyword that matters.
constexpr std::size_t kWordBytesMax = 10;

bool is_blank(char byte) { return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r' || byte == '\f'; }

bool is_in_word(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') || byte == '_' ||
         byte == '$' || (static_cast<unsigned char>(byte) & 0x80U) != 0;
}

bool is_keyword(std::string_view word) {
  constexpr std::string_view kKeywords[] = {"CREATE", "END", "EXPLAIN", "TEMP", "TEMPORARY", "TRIGGER"};
  return std::ranges::find(kKeywords, word) != std::end(kKeywords);
}

char capital(char byte) { return byte >= 'a' && byte <= 'z' ? static_cast<char>(byte - 'a' + 'A') : byte; }

}  // namespace

void StatementScanner::read(std::string_view piece, std::vector<std::size_t>& ends) {
  for (std::size_t i = 0; i < piece.size(); ++i) {
    if (goes_on(piece[i])) continue;
    if (piece[i] != ';')
      begin(piece[i]);
    else if (add_semicolon())
      ends.push_back(i + 1);
  }
}

bool StatementScanner::is_between_statements() const {
  return place_ == Place::kBetween && (lexeme_ == Lexeme::kNone || lexeme_ == Lexeme::kLineComment);
}

bool StatementScanner::goes_on(char byte) {
  switch (lexeme_) {
    case Lexeme::kNone: return false;
    case Lexeme::kWord:
      if (is_in_word(byte)) {
        if (word_.size() < kWordBytesMax) word_ += capital(byte);
        return true;
      }
      add_word(word_);
      break;
    case Lexeme::kQuoted:
      if (byte != closing_) return true;
      lexeme_ = Lexeme::kNone;
      return true;
    case Lexeme::kMinus:
      if (byte == '-') {
        lexeme_ = Lexeme::kLineComment;
        return true;
      }
      add_other();
      break;
    case Lexeme::kSlash:
      if (byte == '*') {
        lexeme_ = Lexeme::kComment;
        return true;
      }
      add_other();
      break;
    case Lexeme::kLineComment:
      if (byte == '\n') lexeme_ = Lexeme::kNone;
      return true;
    case Lexeme::kComment:
      if (byte == '*') lexeme_ = Lexeme::kCommentStar;
      return true;
    case Lexeme::kCommentStar:
      lexeme_ = byte == '/' ? Lexeme::kNone : byte == '*' ? Lexeme::kCommentStar : Lexeme::kComment;
      return true;
  }
  lexeme_ = Lexeme::kNone;
  return false;
}

void StatementScanner::begin(char byte) {
  if (is_blank(byte)) return;
  if (is_in_word(byte)) {
    lexeme_ = Lexeme::kWord;
    word_.assign(1, capital(byte));
  } else if (byte == '-') {
    lexeme_ = Lexeme::kMinus;
  } else if (byte == '/') {
    lexeme_ = Lexeme::kSlash;
  } else {
    if (byte == '\'' || byte == '"' || byte == '`' || byte == '[') {
      lexeme_ = Lexeme::kQuoted;
      closing_ = byte == '[' ? ']' : byte;
    }
    add_other();
  }
}

void StatementScanner::add_word(std::string_view word) {
  switch (place_) {
    case Place::kBetween:
      place_ = word == "EXPLAIN" ? Place::kExplain : word == "CREATE" ? Place::kCreate : Place::kInside;
      return;
    case Place::kExplain:  // QUERY PLAN, or neither of them
      if (word == "CREATE")
        place_ = Place::kCreate;
      else if (is_keyword(word))
        place_ = Place::kInside;
      return;
    case Place::kCreate:
      if (word == "TEMP" || word == "TEMPORARY") return;
      if (word != "TRIGGER") break;
      place_ = Place::kTrigger;
      return;
    case Place::kTriggerSemicolon:
      if (word != "END") break;
      place_ = Place::kTriggerEnd;
      return;
    case Place::kInside:
    case Place::kTrigger:
    case Place::kTriggerEnd: break;
  }
  add_other();
}

void StatementScanner::add_other() {
  switch (place_) {
    case Place::kTrigger:
    case Place::kTriggerSemicolon:
    case Place::kTriggerEnd: place_ = Place::kTrigger; break;
    case Place::kExplain: break;
    case Place::kBetween:
    case Place::kCreate:
    case Place::kInside: place_ = Place::kInside; break;
  }
}

bool StatementScanner::add_semicolon() {
  if (place_ == Place::kTrigger || place_ == Place::kTriggerSemicolon) {
    place_ = Place::kTriggerSemicolon;
    return false;
  }
  place_ = Place::kBetween;
  return true;
}

}  // namespace quorate::server
