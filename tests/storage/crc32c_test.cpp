#include "consensus/wire/crc32c.hpp"

#include <string_view>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/storage/generators.hpp"

namespace quorate::wire {
namespace {

Crc32c of(std::string_view text) { return crc32c(std::as_bytes(std::span(text))); }

// RFC 3720, appendix B.4.
TEST(Crc32c, PublishedVectors) {
  EXPECT_EQ(of("123456789").value, 0xe3069283U);
  EXPECT_EQ(of(std::string_view("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 32)).value,
            0x8a9136aaU);
  EXPECT_EQ(of(std::string(32, '\xff')).value, 0x62a8ab43U);
  EXPECT_EQ(of("").value, 0U);
}

TEST(Crc32c, MaskingKeepsChecksumsApartFromTheirData) {
  EXPECT_NE(masked(of("123456789")), of("123456789").value);
  EXPECT_NE(masked(of("a")), masked(of("b")));
}

RC_GTEST_PROP(Crc32cProperty, AllImplementationsAgree, ()) {
  const auto bytes = quorate::testing::random_bytes(300);
  const auto skip = *rc::gen::inRange<std::size_t>(0, bytes.size() + 1);  // every alignment
  const auto seed = *rc::gen::arbitrary<std::uint32_t>();
  const auto size = bytes.size() - skip;
  const std::uint32_t by_tables = detail::crc32c_by_tables(seed, bytes.data() + skip, size);
  std::uint32_t by_bits = ~seed;
  for (std::size_t i = skip; i < bytes.size(); ++i) {
    by_bits ^= std::to_integer<std::uint32_t>(bytes[i]);
    for (int bit = 0; bit < 8; ++bit) by_bits = (by_bits >> 1) ^ ((by_bits & 1) != 0 ? 0x82f63b78U : 0U);
  }
  RC_ASSERT(by_tables == ~by_bits);
  RC_ASSERT(crc32c(std::span(bytes).subspan(skip), Crc32c{seed}).value == by_tables);
  if (const auto by_instruction = detail::crc32c_by_instruction()) {
    RC_ASSERT(by_instruction(seed, bytes.data() + skip, size) == by_tables);
  }
}

RC_GTEST_PROP(Crc32cProperty, ContinuesWhereItStopped, ()) {
  const auto bytes = quorate::testing::random_bytes(300);
  const auto cut = *rc::gen::inRange<std::size_t>(0, bytes.size() + 1);
  const std::span<const std::byte> whole(bytes);
  RC_ASSERT(crc32c(whole.subspan(cut), crc32c(whole.first(cut))) == crc32c(whole));
}

RC_GTEST_PROP(Crc32cProperty, FindsEveryFlippedBit, ()) {
  auto bytes = quorate::testing::random_bytes(300);
  RC_PRE(!bytes.empty());
  const Crc32c before = crc32c(bytes);
  bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] ^= std::byte{1} << *rc::gen::inRange(0, 8);
  RC_ASSERT(crc32c(bytes) != before);
}

}  // namespace
}  // namespace quorate::wire
