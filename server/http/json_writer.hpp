// Writes JSON as it is asked for, into a buffer, byte for byte as the clients know it: keys in the order of the calls,
// `<`, `>`, `&`, U+2028 and U+2029 escaped, invalid UTF-8 replaced, integers exact, numbers in Go's form. Keeps no
// tree; the buffer may be taken away in pieces while the document grows. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace quorate::http {

/// Brackets that may be open at once.
inline constexpr std::size_t kJsonOpenMax = 64;

enum class JsonLayout : std::uint8_t {
  kCompact,
  kPretty,  ///< indented by four blanks
};

class JsonWriter {
 public:
  explicit JsonWriter(JsonLayout layout) : layout_(layout) {}

  JsonWriter& begin_object() { return begin('{'); }
  JsonWriter& end_object() { return end('}'); }
  JsonWriter& begin_array() { return begin('['); }
  JsonWriter& end_array() { return end(']'); }
  /// Only within an object; the value follows.
  JsonWriter& key(std::string_view name);

  JsonWriter& string(std::string_view text);
  JsonWriter& integer(std::int64_t number);
  JsonWriter& unsigned_integer(std::uint64_t number);
  /// JSON has no infinity and no NaN: they become null.
  JsonWriter& number(double number);
  JsonWriter& boolean(bool value);  // NOLINT: a value, not a switch
  JsonWriter& null();
  JsonWriter& base64(std::span<const std::byte> bytes);
  JsonWriter& byte_array(std::span<const std::byte> bytes);

  /// Everything written after a mark can be taken back, as long as the buffer was not taken away meanwhile.
  struct Mark {
    std::size_t size;
    std::size_t depth;
    std::uint64_t has_elements;
  };
  [[nodiscard]] Mark mark() const { return {out_.size(), depth_, has_elements_}; }
  void rewind(const Mark& mark);

  /// What was written and not taken yet.
  [[nodiscard]] std::string& buffer() { return out_; }

 private:
  JsonWriter& begin(char bracket);
  JsonWriter& end(char bracket);
  void before_value();
  [[nodiscard]] std::uint64_t innermost() const { return std::uint64_t{1} << (depth_ - 1); }
  void new_line();
  void append_string(std::string_view text);

  std::string out_;
  JsonLayout layout_;
  bool follows_key_ = false;
  std::size_t depth_ = 0;
  std::uint64_t has_elements_ = 0;  ///< bit i: whether the open bracket at depth i + 1 has an element already
};

}  // namespace quorate::http
