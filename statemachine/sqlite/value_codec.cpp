#include "statemachine/sqlite/value_codec.hpp"

#include <bit>

namespace quorate::sqlite {
namespace {

enum class Tag : std::uint8_t { kNull = 0, kInteger = 1, kReal = 2, kText = 3, kBlob = 4 };

void put_tag(ByteWriter& out, Tag tag) { out.fixed(static_cast<std::uint8_t>(tag)); }

}  // namespace

void put_null(ByteWriter& out) { put_tag(out, Tag::kNull); }

void put_integer(ByteWriter& out, std::int64_t number) {
  put_tag(out, Tag::kInteger);
  out.fixed(static_cast<std::uint64_t>(number));
}

void put_real(ByteWriter& out, double number) {
  put_tag(out, Tag::kReal);
  out.fixed(std::bit_cast<std::uint64_t>(number));
}

void put_text(ByteWriter& out, std::string_view text) {
  put_tag(out, Tag::kText);
  out.string(text);
}

void put_blob(ByteWriter& out, std::span<const std::byte> bytes) {
  put_tag(out, Tag::kBlob);
  out.string(bytes);
}

void put_value(ByteWriter& out, const Value& value) {
  struct Writer {
    ByteWriter& out;
    void operator()(std::monostate) const { put_null(out); }
    void operator()(std::int64_t number) const { put_integer(out, number); }
    void operator()(double number) const { put_real(out, number); }
    void operator()(const std::string& text) const { put_text(out, text); }
    void operator()(const Blob& blob) const { put_blob(out, blob); }
  };
  std::visit(Writer{out}, value);
}

Value take_value(ByteReader& in) {
  switch (in.fixed<std::uint8_t>()) {
    case static_cast<std::uint8_t>(Tag::kNull): return std::monostate{};
    case static_cast<std::uint8_t>(Tag::kInteger): return static_cast<std::int64_t>(in.fixed<std::uint64_t>());
    case static_cast<std::uint8_t>(Tag::kReal): return std::bit_cast<double>(in.fixed<std::uint64_t>());
    case static_cast<std::uint8_t>(Tag::kText): return std::string(in.text(in.left()));
    case static_cast<std::uint8_t>(Tag::kBlob): {
      const std::span<const std::byte> bytes = in.string(in.left());
      return Blob(bytes.begin(), bytes.end());
    }
    default: in.fail(); return std::monostate{};
  }
}

}  // namespace quorate::sqlite
