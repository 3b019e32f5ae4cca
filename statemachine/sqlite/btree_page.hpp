// As much of SQLite's file format as page encodings need: which pages are b-tree pages, and where their cells are
// (https://www.sqlite.org/fileformat2.html, section 1.6). Of any bytes: what looks like a b-tree page may be none, and
// every offset that is handed out lies within the page.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "statemachine/sqlite/database_header.hpp"

namespace quorate::sqlite {

enum class BtreePageKind : std::uint8_t {
  kNone = 0,
  kInteriorIndex = 0x02,
  kInteriorTable = 0x05,
  kLeafIndex = 0x0A,
  kLeafTable = 0x0D,
};

/// The first page of a database begins with the database's own header and is none here.
[[nodiscard]] inline BtreePageKind btree_page_kind(std::span<const std::byte> page) {
  switch (const auto kind = static_cast<BtreePageKind>(page[0])) {
    case BtreePageKind::kInteriorIndex:
    case BtreePageKind::kInteriorTable:
    case BtreePageKind::kLeafIndex:
    case BtreePageKind::kLeafTable: return kind;
    case BtreePageKind::kNone: break;
  }
  return BtreePageKind::kNone;
}

[[nodiscard]] inline bool is_interior(BtreePageKind kind) {
  return kind == BtreePageKind::kInteriorIndex || kind == BtreePageKind::kInteriorTable;
}

inline constexpr std::size_t kCellPointerBytes = 2;

/// The array of cell pointers, as offsets in the page; empty if it is no b-tree page.
struct CellPointers {
  std::size_t begin = 0;
  std::size_t end = 0;

  [[nodiscard]] std::size_t count() const { return (end - begin) / kCellPointerBytes; }
};

[[nodiscard]] inline CellPointers cell_pointers(std::span<const std::byte> page) {
  const BtreePageKind kind = btree_page_kind(page);
  if (kind == BtreePageKind::kNone) return {};
  const std::size_t begin = is_interior(kind) ? 12 : 8;
  const std::size_t room = (page.size() - begin) / kCellPointerBytes;
  return {begin, begin + kCellPointerBytes * std::min<std::size_t>(big_endian_16(page, 3), room)};
}

}  // namespace quorate::sqlite
