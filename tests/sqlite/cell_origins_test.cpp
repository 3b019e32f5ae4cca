#include "statemachine/sqlite/cell_origins.hpp"

#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "statemachine/sqlite/btree_page.hpp"

namespace quorate::sqlite {
namespace {

using Bytes = std::vector<std::byte>;

/// A leaf of a table with cells of ten bytes, one for each of the rowids (below 128).
Bytes leaf_with(const std::vector<int>& rowids) {
  Bytes page(1024);
  page[0] = std::byte{0x0D};
  page[4] = static_cast<std::byte>(rowids.size());
  std::size_t content = page.size();
  for (std::size_t i = 0; i < rowids.size(); ++i) {
    content -= 10;
    page[content] = std::byte{8};
    page[content + 1] = static_cast<std::byte>(rowids[i]);
    page[8 + 2 * i] = static_cast<std::byte>(content >> 8);
    page[9 + 2 * i] = static_cast<std::byte>(content & 0xFF);
  }
  return page;
}

std::vector<int> range(int from, int to) {
  std::vector<int> numbers;
  for (int i = from; i < to; ++i) numbers.push_back(i);
  return numbers;
}

TEST(BtreePage, HasItsCellPointersBehindTheHeader) {
  Bytes page = leaf_with(range(0, 5));
  EXPECT_EQ(cell_pointers(page).begin, 8U);
  EXPECT_EQ(cell_pointers(page).count(), 5U);
  page[0] = std::byte{0x05};
  EXPECT_EQ(cell_pointers(page).begin, 12U) << "an interior page has a right-most child";
  page[3] = page[4] = std::byte{0xFF};
  EXPECT_LE(cell_pointers(page).end, page.size()) << "whatever the page says";
  page[0] = std::byte{'S'};
  EXPECT_EQ(cell_pointers(page).count(), 0U) << "the first page of a database";
}

TEST(CellOrigins, FindsThePageThatHadMostOfTheCells) {
  CellOrigins origins;
  EXPECT_EQ(origins.find(leaf_with(range(0, 20))), std::nullopt);
  origins.add(0, leaf_with(range(0, 20)));
  origins.add(1, leaf_with(range(20, 50)));
  EXPECT_EQ(origins.find(leaf_with(range(0, 20))), 0U);
  EXPECT_EQ(origins.find(leaf_with(range(15, 35))), 1U);
  EXPECT_EQ(origins.find(leaf_with(range(45, 75))), std::nullopt) << "five cells of thirty explain little";
  EXPECT_EQ(origins.find(leaf_with(range(20, 27))), std::nullopt) << "so few are cheap";
  origins.clear();
  EXPECT_EQ(origins.find(leaf_with(range(0, 20))), std::nullopt);
}

TEST(CellOrigins, HoldsManyPages) {
  CellOrigins origins;
  for (std::uint32_t source = 0; source < 300; ++source) {
    Bytes page = leaf_with(range(0, 60));
    for (std::size_t at = 8; at < 128; at += 2) {
      const std::size_t cell = big_endian_16(page, at);
      page[cell + 2] = static_cast<std::byte>(source & 0xFF);
      page[cell + 3] = static_cast<std::byte>(source >> 8);
    }
    origins.add(source, page);
    EXPECT_EQ(origins.find(page), source);
  }
}

RC_GTEST_PROP(CellOrigins, StaysWithinAnyPage, (std::uint64_t seed, bool is_table)) {
  Bytes page(512);
  for (std::byte& byte : page) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    byte = static_cast<std::byte>(seed >> 56);
  }
  page[0] = is_table ? std::byte{0x05} : std::byte{0x02};
  CellOrigins origins;
  origins.add(7, page);
  const auto found = origins.find(page);
  RC_ASSERT(found.value_or(7) == 7U);
}

}  // namespace
}  // namespace quorate::sqlite
