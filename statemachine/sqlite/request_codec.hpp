// Requests and responses as bytes: a request forwarded or remembered by its fingerprint, a response kept for whoever
// repeats the request. Numbers are varints unless a width is given; texts and blobs are preceded by their length.
//
//   request    u8 format (1) | u8 kind | u8 atomicity | count | statement...
//   statement  sql | u8 0: by position, 1: by name | count | (name, if by name | value)...
//   response   u8 format (1) | u8 failed | [error] | count | result...
//   result     u8 kind | u64 last_insert_rowid | u64 rows_affected
//              | kRows: column count | (name | declared type | table)... | row count | value...
//              | kError: error
//   error      u8 kind | u32 code | message
//   value      u8 tag | 1: u64 integer, 2: u64 bits of the real, 3: text, 4: blob
//
// What a request may take (its time, the size of its result) and what a response depends on are not part of either, nor
// is the time that a statement took.
//
// Decoding is safe on hostile bytes: what is allocated is bounded by what was given. Pure functions, any thread.
#pragma once

#include <cstddef>
#include <span>

#include "consensus/payload.hpp"
#include "consensus/result.hpp"
#include "statemachine/sqlite/request.hpp"

namespace quorate::sqlite {

[[nodiscard]] Payload encode(const Request& request);
/// kCorrupt if the bytes are no request, kUnsupported if a later release wrote them.
[[nodiscard]] Result<Request> decode_request(std::span<const std::byte> bytes);

[[nodiscard]] Payload encode(const Response& response);
[[nodiscard]] Result<Response> decode_response(std::span<const std::byte> bytes);

}  // namespace quorate::sqlite
