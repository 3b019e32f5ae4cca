// Cereal archives for bytes that come from a network or a disk. What they add to Cereal: one byte order, fixed widths,
// and bounds. A reader believes no size before it has seen that so many bytes are there: a forged count cannot make it
// allocate more than a small multiple of what was received, nor recurse deeper or visit more elements than its limits.
//
// Errors are sticky: after the first, everything reads as zero or empty, and finish() reports what was wrong and at
// which byte. Nothing throws. A type that has no fixed width (bool, long, double, pointers) does not compile.
//
// Encoding: unsigned integers little endian (signed ones as two's complement); enumerations as their underlying type,
// refused beyond the last enumerator; strings and vectors as a u32 count and the elements; optional as a byte 0 or 1
// and the value; variant as a byte with the alternative and the value; Payload as a u32 size and the bytes, 0xffffffff
// being "absent". A Payload owns its bytes in one block with its count, so reading one copies them out of the buffer,
// once.
//
// Includes Cereal, so include it in .cpp files only. Never include cereal/types/*: memory.hpp and polymorphic.hpp trust
// their input, and the others would compete with the functions below. One archive per thread; it refers to the buffer.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <cereal/cereal.hpp>

#include "consensus/payload.hpp"
#include "consensus/result.hpp"
#include "consensus/types.hpp"
#include "consensus/wire/little_endian.hpp"

namespace quorate::wire {

struct WireLimits {
  std::size_t elements_max = std::size_t{1} << 16;  ///< of all vectors together
  std::size_t depth_max = 16;                       ///< of vectors, optionals and variants within each other
};

inline constexpr std::uint32_t kAbsentPayloadSize = UINT32_MAX;

/// The last valid value of an enumeration that travels; its values are 0, 1, 2, ... up to it. Specialised per type.
template <class Enum>
struct LastEnumerator;

/// Integers of a fixed width; never bool or a character, whose widths or signs are a matter of the platform.
template <class T>
concept WireInteger =
    std::same_as<T, std::uint8_t> || std::same_as<T, std::uint16_t> || std::same_as<T, std::uint32_t> ||
    std::same_as<T, std::uint64_t> || std::same_as<T, std::int32_t> || std::same_as<T, std::int64_t>;

/// Appends to a buffer that outlives it.
class WireWriter : public cereal::OutputArchive<WireWriter, cereal::AllowEmptyClassElision> {
 public:
  explicit WireWriter(std::vector<std::byte>& out) : OutputArchive(this), out_(out) {}

  template <std::unsigned_integral T>
  void put(T number) {
    const std::size_t at = out_.size();
    out_.resize(at + sizeof(T));
    store_little_endian(out_.data() + at, number);
  }
  void put(std::span<const std::byte> bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  void put_count(std::size_t count) {
    QUORATE_ASSERT(count < kAbsentPayloadSize);
    put(static_cast<std::uint32_t>(count));
  }

 private:
  std::vector<std::byte>& out_;
};

class WireReader : public cereal::InputArchive<WireReader, cereal::AllowEmptyClassElision> {
 public:
  explicit WireReader(std::span<const std::byte> bytes, WireLimits limits = {})
      : InputArchive(this), bytes_(bytes), elements_left_(limits.elements_max), depth_left_(limits.depth_max) {}

  /// Success if everything was read as it should be and no byte is left over.
  [[nodiscard]] Result<void> finish() const {
    if (problem_ != nullptr) return fail(ErrorKind::kCorrupt, describe(problem_, problem_at_));
    if (at_ != bytes_.size()) return fail(ErrorKind::kCorrupt, describe("unexpected bytes after the end", at_));
    return {};
  }

  [[nodiscard]] bool ok() const { return problem_ == nullptr; }
  /// Records the first problem; `what` must be a literal.
  void refuse(const char* what) {
    if (problem_ != nullptr) return;
    problem_ = what;
    problem_at_ = at_;
  }

  template <std::unsigned_integral T>
  [[nodiscard]] T take() {
    const std::span<const std::byte> bytes = take(sizeof(T));
    return bytes.empty() ? T{0} : load_little_endian<T>(bytes.data());
  }
  /// The next `count` bytes; none, and a problem, if there are fewer.
  [[nodiscard]] std::span<const std::byte> take(std::size_t count) {
    if (count > left()) refuse("cut short");
    if (!ok()) return {};
    return bytes_.subspan(std::exchange(at_, at_ + count), count);
  }
  /// A u32 count of elements that take at least `element_bytes_min` each: 0, and a problem, if they cannot all be
  /// there.
  [[nodiscard]] std::size_t take_count(std::size_t element_bytes_min, std::size_t count_max) {
    const std::size_t count = take<std::uint32_t>();
    if (count > count_max || count > elements_left_) refuse("more elements than allowed");
    if (count * element_bytes_min > left()) refuse("more elements than there are bytes for");
    if (!ok()) return 0;
    elements_left_ -= count;
    return count;
  }

  /// Held while something nested is read.
  class Nested {
   public:
    explicit Nested(WireReader& reader) : reader_(reader) {
      if (reader_.depth_left_ == 0) reader_.refuse("nested too deeply");
      if (!reader_.ok()) return;
      --reader_.depth_left_;
      entered_ = true;
    }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;
    ~Nested() {
      if (entered_) ++reader_.depth_left_;
    }
    [[nodiscard]] bool ok() const { return entered_; }

   private:
    WireReader& reader_;
    bool entered_ = false;
  };

