#include "statemachine/sqlite/page_codec.hpp"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace quorate::sqlite {
namespace {

using Bytes = std::vector<std::byte>;

/// Bytes without any pattern, from one drawn number: drawing every byte would take long and shrink badly.
Bytes noise_page(std::uint64_t seed, std::size_t size) {
  Bytes page(size);
  for (std::byte& byte : page) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    byte = static_cast<std::byte>(seed >> 56);
  }
  return page;
}
Bytes random_page(std::size_t size) { return noise_page(*rc::gen::arbitrary<std::uint64_t>(), size); }

/// A page that differs from `page` in a few places, as a transaction leaves it.
Bytes touched(Bytes page) {
  const auto changes = *rc::gen::inRange(0, 20);
  for (int i = 0; i < changes; ++i) {
    const auto at = *rc::gen::inRange<std::size_t>(0, page.size());
    const auto length = *rc::gen::inRange<std::size_t>(0, 64);
    for (std::size_t k = at; k < std::min(page.size(), at + length); ++k) page[k] ^= std::byte{0x5A};
  }
  return page;
}

RC_GTEST_PROP(PageCodec, ReturnsWhatWasEncoded, ()) {
  const auto size = *rc::gen::element<std::size_t>(512, 4096);
  const Bytes previous = *rc::gen::arbitrary<bool>() ? Bytes(size) : random_page(size);
  const auto change = *rc::gen::inRange(0, 3);
  const Bytes current = change == 0 ? Bytes(size) : change == 1 ? touched(previous) : random_page(size);
  PageCodec codec;
  const PageCodec::Encoded encoded = codec.encode(previous, current);
  RC_TAG(static_cast<int>(encoded.encoding));
  RC_ASSERT(encoded.body.size() <= size);

  const Result<PageImage> decoded = codec.decode(encoded.encoding, encoded.body, previous);
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(std::ranges::equal(bytes_of(*decoded, *PageSize::of(size)), current));
}

RC_GTEST_PROP(PageCodec, SurvivesHostileBodies, ()) {
  const Bytes previous = random_page(512);
  const auto encoding = static_cast<PageEncoding>(*rc::gen::inRange(0, static_cast<int>(kLastPageEncoding) + 1));
  PageCodec codec;
  const Bytes page = random_page(512);
  const PageCodec::Encoded honest = codec.encode(previous, page);
  Bytes body(honest.body.begin(), honest.body.end());
  const auto flips = *rc::gen::inRange(0, 4);
  for (int i = 0; i < flips && !body.empty(); ++i) {
    body[*rc::gen::inRange<std::size_t>(0, body.size())] = static_cast<std::byte>(*rc::gen::arbitrary<std::uint8_t>());
  }
  body.resize(*rc::gen::inRange<std::size_t>(0, body.size() + 20));

  const auto others = [&](PageNumber) -> Result<PageImage> { return PageImage::copy_of(previous); };
  const Result<PageImage> decoded = codec.decode(encoding, body, previous, others);
  if (decoded) {
    RC_ASSERT(decoded->empty() || decoded->size() == 512U);
  } else {
    RC_ASSERT(decoded.error().kind == ErrorKind::kCorrupt);
  }
}

TEST(PageCodec, ChoosesTheEncodingThatFitsTheChange) {
  PageCodec codec;
  const Bytes zeros(4096);
  Bytes patterned(4096);
  for (std::size_t i = 0; i < patterned.size(); ++i) patterned[i] = static_cast<std::byte>(i * i / 7);
  Bytes one_changed = patterned;
  one_changed[100] ^= std::byte{1};
  Bytes shifted(4096);
  std::rotate_copy(patterned.begin(), patterned.begin() + 5, patterned.end(), shifted.begin());

  EXPECT_EQ(codec.encode(patterned, zeros).encoding, PageEncoding::kZero);
  const PageCodec::Encoded changed = codec.encode(patterned, one_changed);
  EXPECT_EQ(changed.encoding, PageEncoding::kChanges);
  EXPECT_EQ(changed.body.size(), 3U) << "one skip, one length, one byte";
  const PageCodec::Encoded moved = codec.encode(patterned, shifted);
  EXPECT_EQ(moved.encoding, PageEncoding::kZstd);
  EXPECT_LT(moved.body.size(), 100U) << "the shifted page should be found in the previous version";
}

TEST(PageCodec, KeepsWhatCannotBeCompressed) {
  PageCodec codec;
  const Bytes zeros(4096);
  const Bytes noise = noise_page(1, 4096);
  const PageCodec::Encoded encoded = codec.encode(zeros, noise);
  EXPECT_EQ(encoded.encoding, PageEncoding::kFull);
  EXPECT_EQ(encoded.body.size(), 4096U);
}

