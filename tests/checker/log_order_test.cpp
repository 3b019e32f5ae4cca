// The order of the log as a witness: when it proves a history right, when it is wrong itself, when it says too little.
#include "sim/checker/log_order.hpp"

#include <gtest/gtest.h>

#include "tests/checker/history_builder.hpp"

namespace quorate::checker {
namespace {

using testing::HistoryBuilder;
using Answer = LogOrder::Answer;

LogOrder log_order(const HistoryBuilder& builder) {
  const Result<LogOrder> order = check_log_order(builder.history(), KeyValue{});
  EXPECT_TRUE(order.has_value());
  return order.value_or(LogOrder{});
}

TEST(LogOrder, ConfirmsWhatItExplains) {
  HistoryBuilder builder;
  builder.at(2).put({1, 9}, "x", 2).at(1).put({1, 9}, "x", 1).at(2).get({8, 9}, "x", 2).at(1).get({2, 3}, "x", 1);
  EXPECT_EQ(log_order(builder).answer, Answer::kConfirms);
}

TEST(LogOrder, ContradictsAnAnswerThatDoesNotFollow) {
  const LogOrder order = log_order(HistoryBuilder().at(1).put({1, 9}, "x", 1).at(2).get({2, 3}, "x", nullptr));
  EXPECT_EQ(order.answer, Answer::kContradicts);
  EXPECT_EQ(order.reason, "operation 2, client 1: get \"x\" -> nil: where the log puts it, \"x\" is 1");
}

TEST(LogOrder, ContradictsAnOrderThatTimeForbids) {
  const LogOrder order = log_order(HistoryBuilder().at(2).put({1, 2}, "x", 1).at(1).put({3, 4}, "y", 1));
  EXPECT_EQ(order.answer, Answer::kContradicts);
  EXPECT_EQ(
      order.reason,
      "operation 1, client 0: put \"x\" = 1: had returned before operation 2, client 1: put \"y\" = 1 was invoked, "
      "and the log puts it behind");
  EXPECT_EQ(log_order(HistoryBuilder().at(2).put({1, 3}, "x", 1).at(1).put({3, 4}, "y", 1)).answer, Answer::kConfirms);
}

TEST(LogOrder, ReadsAtOneIndexNeedNoOrderAmongThemselves) {
  HistoryBuilder builder;
  builder.at(1).put({1, 2}, "x", 1).at(1).get({6, 7}, "x", 1).at(1).get({3, 4}, "x", 1);
  EXPECT_EQ(log_order(builder).answer, Answer::kConfirms);
}

TEST(LogOrder, IsSilentWhereIndexesAreMissingOrShared) {
  EXPECT_EQ(log_order(HistoryBuilder().at(1).put({1, 2}, "x", 1).put({1, 2}, "x", 1).put({1, 2}, "y", 1)).reason,
            "operation 2 has no log index");
  EXPECT_EQ(log_order(HistoryBuilder().at(1).put({1, 2}, "x", 1).at(1).put({1, 2}, "x", 1)).reason,
            "operation 1 and operation 2 share log index 1, so that their order is not known");
}

TEST(LogOrder, FindsAPlaceForOneOperationWithoutAnIndex) {
  const auto with_put_at = [](int invoked, int returned) {
    HistoryBuilder builder;
    builder.at(1).put({1, 2}, "x", 1).at(2).get({3, 4}, "x", 1).at(3).get({5, 6}, "x", 7).at(4).put({7, 8}, "x", 2);
    return log_order(builder.put({invoked, returned}, "x", 7));
  };
  EXPECT_EQ(with_put_at(1, 9).answer, Answer::kConfirms);
  EXPECT_EQ(with_put_at(4, 6).answer, Answer::kConfirms);
  EXPECT_EQ(with_put_at(1, 2).answer, Answer::kSilent);  // not before it was seen for the first time
  EXPECT_EQ(with_put_at(7, 9).answer, Answer::kSilent);
}

TEST(LogOrder, IsSilentWhereAnUnplacedOperationMayBeTheReason) {
  HistoryBuilder builder;
  builder.put({1}, "x", 7).at(1).get({2, 3}, "x", 7);
  EXPECT_EQ(log_order(builder).answer, Answer::kSilent);
  builder.at(2).get({2, 3}, "y", nullptr);
  EXPECT_EQ(log_order(HistoryBuilder().put({1}, "x", 7).at(1).get({2, 3}, "x", nullptr)).answer, Answer::kConfirms);
}

TEST(LogOrder, LeavesOutWhatSawNothing) {
  EXPECT_EQ(log_order(HistoryBuilder().at(1).put({1, 2}, "x", 1).get({1}, "x").get({1, 2}, "x")).answer,
            Answer::kConfirms);
}

}  // namespace
}  // namespace quorate::checker
