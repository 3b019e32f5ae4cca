#include "server/http/json_writer.hpp"

#include <charconv>
#include <cmath>
#include <iterator>

#include "consensus/assert.hpp"
#include "server/http/go_text.hpp"

namespace quorate::http {

namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kBase64Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::size_t kIndent = 4;

/// The length of the UTF-8 sequence that `text` begins with, 0 if it begins with none (RFC 3629: no surrogates, no
/// longer form than needed, nothing beyond U+10FFFF).
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto continues = [&](std::size_t i, unsigned from = 0x80, unsigned to = 0xBF) {
    return byte(i) >= from && byte(i) <= to;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    const unsigned from = first == 0xE0 ? 0xA0 : 0x80;
    const unsigned to = first == 0xED ? 0x9F : 0xBF;
    return continues(1, from, to) && continues(2) ? 3 : 0;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    const unsigned from = first == 0xF0 ? 0x90 : 0x80;
    const unsigned to = first == 0xF4 ? 0x8F : 0xBF;
    return continues(1, from, to) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

bool is_plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

void append_escaped(std::string& out, char c) {
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default:
      out += "\\u00";
      out += kHexDigits[static_cast<unsigned char>(c) >> 4];
      out += kHexDigits[static_cast<unsigned char>(c) & 0xF];
  }
}

template <class Number>
void append_digits(std::string& out, Number number) {
  char digits[24];
  out.append(digits, std::to_chars(std::begin(digits), std::end(digits), number).ptr);
}

}  // namespace

void JsonWriter::rewind(const Mark& mark) {
  QUORATE_ASSERT(mark.size <= out_.size());
  out_.resize(mark.size);
  depth_ = mark.depth;
  has_elements_ = mark.has_elements;
  follows_key_ = false;
}

JsonWriter& JsonWriter::begin(char bracket) {
  before_value();
  QUORATE_ASSERT(depth_ < kJsonOpenMax);
  out_ += bracket;
  ++depth_;
  has_elements_ &= ~innermost();
  return *this;
}

JsonWriter& JsonWriter::end(char bracket) {
  QUORATE_ASSERT(depth_ > 0);
  const bool had_elements = (has_elements_ & innermost()) != 0;
  --depth_;
  if (had_elements) new_line();
  out_ += bracket;
  return *this;
}

void JsonWriter::new_line() {
  if (layout_ == JsonLayout::kCompact) return;
  out_ += '\n';
  out_.append(kIndent * depth_, ' ');
}

void JsonWriter::before_value() {
  if (follows_key_) {
    follows_key_ = false;
    return;
  }
  if (depth_ == 0) return;
  if ((has_elements_ & innermost()) != 0) out_ += ',';
  has_elements_ |= innermost();
  new_line();
}

JsonWriter& JsonWriter::key(std::string_view name) {
  before_value();
  append_string(name);
  out_ += layout_ == JsonLayout::kCompact ? ":" : ": ";
  follows_key_ = true;
  return *this;
}

JsonWriter& JsonWriter::string(std::string_view text) {
  before_value();
  append_string(text);
  return *this;
}

void JsonWriter::append_string(std::string_view text) {
  out_ += '"';
  while (!text.empty()) {
    std::size_t plain = 0;
    while (plain < text.size() && is_plain(text[plain])) ++plain;
    out_ += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.empty()) break;
    const std::size_t length = utf8_length(text);
    if (length == 1) {
      append_escaped(out_, text[0]);
    } else if (length == 0) {
      out_ += "\\ufffd";
    } else if (text.starts_with("\u2028") || text.starts_with("\u2029")) {  // line ends in JavaScript, not in JSON
      out_ += text.starts_with("\u2028") ? "\\u2028" : "\\u2029";
    } else {
      out_ += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out_ += '"';
}

JsonWriter& JsonWriter::integer(std::int64_t number) {
  before_value();
  append_digits(out_, number);
  return *this;
}

JsonWriter& JsonWriter::unsigned_integer(std::uint64_t number) {
  before_value();
  append_digits(out_, number);
  return *this;
}

JsonWriter& JsonWriter::number(double number) {
  if (!std::isfinite(number)) return null();
  before_value();
  append_float(out_, number);
  return *this;
}

JsonWriter& JsonWriter::boolean(bool value) {
  before_value();
  out_ += value ? "true" : "false";
  return *this;
}

JsonWriter& JsonWriter::null() {
  before_value();
  out_ += "null";
  return *this;
}

JsonWriter& JsonWriter::base64(std::span<const std::byte> bytes) {
  before_value();
  out_ += '"';
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](std::size_t k) {
      return i + k < bytes.size() ? std::to_integer<unsigned>(bytes[i + k]) : 0U;
    };
    const unsigned group = byte(0) << 16 | byte(1) << 8 | byte(2);
    out_ += kBase64Digits[group >> 18];
    out_ += kBase64Digits[group >> 12 & 0x3F];
    out_ += i + 1 < bytes.size() ? kBase64Digits[group >> 6 & 0x3F] : '=';
    out_ += i + 2 < bytes.size() ? kBase64Digits[group & 0x3F] : '=';
  }
  out_ += '"';
  return *this;
}

JsonWriter& JsonWriter::byte_array(std::span<const std::byte> bytes) {
  begin_array();
  for (const std::byte byte : bytes) unsigned_integer(std::to_integer<unsigned>(byte));
  return end_array();
}

}  // namespace quorate::http
