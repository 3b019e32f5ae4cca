// Values in the application's own binary formats: a tag and what it needs. Part of requests, responses and changes.
//
//   0 NULL | 1 u64 INTEGER | 2 u64 bits of a REAL | 3 string TEXT | 4 string BLOB
//
// Pure functions; reading is safe on hostile bytes.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "statemachine/sqlite/bytes.hpp"
#include "statemachine/sqlite/value.hpp"

namespace quorate::sqlite {

void put_null(ByteWriter& out);
void put_integer(ByteWriter& out, std::int64_t number);
void put_real(ByteWriter& out, double number);
void put_text(ByteWriter& out, std::string_view text);
void put_blob(ByteWriter& out, std::span<const std::byte> bytes);
void put_value(ByteWriter& out, const Value& value);

/// NULL once the reader has failed.
[[nodiscard]] Value take_value(ByteReader& in);

}  // namespace quorate::sqlite
