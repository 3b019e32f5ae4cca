// Where the cells of a page came from. When SQLite balances a b-tree, cells move between sibling pages, and siblings
// exchange their page numbers; a page may then have little in common with its own previous version, and nearly all of
// it with another page's.
//
// Cells are told apart by their first bytes: a wrong guess makes an encoding longer, and nothing else. Values only;
// what is found depends on nothing but the pages added and their order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace quorate::sqlite {

class CellOrigins {
 public:
  /// Remembers the cells of a page, as those of `source`.
  void add(std::uint32_t source, std::span<const std::byte> page);
  void clear();

  /// The source that has the most of the page's cells, if it has a good part of them.
  [[nodiscard]] std::optional<std::uint32_t> find(std::span<const std::byte> page);

 private:
  struct Slot {
    std::uint32_t cell = 0;  ///< 0: free
    std::uint32_t source = 0;
  };

  void insert(std::uint32_t cell, std::uint32_t source);
  void grow();
  /// Where the cell is, or would be.
  [[nodiscard]] std::size_t place_of(std::uint32_t cell) const;

  std::vector<Slot> slots_;  ///< open addressing; a power of two, at most half full
  std::size_t used_ = 0;
  std::vector<std::uint32_t> votes_;  ///< by source
};

}  // namespace quorate::sqlite
