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
  const auto encoding = static_cast<PageEncoding>(*rc::gen::inRange(0, 4));
  PageCodec codec;
  const Bytes page = random_page(512);
  const PageCodec::Encoded honest = codec.encode(previous, page);
  Bytes body(honest.body.begin(), honest.body.end());
  const auto flips = *rc::gen::inRange(0, 4);
  for (int i = 0; i < flips && !body.empty(); ++i) {
    body[*rc::gen::inRange<std::size_t>(0, body.size())] = static_cast<std::byte>(*rc::gen::arbitrary<std::uint8_t>());
  }
  body.resize(*rc::gen::inRange<std::size_t>(0, body.size() + 20));

  const Result<PageImage> decoded = codec.decode(encoding, body, previous);
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

}  // namespace
}  // namespace quorate::sqlite
