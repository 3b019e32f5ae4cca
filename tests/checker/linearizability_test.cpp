// What the verdict is, told on histories small enough to judge by hand, and what a check does within its limits.
#include "sim/checker/linearizability.hpp"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "consensus/random.hpp"
#include "sim/checker/explanation.hpp"
#include "tests/checker/history_builder.hpp"

namespace quorate::checker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::HistoryBuilder;

Report judge(const HistoryBuilder& builder, const AnyModel& model = KeyValue{}, const CheckLimits& limits = {}) {
  const Result<Report> report = check(builder.history(), model, limits);
  EXPECT_TRUE(report.has_value()) << report.error().message;
  return report.value_or(Report{});
}

Verdict verdict(const HistoryBuilder& builder, const AnyModel& model = KeyValue{}) {
  return judge(builder, model).verdict;
}

TEST(Linearizability, AnEmptyHistoryIsLinearizable) { EXPECT_EQ(verdict(HistoryBuilder()), Verdict::kLinearizable); }

TEST(Linearizability, AReadSeesAnyWriteThatOverlapsIt) {
  EXPECT_EQ(verdict(HistoryBuilder().put({1, 4}, "x", 7).get({2, 3}, "x", 7)), Verdict::kLinearizable);
  EXPECT_EQ(verdict(HistoryBuilder().put({1, 4}, "x", 7).get({2, 3}, "x", nullptr)), Verdict::kLinearizable);
}

TEST(Linearizability, AReadNeverMissesAWriteThatReturnedBefore) {
  EXPECT_EQ(verdict(HistoryBuilder().put({1, 2}, "x", 7).get({3, 4}, "x", nullptr)), Verdict::kNotLinearizable);
}

TEST(Linearizability, TwoReadsNeverGoBack) {
  HistoryBuilder builder;
  builder.put({1, 9}, "x", 7).get({2, 3}, "x", 7).get({4, 5}, "x", nullptr);
  EXPECT_EQ(verdict(builder), Verdict::kNotLinearizable);
}

TEST(Linearizability, OperationsThatTouchInOneInstantAreConcurrent) {
  EXPECT_EQ(verdict(HistoryBuilder().put({1, 2}, "x", 7).get({2, 3}, "x", nullptr)), Verdict::kLinearizable);
}

TEST(Linearizability, AnUnknownOutcomeMayTakeEffectAtAnyTimeOrNever) {
  HistoryBuilder seen_late;
  seen_late.put({1}, "x", 7).get({5, 6}, "x", nullptr).get({8, 9}, "x", 7);
  EXPECT_EQ(verdict(seen_late), Verdict::kLinearizable);
  HistoryBuilder never;
  never.put({1}, "x", 7).get({5, 6}, "x", nullptr);
  EXPECT_EQ(verdict(never), Verdict::kLinearizable);
}

TEST(Linearizability, AnUnknownOutcomeTakesEffectOnceAndNotBeforeItsInvocation) {
  HistoryBuilder twice;
  twice.put({1}, "x", 7).get({2, 3}, "x", 7).put({4, 5}, "x", 8).get({6, 7}, "x", 7);
  EXPECT_EQ(verdict(twice), Verdict::kNotLinearizable);
  EXPECT_EQ(verdict(HistoryBuilder().get({1, 2}, "x", 7).put({3}, "x", 7)), Verdict::kNotLinearizable);
}

TEST(Linearizability, AnAppendOfUnknownOutcomeIsNoticedByLaterAppends) {
  HistoryBuilder builder;
  builder.append({1}, "x", "a").append({2, 3}, "x", "b").get({4, 5}, "x", "ab");
  EXPECT_EQ(verdict(builder), Verdict::kLinearizable);
}

TEST(Linearizability, KeysAreJudgedOneByOneUnlessATransactionTiesThem) {
  HistoryBuilder builder;
  builder.put({1, 2}, "x", 1).put({1, 2}, "y", 1);
  EXPECT_EQ(judge(builder).partitions, 2U);
  builder.add({3, 4}, {{Function::kRead, "x", nullptr, nullptr, 1}, {Function::kWrite, "y", 2}});
  EXPECT_EQ(judge(builder).partitions, 1U);
}

TEST(Linearizability, ATransactionTakesEffectAtOneInstant) {
  HistoryBuilder builder;
  builder.add({1, 10}, {{Function::kWrite, "x", 1}, {Function::kWrite, "y", 1}});
  builder.get({2, 3}, "x", 1);
  EXPECT_EQ(verdict(builder), Verdict::kLinearizable);
  builder.get({4, 5}, "y", nullptr);
  EXPECT_EQ(verdict(builder), Verdict::kNotLinearizable);
}

