#include "consensus/log.hpp"

#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace quorate {
namespace {

Entry entry(std::uint64_t term, std::uint64_t index, std::size_t size = 0) {
  return {Term{term}, Index{index}, EntryKind::kCommand, LogTime{}, Payload::copy_of(std::string(size, 'x'))};
}

TEST(Log, AnEmptyLogEndsAtItsBase) {
  const Log log({Term{3}, Index{7}}, {});
  EXPECT_EQ(log.last(), (LogId{Term{3}, Index{7}}));
  EXPECT_EQ(log.term_at(Index{7}), Term{3});
  EXPECT_FALSE(log.term_at(Index{6}).has_value());
  EXPECT_FALSE(log.term_at(Index{8}).has_value());
  EXPECT_TRUE(log.matches({Term{3}, Index{7}}));
  EXPECT_FALSE(log.matches({Term{2}, Index{7}}));
}

TEST(Log, ASliceHasAtLeastOneEntryAndOtherwiseKeepsItsLimits) {
  const Log log({}, {entry(1, 1, 1000), entry(1, 2, 10), entry(1, 3, 10)});
  EXPECT_EQ(log.slice(Index{1}, 100, 10).size(), 1U);
  EXPECT_EQ(log.slice(Index{2}, 100, 10).size(), 2U);
  EXPECT_EQ(log.slice(Index{2}, 100, 1).size(), 1U);
  EXPECT_TRUE(log.slice(Index{4}, 100, 10).empty());
}

TEST(Log, FindsWhereTwoLogsMayStillAgree) {
  const Log log({}, {entry(1, 1), entry(1, 2), entry(4, 3), entry(4, 4), entry(5, 5)});
  EXPECT_EQ(log.last_at_most({Term{9}, Index{9}}).index, Index{5});
  EXPECT_EQ(log.last_at_most({Term{4}, Index{9}}).index, Index{4});
  EXPECT_EQ(log.last_at_most({Term{3}, Index{4}}).index, Index{2});
  EXPECT_EQ(log.last_at_most({Term{4}, Index{3}}).index, Index{3});
  EXPECT_EQ(log.last_at_most({Term{0}, Index{3}}).index, Index{0});
}

/// What a log must be equal to: all ids ever appended and not truncated, and how many of them are compacted away.
struct Reference {
  std::vector<Entry> entries;  // entries[i] has index i + 1
  std::size_t compacted = 0;

  LogId id_at(std::size_t index) const { return index == 0 ? LogId{} : entries[index - 1].id(); }
};

RC_GTEST_PROP(LogProperty, BehavesLikeAVectorUnderAnyOperations, ()) {
  Log log;
  Reference reference;
  const auto operations = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 100));
  for (const int operation : operations) {
    const std::size_t size = reference.entries.size();
    if (operation < 60) {
      const std::uint64_t term = log.last().term.value + static_cast<std::uint64_t>(operation % 3 == 0);
      const Entry next = entry(term, size + 1, static_cast<std::size_t>(operation));
      log.append(next);
      reference.entries.push_back(next);
    } else if (operation < 80) {
      const std::size_t keep = *rc::gen::inRange(reference.compacted, size + 1);
      log.truncate_after(Index{keep});
      reference.entries.resize(keep);
    } else {
      const std::size_t through = *rc::gen::inRange(reference.compacted, size + 1);
      log.compact(reference.id_at(through));
      reference.compacted = through;
    }
    RC_ASSERT(log.base() == reference.id_at(reference.compacted));
    RC_ASSERT(log.last() == reference.id_at(reference.entries.size()));
    std::size_t bytes = 0;
    for (std::size_t index = reference.compacted + 1; index <= reference.entries.size(); ++index) {
      RC_ASSERT(log.at(Index{index}) == reference.entries[index - 1]);
      bytes += entry_cost_bytes(reference.entries[index - 1]);
    }
    RC_ASSERT(log.bytes() == bytes);
  }
}

RC_GTEST_PROP(LogProperty, TheHintIsTheLastEntryWithinBothBounds, ()) {
  Log log;
  for (const int step : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 3))) {
    log.append(entry(log.last().term.value + static_cast<std::uint64_t>(step), log.last().index.value + 1));
  }
  const LogId bound{Term{*rc::gen::inRange<std::uint64_t>(0, 20)}, Index{*rc::gen::inRange<std::uint64_t>(0, 20)}};
  LogId expected;
  for (Index index{1}; index <= log.last().index; ++index) {
    if (index <= bound.index && log.at(index).term <= bound.term) expected = log.at(index).id();
  }
  RC_ASSERT(log.last_at_most(bound) == expected);
}

}  // namespace
}  // namespace quorate
