#include "consensus/wire/archive.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/storage/generators.hpp"

namespace quorate::wire {

enum class Fruit : std::uint8_t { kApple, kPear };
template <>
struct LastEnumerator<Fruit> {
  static constexpr Fruit value = Fruit::kPear;
};

/// Nests in itself, as nothing of ours does, to try the depth budget.
struct Matryoshka {
  std::vector<Matryoshka> inner;
};
template <class Archive>
void serialize(Archive& archive, Matryoshka& doll) {
  archive(doll.inner);
}

struct Everything {
  std::uint8_t small = 0;
  std::uint16_t medium = 0;
  std::uint32_t large = 0;
  std::uint64_t huge = 0;
  std::int64_t negative = 0;
  Term term;
  Fruit fruit = Fruit::kApple;
  std::string text;
  Payload payload;
  std::vector<std::uint32_t> numbers;
  std::optional<std::string> maybe;
  std::variant<std::uint64_t, std::string> either;

  friend bool operator==(const Everything&, const Everything&) = default;
};
template <class Archive>
void serialize(Archive& archive, Everything& all) {
  archive(all.small, all.medium, all.large, all.huge, all.negative, all.term, all.fruit, all.text, all.payload,
          all.numbers, all.maybe, all.either);
}

namespace {

using quorate::testing::random_bytes;

template <class T>
std::vector<std::byte> write(const T& value) {
  std::vector<std::byte> bytes;
  WireWriter writer(bytes);
  writer(value);
  return bytes;
}

template <class T>
Result<T> read(std::span<const std::byte> bytes, WireLimits limits = {}) {
  T value{};
  WireReader reader(bytes, limits);
  reader(value);
  if (auto complete = reader.finish(); !complete) return tl::unexpected(complete.error());
  return value;
}

std::vector<std::byte> bytes_of(std::initializer_list<int> numbers) {
  std::vector<std::byte> bytes;
  for (const int number : numbers) bytes.push_back(static_cast<std::byte>(number));
  return bytes;
}

Everything random_everything() {
  const auto text = random_bytes(30);
  Everything all{*rc::gen::arbitrary<std::uint8_t>(),
                 *rc::gen::arbitrary<std::uint16_t>(),
                 *rc::gen::arbitrary<std::uint32_t>(),
                 *rc::gen::arbitrary<std::uint64_t>(),
                 *rc::gen::arbitrary<std::int64_t>(),
                 quorate::testing::random_number<Term>(),
                 static_cast<Fruit>(*rc::gen::inRange(0, 2)),
                 std::string(reinterpret_cast<const char*>(text.data()), text.size()),
                 quorate::testing::random_payload(),
                 *rc::gen::arbitrary<std::vector<std::uint32_t>>(),
                 std::nullopt,
                 *rc::gen::arbitrary<std::uint64_t>()};
  if (*rc::gen::arbitrary<bool>()) all.maybe = *rc::gen::arbitrary<std::string>();
  if (*rc::gen::arbitrary<bool>()) all.either = *rc::gen::arbitrary<std::string>();
  return all;
}

TEST(Archive, BytesAreLittleEndianAndOfFixedWidth) {
  EXPECT_EQ(write(std::uint32_t{0x01020304}), bytes_of({4, 3, 2, 1}));
  EXPECT_EQ(write(Term{0x0102}), bytes_of({2, 1, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(write(std::int64_t{-2}), bytes_of({254, 255, 255, 255, 255, 255, 255, 255}));
  EXPECT_EQ(write(std::string("ab")), bytes_of({2, 0, 0, 0, 'a', 'b'}));
  EXPECT_EQ(write(Payload::absent()), bytes_of({255, 255, 255, 255}));
  EXPECT_EQ(write(std::optional<Fruit>(Fruit::kPear)), bytes_of({1, 1}));
  EXPECT_EQ((write(std::variant<std::uint8_t, Fruit>(Fruit::kApple))), bytes_of({1, 0}));
}

TEST(Archive, RefusesWhatNoWriterWrites) {
  EXPECT_FALSE(read<Fruit>(bytes_of({2})));
  EXPECT_FALSE(read<std::optional<Fruit>>(bytes_of({2, 0})));
  EXPECT_FALSE((read<std::variant<std::uint8_t, Fruit>>(bytes_of({2, 0}))));
  EXPECT_FALSE(read<std::uint16_t>(bytes_of({1})));
}

TEST(Archive, ReportsTheFirstProblemAndWhereItIs) {
  const auto cut = read<std::uint64_t>(bytes_of({1, 2, 3}));
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error(), (Error{ErrorKind::kCorrupt, "cut short at byte 0 of 3"}));
  const auto trailing = read<std::uint16_t>(bytes_of({1, 2, 3}));
  ASSERT_FALSE(trailing);
  EXPECT_EQ(trailing.error(), (Error{ErrorKind::kCorrupt, "unexpected bytes after the end at byte 2 of 3"}));
}

// A count is believed only if its elements can all be there, however small they are in memory or on the wire.
TEST(Archive, ForgedCountsAllocateNothing) {
  std::vector<std::byte> forged = bytes_of({0x80, 0xf0, 0xfa, 0x02});  // 50 million
  forged.resize(15'000);
  for (const auto& bytes : {forged, bytes_of({255, 255, 255, 255})}) {
    std::vector<std::uint64_t> numbers;
    WireReader reader(bytes);
    reader(numbers);
    EXPECT_FALSE(reader.finish());
    EXPECT_EQ(numbers.capacity(), 0U);
  }
  std::string text;
  WireReader reader(forged);
  reader(text);
  EXPECT_FALSE(reader.finish());
  EXPECT_TRUE(text.empty());
}

TEST(Archive, ElementsHaveABudgetAcrossAllVectors) {
  const auto bytes = write(std::vector<std::vector<std::uint8_t>>(10, std::vector<std::uint8_t>(10)));
  EXPECT_TRUE((read<std::vector<std::vector<std::uint8_t>>>(bytes, {.elements_max = 110})));
  EXPECT_FALSE((read<std::vector<std::vector<std::uint8_t>>>(bytes, {.elements_max = 109})));
}

TEST(Archive, DepthHasABudget) {
  Matryoshka doll;
  for (int i = 0; i < 10; ++i) {
    Matryoshka outer;
    outer.inner.push_back(std::move(doll));
    doll = std::move(outer);
  }
  const auto bytes = write(doll);
  EXPECT_TRUE(read<Matryoshka>(bytes, {.depth_max = 11}));
  EXPECT_FALSE(read<Matryoshka>(bytes, {.depth_max = 10}));
}

RC_GTEST_PROP(ArchiveProperty, RoundTrip, ()) {
  const Everything all = random_everything();
  const auto back = read<Everything>(write(all));
  RC_ASSERT(back.has_value());
  RC_ASSERT(*back == all);
}

RC_GTEST_PROP(ArchiveProperty, EveryPrefixIsRefused, ()) {
  const auto bytes = write(random_everything());
  const auto cut = *rc::gen::inRange<std::size_t>(0, bytes.size());
  RC_ASSERT(!read<Everything>(std::span(bytes).first(cut)).has_value());
}

// Whatever is accepted is exactly what writing it again gives: there is one encoding of each value.
RC_GTEST_PROP(ArchiveProperty, DamagedBytesAreRefusedOrCanonical, ()) {
  auto bytes = write(random_everything());
  const int damages = *rc::gen::inRange(1, 4);
  for (int i = 0; i < damages; ++i) {
    bytes[*rc::gen::inRange<std::size_t>(0, bytes.size())] = std::byte{*rc::gen::arbitrary<std::uint8_t>()};
  }
  const auto back = read<Everything>(bytes);
  if (back) RC_ASSERT(write(*back) == bytes);
}

RC_GTEST_PROP(ArchiveProperty, AnyBytesAreRefusedOrCanonical, ()) {
  const auto bytes = random_bytes(200);
  const auto back = read<Everything>(bytes);
  if (back) RC_ASSERT(write(*back) == bytes);
}

}  // namespace
}  // namespace quorate::wire
