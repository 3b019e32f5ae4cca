#include "statemachine/sqlite/cell_origins.hpp"

#include <algorithm>
#include <utility>

#include <xxhash.h>

#include "statemachine/sqlite/btree_page.hpp"

namespace quorate::sqlite {
namespace {

/// A page with fewer cells is cheap to encode as it is.
constexpr std::size_t kCellsMin = 8;
/// A source counts from one in so many cells on.
constexpr std::size_t kShareMin = 4;
/// Of a cell; with its key, mostly.
constexpr std::size_t kCellBytesMax = 16;
constexpr std::size_t kChildBytes = 4;
constexpr std::size_t kSlotsMin = 1024;

/// What tells the cell at this offset from others: its first bytes, as far as it certainly reaches. Never 0.
std::uint32_t name_of(std::span<const std::byte> cell, BtreePageKind kind) {
  std::size_t size = 2 * kChildBytes;  // an interior cell of a table is a child and a rowid
  if (kind != BtreePageKind::kInteriorTable) {
    const std::size_t length_at = is_interior(kind) ? kChildBytes : 0;
    if (length_at >= cell.size()) return 1;
    size = length_at + 1 + std::to_integer<std::size_t>(cell[length_at]);  // a lower bound of longer lengths
  }
  size = std::min({size, cell.size(), kCellBytesMax});
  return static_cast<std::uint32_t>(XXH3_64bits(cell.data(), size)) | 1;
}

template <class Visit>
void for_each_cell(std::span<const std::byte> page, Visit&& visit) {
  const BtreePageKind kind = btree_page_kind(page);
  const CellPointers pointers = cell_pointers(page);
  for (std::size_t at = pointers.begin; at < pointers.end; at += kCellPointerBytes) {
    const std::size_t cell = big_endian_16(page, at);
    if (cell < page.size()) visit(name_of(page.subspan(cell), kind));
  }
}

}  // namespace

void CellOrigins::add(std::uint32_t source, std::span<const std::byte> page) {
  if (votes_.size() <= source) votes_.resize(source + 1);
  for_each_cell(page, [&](std::uint32_t cell) { insert(cell, source); });
}

void CellOrigins::clear() {
  if (used_ > 0) std::ranges::fill(slots_, Slot{});
  used_ = 0;
  votes_.clear();
}

std::optional<std::uint32_t> CellOrigins::find(std::span<const std::byte> page) {
  const std::size_t cells = cell_pointers(page).count();
  if (cells < kCellsMin || used_ == 0) return std::nullopt;
  std::ranges::fill(votes_, 0);
  for_each_cell(page, [&](std::uint32_t cell) {
    const Slot& slot = slots_[place_of(cell)];
    if (slot.cell != 0) ++votes_[slot.source];
  });
  const auto most = std::ranges::max_element(votes_);
  if (*most * kShareMin < cells) return std::nullopt;
  return static_cast<std::uint32_t>(most - votes_.begin());
}

std::size_t CellOrigins::place_of(std::uint32_t cell) const {
  std::size_t at = (cell >> 1) & (slots_.size() - 1);
  while (slots_[at].cell != 0 && slots_[at].cell != cell) at = (at + 1) & (slots_.size() - 1);
  return at;
}

void CellOrigins::insert(std::uint32_t cell, std::uint32_t source) {
  if (2 * used_ >= slots_.size()) grow();
  Slot& slot = slots_[place_of(cell)];
  if (slot.cell == 0) ++used_;
  slot = {cell, source};
}

void CellOrigins::grow() {
  const std::vector<Slot> before = std::exchange(slots_, std::vector<Slot>(std::max(kSlotsMin, 2 * slots_.size())));
  for (const Slot& slot : before)
    if (slot.cell != 0) slots_[place_of(slot.cell)] = slot;
}

}  // namespace quorate::sqlite