TEST(PageCodec, NamesCellPointersThatMovedInsteadOfRepeatingThem) {
  PageCodec codec;
  Bytes previous = noise_page(7, 4096);
  // A leaf of an index with 400 cells.
  previous[0] = std::byte{0x0A};
  previous[3] = std::byte{400 >> 8};
  previous[4] = std::byte{400 & 0xFF};
  const auto insert = [](Bytes& page, std::ptrdiff_t at) {
    page.insert(page.begin() + at, 2, std::byte{0xEE});
    page.erase(page.begin() + 808, page.begin() + 810);
  };
  const auto remove = [](Bytes& page, std::ptrdiff_t at) {
    page.insert(page.begin() + 808, 2, std::byte{0xEE});
    page.erase(page.begin() + at, page.begin() + at + 2);
  };
  Bytes inserted = previous;
  insert(inserted, 100);
  Bytes deleted = previous;
  remove(deleted, 100);
  Bytes many = previous;
  for (const std::ptrdiff_t at : {100, 102, 300, 500, 600}) insert(many, at);
  Bytes far = previous;
  for (int i = 0; i < 50; ++i) remove(far, 20);
  for (const Bytes& current : {inserted, deleted, many, far}) {
    const PageCodec::Encoded encoded = codec.encode(previous, current);
    EXPECT_EQ(encoded.encoding, PageEncoding::kChanges);
    EXPECT_LT(encoded.body.size(), 130U);
    const Result<PageImage> decoded = codec.decode(encoded.encoding, encoded.body, previous);
    ASSERT_TRUE(decoded.has_value());
    EXPECT_TRUE(std::ranges::equal(decoded->bytes(), current));
  }
}

TEST(PageCodec, RefusesChangesThatLeaveThePage) {
  PageCodec codec;
  const Bytes previous(512);
  const auto decode = [&](std::initializer_list<int> body) {
    Bytes bytes;
    for (int value : body) bytes.push_back(static_cast<std::byte>(value));
    return codec.decode(PageEncoding::kChanges, bytes, previous).has_value();
  };
  EXPECT_TRUE(decode({}));
  EXPECT_TRUE(decode({0xFF, 0x03, 2, 7})) << "the last byte of the page";
  EXPECT_FALSE(decode({0x80, 0x04, 2, 7})) << "one byte behind the page";
  EXPECT_FALSE(decode({0, 4, 7})) << "more bytes than the body has";
  EXPECT_FALSE(decode({0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 0})) << "a skip of 2^64 - 1";
  EXPECT_FALSE(decode({0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02, 0})) << "a varint of 65 bits";
  EXPECT_FALSE(decode({5})) << "a skip without a length";
  EXPECT_TRUE(decode({2, 3, 0xFE})) << "one byte from two before";
  EXPECT_FALSE(decode({1, 3, 0xFE})) << "one byte from before the page";
  EXPECT_FALSE(decode({0, 0x81, 0x08, 1})) << "512 bytes from one behind the page's first";
  EXPECT_FALSE(decode({0, 0x83, 0x08, 0})) << "513 bytes";
  EXPECT_FALSE(decode({0, 3})) << "a move without a shift";
}

// --- Pages that explain each other ---

/// Pages of one database, before and after a transaction.
struct Pages {
  std::vector<Bytes> previous;
  std::vector<Bytes> current;

  struct Stored {
    PageEncoding encoding;
    Bytes body;
  };
  [[nodiscard]] std::vector<Stored> encode(PageCodec& codec) const {
    std::vector<ChangedPage> changes;
    for (std::size_t i = 0; i < previous.size(); ++i)
      changes.push_back({PageNumber{i + 1}, PageHash{}, previous[i], current[i]});
    std::vector<Stored> stored;
    codec.encode(changes, [&](const ChangedPage& page, const PageCodec::Encoded& encoded) {
      EXPECT_EQ(page.page, PageNumber{stored.size() + 1}) << "in order";
      stored.push_back({encoded.encoding, Bytes(encoded.body.begin(), encoded.body.end())});
    });
    return stored;
  }
  [[nodiscard]] PageCodec::OtherPages others() const {
    return [this](PageNumber page) -> Result<PageImage> {
      if (page.value > previous.size()) return PageImage{};
      return PageImage::copy_of(previous[page.value - 1]);
    };
  }
  [[nodiscard]] bool come_back(PageCodec& codec, const std::vector<Stored>& stored) const {
    for (std::size_t i = 0; i < stored.size(); ++i) {
      const auto decoded = codec.decode(stored[i].encoding, stored[i].body, previous[i], others());
      if (!decoded || !std::ranges::equal(bytes_of(*decoded, *PageSize::of(current[i].size())), current[i]))
        return false;
    }
    return stored.size() == current.size();
  }
};

/// A leaf of an index with these cells of 16 bytes, laid out as SQLite fills an empty page.
Bytes leaf_of(const std::vector<Bytes>& cells) {
  Bytes page(4096);
  page[0] = std::byte{0x0A};
  page[3] = static_cast<std::byte>(cells.size() >> 8);
  page[4] = static_cast<std::byte>(cells.size() & 0xFF);
  std::size_t content = page.size();
  for (std::size_t i = 0; i < cells.size(); ++i) {
    content -= cells[i].size();
    std::ranges::copy(cells[i], page.begin() + static_cast<std::ptrdiff_t>(content));
    page[8 + 2 * i] = static_cast<std::byte>(content >> 8);
    page[9 + 2 * i] = static_cast<std::byte>(content & 0xFF);
  }
  return page;
}

