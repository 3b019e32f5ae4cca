// Writing and reading the application's own binary formats: little-endian fixed-width numbers, LEB128 varints and byte
// strings. The reader never reads past its span and never allocates; a malformed input makes it fail for good, so that
// a parser may check once at the end of a group of fields. Not for the wire between nodes, which has its own archive.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::sqlite {

class ByteWriter {
 public:
  template <std::unsigned_integral T>
  void fixed(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i) bytes_.push_back(static_cast<std::byte>((value >> (8 * i)) & 0xFF));
  }
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<std::byte>((value & 0x7F) | 0x80));
    bytes_.push_back(static_cast<std::byte>(value));
  }
  void raw(std::span<const std::byte> bytes) { bytes_.insert(bytes_.end(), bytes.begin(), bytes.end()); }
  /// Length first.
  void string(std::span<const std::byte> bytes) {
    varint(bytes.size());
    raw(bytes);
  }
  void string(std::string_view text) { string(std::as_bytes(std::span(text))); }

  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }
  [[nodiscard]] std::vector<std::byte>& buffer() { return bytes_; }
  void clear() { bytes_.clear(); }

 private:
  std::vector<std::byte> bytes_;
};

class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : rest_(bytes) {}

  /// 0 once the reader has failed; so are all that follow.
  template <std::unsigned_integral T>
  T fixed() {
    const std::span<const std::byte> field = take(sizeof(T));
    T value = 0;
    for (std::size_t i = 0; i < field.size(); ++i) value |= static_cast<T>(static_cast<T>(field[i]) << (8 * i));
    return value;
  }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      const auto byte = fixed<std::uint8_t>();
      if (failed_) return 0;
      const std::uint64_t bits = byte & 0x7F;
      if (shift == 63 && bits > 1) break;
      value |= bits << shift;
      if ((byte & 0x80) == 0) return value;
    }
    return fail(), 0;
  }
  /// A varint that must not exceed `most`.
  std::uint64_t varint_at_most(std::uint64_t most) {
    const std::uint64_t value = varint();
    return value <= most ? value : (fail(), 0);
  }
  std::span<const std::byte> raw(std::uint64_t size) { return take(size); }
  std::span<const std::byte> string(std::uint64_t size_max) { return take(varint_at_most(size_max)); }
  std::string_view text(std::uint64_t size_max) {
    const std::span<const std::byte> bytes = string(size_max);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  void fail() {
    failed_ = true;
    rest_ = {};
  }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] std::size_t left() const { return rest_.size(); }
  /// All was well and nothing is left over.
  [[nodiscard]] bool finished() const { return !failed_ && rest_.empty(); }

 private:
  std::span<const std::byte> take(std::uint64_t size) {
    if (size > rest_.size()) return fail(), std::span<const std::byte>{};
    const std::span<const std::byte> taken = rest_.first(static_cast<std::size_t>(size));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }

  std::span<const std::byte> rest_;
  bool failed_ = false;
};

}  // namespace quorate::sqlite