 private:
  [[nodiscard]] std::size_t left() const { return bytes_.size() - at_; }
  [[nodiscard]] std::string describe(const char* what, std::size_t at) const {
    return std::string(what) + " at byte " + std::to_string(at) + " of " + std::to_string(bytes_.size());
  }

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  std::size_t elements_left_;
  std::size_t depth_left_;
  const char* problem_ = nullptr;
  std::size_t problem_at_ = 0;
};

/// What the shortest value of a type takes: that of a default-constructed one, whose containers are empty.
template <class T>
[[nodiscard]] std::size_t wire_size_min() {
  static const std::size_t size = [] {
    std::vector<std::byte> bytes;
    WireWriter writer(bytes);
    writer(T{});
    return bytes.size();
  }();
  return size;
}

template <WireInteger T>
void save(WireWriter& writer, const T& number) {
  writer.put(static_cast<std::make_unsigned_t<T>>(number));
}
template <WireInteger T>
void load(WireReader& reader, T& number) {
  number = static_cast<T>(reader.take<std::make_unsigned_t<T>>());
}

template <class Tag>
void save(WireWriter& writer, const StrongNumber<Tag>& number) {
  writer.put(number.value);
}
template <class Tag>
void load(WireReader& reader, StrongNumber<Tag>& number) {
  number.value = reader.take<std::uint64_t>();
}

template <class Enum>
  requires std::is_enum_v<Enum>
void save(WireWriter& writer, const Enum& value) {
  writer.put(static_cast<std::underlying_type_t<Enum>>(value));
}
template <class Enum>
  requires std::is_enum_v<Enum>
void load(WireReader& reader, Enum& value) {
  const auto number = reader.take<std::underlying_type_t<Enum>>();
  if (number > static_cast<std::underlying_type_t<Enum>>(LastEnumerator<Enum>::value)) {
    reader.refuse("no such enumerator");
    return;
  }
  value = static_cast<Enum>(number);
}

inline void save(WireWriter& writer, const std::string& text) {
  writer.put_count(text.size());
  writer.put(std::as_bytes(std::span(text)));
}
/// Reads a string of at most `size_max` bytes.
inline void load_bounded(WireReader& reader, std::string& text, std::size_t size_max) {
  const std::size_t size = reader.take<std::uint32_t>();
  if (size > size_max) reader.refuse("a text longer than allowed");
  const std::span<const std::byte> bytes = reader.take(size);
  text.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}
inline void load(WireReader& reader, std::string& text) { load_bounded(reader, text, SIZE_MAX); }

inline void save(WireWriter& writer, const Payload& payload) {
  if (payload.is_absent()) return writer.put(kAbsentPayloadSize);
  writer.put_count(payload.size());
  writer.put(payload.bytes());
}
inline void load(WireReader& reader, Payload& payload) {
  const std::uint32_t size = reader.take<std::uint32_t>();
  payload = size == kAbsentPayloadSize ? Payload::absent() : Payload::copy_of(reader.take(size));
}

template <class T>
void save(WireWriter& writer, const std::vector<T>& elements) {
  writer.put_count(elements.size());
  for (const T& element : elements) writer(element);
}
/// Reads a vector of at most `count_max` elements.
template <class T>
void load_bounded(WireReader& reader, std::vector<T>& elements, std::size_t count_max) {
  elements.clear();
  const WireReader::Nested nested(reader);
  if (!nested.ok()) return;
  elements.resize(reader.take_count(wire_size_min<T>(), count_max));
  for (T& element : elements) reader(element);
}
template <class T>
void load(WireReader& reader, std::vector<T>& elements) {
  load_bounded(reader, elements, SIZE_MAX);
}

template <class T>
void save(WireWriter& writer, const std::optional<T>& value) {
  writer.put(static_cast<std::uint8_t>(value.has_value()));
  if (value) writer(*value);
}
template <class T>
void load(WireReader& reader, std::optional<T>& value) {
  value.reset();
  const WireReader::Nested nested(reader);
  if (!nested.ok()) return;
  const std::uint8_t present = reader.take<std::uint8_t>();
  if (present > 1) reader.refuse("neither present nor absent");
  if (present == 1) reader(value.emplace());
}

template <class... Alternatives>
void save(WireWriter& writer, const std::variant<Alternatives...>& value) {
  static_assert(sizeof...(Alternatives) <= 256);
  writer.put(static_cast<std::uint8_t>(value.index()));
  std::visit([&](const auto& alternative) { writer(alternative); }, value);
}
template <class... Alternatives>
void load(WireReader& reader, std::variant<Alternatives...>& value) {
  const WireReader::Nested nested(reader);
  if (!nested.ok()) return;
  const std::size_t chosen = reader.take<std::uint8_t>();
  if (chosen >= sizeof...(Alternatives)) return reader.refuse("no such alternative");
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    static_cast<void>(((I == chosen && (reader(value.template emplace<I>()), true)) || ...));
  }(std::index_sequence_for<Alternatives...>{});
}

}  // namespace quorate::wire

CEREAL_SETUP_ARCHIVE_TRAITS(quorate::wire::WireReader, quorate::wire::WireWriter)

// Cereal brings functions of its own for enumerations, which check nothing; these say that ours are meant.
template <class Enum>
  requires std::is_enum_v<Enum>
struct cereal::specialize<quorate::wire::WireWriter, Enum, cereal::specialization::non_member_load_save> {};
template <class Enum>
  requires std::is_enum_v<Enum>
struct cereal::specialize<quorate::wire::WireReader, Enum, cereal::specialization::non_member_load_save> {};