std::vector<Bytes> cells_of(std::uint64_t seed, std::size_t count) {
  const Bytes noise = noise_page(seed, count * 16);
  std::vector<Bytes> cells;
  for (std::size_t i = 0; i < count; ++i) {
    const auto at = noise.begin() + static_cast<std::ptrdiff_t>(16 * i);
    cells.emplace_back(at, at + 16);
    cells.back()[0] = std::byte{15};  // the length of the payload
  }
  return cells;
}

TEST(PageCodec, NamesThePageWhosePlaceAnotherOneTook) {
  const Bytes left = leaf_of(cells_of(1, 180));
  const Bytes right = leaf_of(cells_of(2, 180));
  Bytes right_with_a_change = right;
  right_with_a_change[2000] ^= std::byte{1};
  const Pages pages{.previous = {left, right}, .current = {right_with_a_change, left}};
  PageCodec codec;
  const auto stored = pages.encode(codec);
  for (const auto& page : stored) {
    EXPECT_EQ(page.encoding, PageEncoding::kChangesOfAnother);
    EXPECT_LT(page.body.size(), 10U);
  }
  EXPECT_TRUE(pages.come_back(codec, stored));
}

TEST(PageCodec, CompressesAPageThatTookCellsWithThePageTheyCameFrom) {
  const std::vector<Bytes> cells = cells_of(3, 200);
  // Every other cell, so that nothing is where it was.
  std::vector<Bytes> kept;
  std::vector<Bytes> moved;
  for (std::size_t i = 0; i < cells.size(); ++i) (i % 2 == 0 ? kept : moved).push_back(cells[i]);
  const Pages pages{.previous = {leaf_of(cells), Bytes(4096)}, .current = {leaf_of(kept), leaf_of(moved)}};
  PageCodec codec;
  const auto stored = pages.encode(codec);
  EXPECT_EQ(stored[1].encoding, PageEncoding::kZstdOfAnother);
  EXPECT_LT(stored[1].body.size(), codec.encode(pages.previous[1], pages.current[1]).body.size() / 2);
  EXPECT_TRUE(pages.come_back(codec, stored));
}

TEST(PageCodec, LooksForOriginsOnlyWhereTheyHelp) {
  const Bytes page = leaf_of(cells_of(4, 180));
  Bytes changed = page;
  changed[3000] ^= std::byte{1};
  const Bytes news = leaf_of(cells_of(5, 180));
  const Pages pages{.previous = {page, Bytes(4096)}, .current = {changed, news}};
  PageCodec codec;
  const auto stored = pages.encode(codec);
  EXPECT_EQ(stored[0].encoding, PageEncoding::kChanges);
  EXPECT_NE(stored[1].encoding, PageEncoding::kZstdOfAnother) << "cells that are new come from nowhere";
  EXPECT_TRUE(pages.come_back(codec, stored));
}

RC_GTEST_PROP(PageCodec, ReturnsWhatWasEncodedTogether, ()) {
  Pages pages;
  const auto count = *rc::gen::inRange<std::size_t>(1, 6);
  for (std::size_t i = 0; i < count; ++i) {
    const bool is_leaf = *rc::gen::arbitrary<bool>();
    pages.previous.push_back(is_leaf ? leaf_of(cells_of(*rc::gen::arbitrary<std::uint64_t>(), 150))
                                     : touched(random_page(4096)));
  }
  for (std::size_t i = 0; i < count; ++i)
    pages.current.push_back(touched(pages.previous[*rc::gen::inRange<std::size_t>(0, count)]));
  PageCodec codec;
  const auto stored = pages.encode(codec);
  for (const auto& page : stored) {
    RC_TAG(static_cast<int>(page.encoding));
    RC_ASSERT(page.body.size() <= 4096U);
  }
  RC_ASSERT(pages.come_back(codec, stored));
}

TEST(PageCodec, RefusesReferencesToNoPage) {
  PageCodec codec;
  const Bytes previous(512);
  const Pages pages{.previous = {previous}, .current = {previous}};
  for (const PageEncoding encoding : {PageEncoding::kChangesOfAnother, PageEncoding::kZstdOfAnother}) {
    for (const Bytes& body : {Bytes{}, Bytes{std::byte{0}}, Bytes{std::byte{0x80}}, Bytes(5, std::byte{0xFF})}) {
      const auto decoded = codec.decode(encoding, body, previous, pages.others());
      ASSERT_FALSE(decoded.has_value());
      EXPECT_EQ(decoded.error().kind, ErrorKind::kCorrupt);
    }
  }
  const Bytes first{std::byte{1}};
  EXPECT_TRUE(codec.decode(PageEncoding::kChangesOfAnother, first, previous, pages.others()).has_value());
  EXPECT_FALSE(codec.decode(PageEncoding::kChangesOfAnother, first, previous).has_value()) << "a database of one page";
}

}  // namespace
}  // namespace quorate::sqlite
