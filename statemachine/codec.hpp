// Commands, replies and states of the applications as bytes, by the bounded archive. Include it in .cpp files only.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "consensus/payload.hpp"
#include "consensus/result.hpp"
#include "consensus/wire/archive.hpp"

namespace quorate {

template <class T>
[[nodiscard]] Payload encode_value(const T& value) {
  std::vector<std::byte> bytes;
  wire::WireWriter out(bytes);
  out(value);
  return Payload::copy_of(bytes);
}

/// kCorrupt unless `bytes` are exactly one encoded value.
template <class T>
[[nodiscard]] Result<T> decode_value(std::span<const std::byte> bytes) {
  // Every element takes at least one byte, so that the size of the input bounds their number.
  wire::WireReader in(bytes, {.elements_max = bytes.size()});
  T value;
  in(value);
  if (Result<void> read = in.finish(); !read) return tl::unexpected(read.error());
  return value;
}

}  // namespace quorate