TEST(Linearizability, ARefusedOperationIsNoPartOfTheHistory) {
  HistoryBuilder builder;
  builder.put({1}, "x", 7);
  History history;
  history.values() = builder.history().values();
  Operation refused = builder.history()[0];
  refused.outcome = Outcome::kRefused;
  history.add(refused, builder.history().actions(0));
  HistoryBuilder read;
  const Action seen{.key = history.values().intern({std::string("x")}),
                    .result = history.values().intern({std::int64_t{7}})};
  history.add({.invoked = Time{2}, .returned = Time{3}, .outcome = Outcome::kOk}, {&seen, 1});
  EXPECT_EQ(check(history, KeyValue{})->verdict, Verdict::kNotLinearizable);
}

TEST(Linearizability, AnInitialValueIsWhatIsThereBeforeAnyWrite) {
  Register zero;
  zero.initial_value = {std::int64_t{0}};
  EXPECT_EQ(verdict(HistoryBuilder().get({1, 2}, nullptr, 0), zero), Verdict::kLinearizable);
  EXPECT_EQ(verdict(HistoryBuilder().get({1, 2}, nullptr, nullptr), zero), Verdict::kNotLinearizable);
}

TEST(Linearizability, WhatAModelDoesNotKnowIsAnError) {
  const Result<Report> report = check(HistoryBuilder().append({1, 2}, "x", "a").history(), Register{});
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().message, "operation 1: the model register knows get and put, not append");
}

// --- evidence ---

TEST(Violation, NamesTheFirstReturnThatNothingExplains) {
  HistoryBuilder builder;
  builder.put({1, 2}, "x", 1).put({3, 4}, "x", 2);
  builder.get({5, 8}, "x", 1);   // stale
  builder.get({6, 7}, "x", 2);   // returned earlier, and is right
  builder.get({9, 10}, "x", 5);  // never written, but later
  const Report report = judge(builder);
  ASSERT_TRUE(report.violation.has_value());
  EXPECT_TRUE(report.violation->is_first);
  EXPECT_EQ(report.violation->operation, 2U);
  EXPECT_THAT(report.violation->order, ElementsAre(0, 1, 3));
  EXPECT_THAT(report.violation->states, ElementsAre("2"));
  EXPECT_THAT(report.violation->in_flight, ElementsAre(2));
}

TEST(Violation, IsExplainedInWords) {
  HistoryBuilder builder;
  builder.put({1000000, 2000000}, "x", 1).put({3000000, 4500000}, "x", 2).get({5000000, 6000000}, "x", 1);
  builder.put({5000000}, "x", 3);
  const Report report = judge(builder);
  ASSERT_TRUE(report.violation.has_value());
  EXPECT_EQ(
      explain(builder.history(), *report.violation, TimeUnit::kNanoseconds),
      "No order of the operations explains this one together with all that returned before it:\n"
      "  operation 3, client 2: get \"x\" -> 1  [5.000 to 6.000 ms]\n"
      "A stale read: 1 was written by operation 1, client 0: put \"x\" = 1, which had returned before operation 2, "
      "client 1: put \"x\" = 2 was invoked, and that had returned before the read was.\n"
      "\n"
      "Without it there is an order, 2 operations long, ending:\n"
      "  operation 1, client 0: put \"x\" = 1  [1.000 to 2.000 ms]\n"
      "  operation 2, client 1: put \"x\" = 2  [3.000 to 4.500 ms]\n"
      "which leaves \"x\" = 2\n"
      "\n"
      "Invoked before it returned, and not in that order:\n"
      "  operation 3, client 2: get \"x\" -> 1  [5.000 to 6.000 ms]\n");
}

TEST(Violation, SaysWhereAnImpossibleValueMayComeFrom) {
  const auto words = [](const HistoryBuilder& builder) {
    return explain(builder.history(), judge(builder).violation.value(), TimeUnit::kEvents);
  };
  EXPECT_THAT(words(HistoryBuilder().put({1, 2}, "x", 1).get({3, 4}, "x", 9)),
              HasSubstr("No operation of the history that may have happened leaves 9."));
  EXPECT_THAT(words(HistoryBuilder().get({3, 4}, "x", 9).put({5, 6}, "x", 9)),
              HasSubstr("9 was written only after the read had returned: operation 2, client 1: put \"x\" = 9."));
}

// --- limits ---

/// Writes of different values, all of unknown outcome, whose effects two reads at the end leave open in very many ways,
/// none of which is right.
HistoryBuilder hopeless(int writes, const std::string& key) {
  HistoryBuilder builder;
  for (int write = 0; write < writes; ++write)
    builder.append({write}, key, std::string(1, static_cast<char>('a' + write)));
  builder.get({writes + 1, writes + 2}, key, std::string(static_cast<std::size_t>(writes), '?'));
  return builder;
}

/// Concurrent adds to a set that is read in the middle: no order is right, and there are exponentially many.
HistoryBuilder hard(int adds, int keys) {
  HistoryBuilder builder;
  for (int key = 0; key < keys; ++key) {
    for (int element = 0; element < adds; ++element) builder.add({element}, {{Function::kAdd, key, element}});
    builder.add({adds, adds + 1}, {{Function::kRead, key, nullptr, nullptr, std::vector<int>{-1}}});
  }
  return builder;
}

