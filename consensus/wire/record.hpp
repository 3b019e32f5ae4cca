// A struct of its own as a message between nodes or as stored bytes: what a peer or a disk gives back is any bytes
// whatever, and must begin with the format that is known. `T` is an aggregate that serialises itself and has a member
// `format`, which comes first. Pure functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "consensus/payload.hpp"
#include "consensus/result.hpp"
#include "consensus/wire/archive.hpp"

namespace quorate::wire {

template <class T>
[[nodiscard]] Payload write_record(T& record) {
  std::vector<std::byte> bytes;
  WireWriter{bytes}(record);
  return Payload::copy_of(bytes);
}

/// kCorrupt if the bytes are no such record, kUnsupported if they are one of another format.
template <class T>
[[nodiscard]] Result<T> read_record(std::span<const std::byte> bytes, std::uint8_t format) {
  T record;
  WireReader reader(bytes);
  reader(record);
  if (auto complete = reader.finish(); !complete) return tl::unexpected(complete.error());
  if (record.format != format) return fail(ErrorKind::kUnsupported, "it has a form that this build does not know");
  return record;
}

}  // namespace quorate::wire
