#include "sim/checker/edn.hpp"

#include <charconv>
#include <utility>

namespace quorate::checker {
namespace {

using Kind = EdnForm::Kind;

bool is_blank(char character) {
  return character == ' ' || character == ',' || character == '\t' || character == '\n' || character == '\r';
}

bool ends_token(char character) {
  return is_blank(character) || std::string_view("()[]{}\";").find(character) != std::string_view::npos;
}

std::string found(char character) {
  if (static_cast<unsigned char>(character) < 0x20) return "a control character";
  return std::string("'") + character + "'";
}

}  // namespace

const EdnForm* EdnForm::find(std::string_view keyword) const {
  if (kind != Kind::kMap) return nullptr;
  for (std::size_t at = 0; at + 1 < items.size(); at += 2) {
    if (items[at].kind == Kind::kKeyword && items[at].text == keyword) return &items[at + 1];
  }
  return nullptr;
}

std::string to_text(const EdnForm& form) {
  switch (form.kind) {
    case Kind::kNull: return "nil";
    case Kind::kTruth: return form.truth ? "true" : "false";
    case Kind::kInteger: return std::to_string(form.integer);
    case Kind::kText: return '"' + form.text + '"';
    case Kind::kKeyword: return ':' + form.text;
    case Kind::kSequence: return "a sequence of " + std::to_string(form.items.size());
    case Kind::kMap: return "a map";
    case Kind::kOther: break;
  }
  return form.text;
}

std::optional<Value> to_value(const EdnForm& form) {
  switch (form.kind) {
    case Kind::kNull: return Value{};
    case Kind::kTruth: return Value{form.truth};
    case Kind::kInteger: return Value{form.integer};
    case Kind::kText: return Value{form.text};
    case Kind::kKeyword: return Value{':' + form.text};
    case Kind::kSequence: {
      List list;
      for (const EdnForm& item : form.items) {
        std::optional<Value> value = to_value(item);
        if (!value) return std::nullopt;
        list.push_back(*std::move(value));
      }
      return Value{std::move(list)};
    }
    case Kind::kMap:
    case Kind::kOther: break;
  }
  return std::nullopt;
}

Result<std::optional<EdnForm>> EdnReader::next() {
  if (auto skipped = skip_blanks(0); !skipped) return tl::unexpected(skipped.error());
  if (at_end()) {
    if (is_in_vector_) return expected("']' at the end of the vector, found the end of the file", line_);
    return std::nullopt;
  }
  if (is_in_vector_ && text_[at_] == ']') {
    take();
    is_in_vector_ = false;
    if (auto skipped = skip_blanks(0); !skipped) return tl::unexpected(skipped.error());
    if (!at_end()) return expected("nothing after the vector, found " + found(text_[at_]), line_);
    return std::nullopt;
  }
  Result<EdnForm> read = form(0);
  if (!read) return tl::unexpected(read.error());
  return *std::move(read);
}

void EdnReader::enter_vector() {
  std::size_t ahead = at_;
  while (ahead < text_.size() && is_blank(text_[ahead])) ++ahead;
  if (ahead == text_.size() || text_[ahead] != '[') return;
  while (at_ <= ahead) take();
  is_in_vector_ = true;
}

char EdnReader::take() {
  const char character = text_[at_++];
  if (character == '\n') ++line_;
  return character;
}

Result<void> EdnReader::skip_blanks(int depth) {
  while (!at_end()) {
    if (text_[at_] == ';') {
      while (!at_end() && text_[at_] != '\n') take();
    } else if (text_.substr(at_, 2) == "#_") {
      at_ += 2;
      if (Result<EdnForm> discarded = form(depth + 1); !discarded) return tl::unexpected(discarded.error());
    } else if (is_blank(text_[at_])) {
      take();
    } else {
      break;
    }
  }
  return {};
}

Result<EdnForm> EdnReader::form(int depth) {
  if (depth > kEdnNestingMax) return expected("less deeply nested forms", line_);
  if (auto skipped = skip_blanks(depth); !skipped) return tl::unexpected(skipped.error());
  if (at_end()) return expected("a form, found the end of the file", line_);
  switch (text_[at_]) {
    case '(': return items(Kind::kSequence, ')', depth);
    case '[': return items(Kind::kSequence, ']', depth);
    case '{': return items(Kind::kMap, '}', depth);
    case '"': return text();
    case '#': return dispatch(depth);
    case ')':
    case ']':
    case '}': return expected("a form, found " + found(text_[at_]), line_);
    default: return token();
  }
}

Result<EdnForm> EdnReader::items(EdnForm::Kind kind, char closing, int depth) {
  EdnForm whole{.kind = kind, .line = line_};
  take();
  while (true) {
    if (auto skipped = skip_blanks(depth); !skipped) return tl::unexpected(skipped.error());
    if (at_end()) return expected(found(closing) + " before the end of the file", whole.line);
    if (text_[at_] == closing) break;
    Result<EdnForm> item = form(depth + 1);
    if (!item) return item;
    whole.items.push_back(*std::move(item));
  }
  take();
  if (kind == Kind::kMap && whole.items.size() % 2 != 0) return expected("a value for each key of the map", whole.line);
  return whole;
}

Result<EdnForm> EdnReader::text() {
  EdnForm whole{.kind = Kind::kText, .line = line_};
  take();
  while (!at_end()) {
    const char character = take();
    if (character == '"') return whole;
    if (character != '\\') {
      whole.text += character;
      continue;
    }
    if (at_end()) break;
    const char escaped = take();
    switch (escaped) {
      case 'n': whole.text += '\n'; break;
      case 't': whole.text += '\t'; break;
      case 'r': whole.text += '\r'; break;
      case '"':
      case '\\': whole.text += escaped; break;
      default: return expected("\\n, \\t, \\r, \\\" or \\\\ in a text, found \\ and " + found(escaped), line_);
    }
  }
  return expected("'\"' before the end of the file", whole.line);
}

Result<EdnForm> EdnReader::dispatch(int depth) {
  take();
  if (!at_end() && text_[at_] == '{') return items(Kind::kSequence, '}', depth);
  Result<EdnForm> tag = token();
  if (!tag) return tag;
  return form(depth + 1);
}

Result<EdnForm> EdnReader::token() {
  const std::size_t begin = at_;
  while (!at_end() && !ends_token(text_[at_])) take();
  const std::string_view word = text_.substr(begin, at_ - begin);
  EdnForm atom{.line = line_};
  if (word.empty()) return expected("a word, found " + (at_end() ? "the end of the file" : found(text_[at_])), line_);
  if (word == "nil") return atom;
  if (word == "true" || word == "false") {
    atom.kind = Kind::kTruth;
    atom.truth = word == "true";
    return atom;
  }
  if (word.front() == ':') {
    atom.kind = Kind::kKeyword;
    atom.text = word.substr(1);
    return atom;
  }
  std::string_view digits = word.ends_with('N') ? word.substr(0, word.size() - 1) : word;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), atom.integer);
  if (error == std::errc{} && end == digits.data() + digits.size()) {
    atom.kind = Kind::kInteger;
    return atom;
  }
  atom.kind = Kind::kOther;
  atom.text = word;
  return atom;
}

tl::unexpected<Error> EdnReader::expected(std::string_view what, std::size_t line) const {
  return fail(ErrorKind::kInvalidArgument, std::to_string(line) + ": expected " + std::string(what));
}

}  // namespace quorate::checker