TEST(Limits, TooFewStepsAreNoVerdict) {
  const HistoryBuilder builder = hard(40, 1);
  const Report report = judge(builder, Set{}, {.steps_max = 200'000});
  EXPECT_EQ(report.verdict, Verdict::kUnknown);
  EXPECT_EQ(report.exhausted, Exhausted::kSteps);
  EXPECT_LE(report.steps, 200'000U + 1'000U);
  EXPECT_FALSE(report.violation.has_value());
  EXPECT_EQ(report.undecided.size(), 1U);
}

TEST(Limits, TooLittleMemoryIsNoVerdict) {
  const HistoryBuilder builder = hard(40, 2);
  const Report report = judge(builder, Set{}, {.memory_bytes_max = std::size_t{6} << 20});
  EXPECT_EQ(report.verdict, Verdict::kUnknown);
  EXPECT_EQ(report.exhausted, Exhausted::kMemory);
  EXPECT_LE(report.memory_bytes_peak, std::size_t{6} << 20);
  EXPECT_GT(report.memory_bytes_peak, std::size_t{4} << 20);
  EXPECT_EQ(report.undecided.size(), 2U);
}

TEST(Limits, TooLittleTimeIsNoVerdict) {
  const HistoryBuilder builder = hard(40, 1);
  int looks = 0;
  const Report report = judge(builder, Set{}, {.is_time_up = [&] { return ++looks > 50; }});
  EXPECT_EQ(report.verdict, Verdict::kUnknown);
  EXPECT_EQ(report.exhausted, Exhausted::kTime);
  EXPECT_EQ(looks, 51);
  EXPECT_LT(report.steps, 200'000U);
}

TEST(Limits, OneWrongKeyIsFoundAmongManyHardOnes) {
  HistoryBuilder builder = hard(40, 20);
  builder.add({1, 2}, {{Function::kRead, "wrong", nullptr, nullptr, std::vector<int>{1}}});
  const Report report = judge(builder, Set{});
  EXPECT_EQ(report.verdict, Verdict::kNotLinearizable);
  ASSERT_TRUE(report.violation.has_value());
  EXPECT_EQ(report.violation->operation, builder.history().size() - 1);
  EXPECT_LT(report.steps, 100'000U);
}

TEST(Limits, EnoughOfThemAreAsGoodAsNone) {
  const HistoryBuilder builder = hard(10, 1);
  const Report unlimited = judge(builder, Set{});
  const Report limited = judge(builder, Set{}, {.steps_max = unlimited.steps + 1});
  EXPECT_EQ(unlimited.verdict, Verdict::kNotLinearizable);
  EXPECT_EQ(limited.verdict, Verdict::kNotLinearizable);
  EXPECT_EQ(limited.steps, unlimited.steps);
}

// --- shortcuts that keep the usual histories easy ---

TEST(Shortcuts, UnknownWritesThatNobodyNoticesCostNothing) {
  HistoryBuilder builder;
  for (int write = 0; write < 1000; ++write) builder.put({write}, "x", write);
  builder.put({2000, 2001}, "x", -1).get({2002, 2003}, "x", -1);
  const Report report = judge(builder);
  EXPECT_EQ(report.verdict, Verdict::kLinearizable);
  EXPECT_LT(report.steps, 20U);
}

TEST(Shortcuts, UnknownWritesOfOneValueAreTriedInOneOrder) {
  HistoryBuilder builder;
  for (int write = 0; write < 30; ++write) builder.put({write}, "x", 1);
  for (int read = 0; read < 20; ++read) {
    const int now = 100 + read * 10;
    builder.get({now, now + 1}, "x", 1).put({now + 2, now + 3}, "x", 2);
  }
  EXPECT_EQ(verdict(builder), Verdict::kLinearizable);
  builder.get({1000, 1001}, "x", 3);
  const Report report = judge(builder);
  EXPECT_EQ(report.verdict, Verdict::kNotLinearizable);
  EXPECT_LT(report.steps, 10'000U);
}

TEST(Shortcuts, ReadsAreNeverTriedInMoreThanOneOrder) {
  HistoryBuilder builder;
  for (int read = 0; read < 60; ++read) builder.get({read, 1000 + read}, "x", nullptr);
  builder.get({500, 2000}, "x", 7);
  const Report report = judge(builder);
  EXPECT_EQ(report.verdict, Verdict::kNotLinearizable);
  EXPECT_LT(report.steps, 1'000U);
}

TEST(Shortcuts, AppendsAreTriedOnlyWhereAReadCanStillComeTrue) {
  const Report report = judge(hopeless(20, "x"));
  EXPECT_EQ(report.verdict, Verdict::kNotLinearizable);
  EXPECT_LT(report.steps, 10'000U);
}

}  // namespace
}  // namespace quorate::checker
