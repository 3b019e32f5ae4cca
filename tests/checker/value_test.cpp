// Values, interned and derived, against plain texts and lists; and the tables under them.
#include "sim/checker/value.hpp"

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "consensus/random.hpp"

namespace quorate::checker {
namespace {

Value text(std::string value) { return {std::move(value)}; }
Value number(std::int64_t value) { return {value}; }

TEST(Values, GiveEqualValuesOneIdAndOthersAnother) {
  Values values;
  const std::vector<Value> different{
      text(""),          text("1"),        number(0),         number(1),
      number(-1),        {List{}},         {List{number(1)}}, {List{number(1), number(1)}},
      {List{text("1")}}, {List{{List{}}}}, {List{Value{}}}};
  std::set<ValueId> ids{kNil, kFalse, kTrue};
  for (const Value& value : different) {
    const ValueId id = values.intern(value);
    EXPECT_TRUE(ids.insert(id).second) << to_text(value);
    EXPECT_EQ(values.intern(value), id);
    EXPECT_EQ(values[id], value);
  }
  EXPECT_EQ(values.intern({}), kNil);
  EXPECT_EQ(values.intern({false}), kFalse);
  EXPECT_EQ(values.intern({true}), kTrue);
}

TEST(Values, CutLongTexts) {
  EXPECT_EQ(to_text(text("abc")), "\"abc\"");
  const std::string cut = to_text(text(std::string(500, 'a') + std::string(500, 'z')));
  EXPECT_LT(cut.size(), 100U);
  EXPECT_EQ(cut.substr(0, 3), "\"aa");
  EXPECT_EQ(cut.substr(cut.size() - 3), "zz\"");
}

RC_GTEST_PROP(DerivedValuesProperty, TextsGrowAsTextsDo, (const std::vector<std::string>& tails)) {
  Values values;
  std::vector<ValueId> ids;
  for (const std::string& tail : tails) ids.push_back(values.intern(text(tail)));
  std::string plain = "begin";
  const ValueId begin = values.intern(text(plain));
  std::string whole = plain;
  for (const std::string& tail : tails) whole += tail;
  const ValueId end = values.intern(text(whole));

  DerivedValues derived(values);
  ValueId grown = begin;
  for (const ValueId id : ids) {
    RC_ASSERT(derived.may_grow_into(grown, end));
    grown = derived.append(grown, id);
    plain += std::get<std::string>(values[id].data);
    RC_ASSERT(derived.value(grown) == text(plain));
    RC_ASSERT(derived.is_text(grown));
  }
  RC_ASSERT(grown == end);
}

RC_GTEST_PROP(DerivedValuesProperty, ListsGrowAsListsDo, (const std::vector<std::int64_t>& elements)) {
  Values values;
  List plain;
  for (const std::int64_t element : elements) plain.push_back(number(element));
  const ValueId begin = values.intern({List{}});
  std::vector<ValueId> ids;
  for (const Value& element : plain) ids.push_back(values.intern(element));
  const ValueId end = values.intern({plain});

  DerivedValues derived(values);
  ValueId grown = begin;
  for (const ValueId id : ids) {
    RC_ASSERT(derived.may_grow_into(grown, end));
    grown = derived.append(grown, id);
    RC_ASSERT(derived.is_list(grown));
  }
  RC_ASSERT(grown == end);
  RC_ASSERT(derived.append(grown, begin) == derived.append(grown, begin));
  RC_ASSERT(!derived.may_grow_into(derived.append(grown, begin), end));
}

TEST(DerivedValues, TellOrdersApartByWhatCameLast) {
  Values values;
  const ValueId a = values.intern(text("a"));
  const ValueId b = values.intern(text("b"));
  const ValueId target = values.intern(text("abc"));
  DerivedValues derived(values);
  EXPECT_TRUE(derived.may_grow_into(a, target));
  EXPECT_FALSE(derived.may_grow_into(b, target));
  EXPECT_TRUE(derived.may_grow_into(derived.append(a, b), target));
  EXPECT_FALSE(derived.may_grow_into(derived.append(b, a), target));
  EXPECT_FALSE(derived.may_grow_into(kNil, target));
}

TEST(DerivedValues, HoldValuesThatTheHistoryDoesNot) {
  Values values;
  const ValueId a = values.intern(text("a"));
  DerivedValues derived(values);
  EXPECT_EQ(derived.intern(text("a")), a);
  const ValueId empty = derived.intern(text(""));
  EXPECT_EQ(derived.intern(text("")), empty);
  EXPECT_EQ(derived.append(empty, a), a);
  EXPECT_EQ(derived.value(derived.append(derived.append(a, a), a)), text("aaa"));
}

RC_GTEST_PROP(FingerprintSetProperty, IsASet, ()) {
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  const auto count = *rc::gen::inRange(0, 100'000);
  Random random(seed);
  MemoryBudget budget(std::size_t{64} << 20);
  {
    FingerprintSet set(budget);
    std::set<std::uint64_t> plain;
    const std::uint64_t range = random.between(1, 1U << 20);
    for (int at = 0; at < count; ++at) {
      const std::uint64_t drawn = random.below(range);
      const bool is_new = plain.insert(drawn).second;
      const Fingerprint fingerprint = drawn == 0 ? Fingerprint{} : scramble(drawn);
      RC_ASSERT(set.insert(fingerprint) ==
                (is_new ? FingerprintSet::Insertion::kNew : FingerprintSet::Insertion::kKnown));
    }
  }
  RC_ASSERT(budget.reserve(std::size_t{64} << 20));
}

TEST(FingerprintSet, StaysWithinItsBudget) {
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1000}, std::size_t{3} << 20, std::size_t{7} << 20}) {
    MemoryBudget budget(bytes);
    FingerprintSet set(budget);
    std::uint64_t inserted = 0;
    while (set.insert(scramble(inserted)) == FingerprintSet::Insertion::kNew) ++inserted;
    EXPECT_LE(budget.peak(), bytes);
    EXPECT_GE((inserted + 16) * sizeof(Fingerprint) * 4, bytes) << "so much memory for so little";
    for (std::uint64_t at = 0; at < inserted; ++at) {
      ASSERT_EQ(set.insert(scramble(at)), FingerprintSet::Insertion::kKnown);
    }
  }
}

TEST(FingerprintIndex, NumbersInOrder) {
  FingerprintIndex index;
  for (std::uint32_t at = 0; at < 10'000; ++at) {
    EXPECT_FALSE(index.find(scramble(at)).has_value());
    const auto [number, is_new] = index.insert(scramble(at));
    ASSERT_TRUE(is_new);
    ASSERT_EQ(number, at);
  }
  for (std::uint32_t at = 0; at < 10'000; ++at) {
    ASSERT_EQ(index.find(scramble(at)), at);
    ASSERT_FALSE(index.insert(scramble(at)).is_new);
    ASSERT_EQ(index[at], scramble(at));
  }
}

}  // namespace
}  // namespace quorate::checker
