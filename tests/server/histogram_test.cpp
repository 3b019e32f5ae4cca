#include "server/bench/histogram.hpp"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "consensus/random.hpp"

namespace quorate::bench {
namespace {

TEST(Histogram, NothingRecordedIsZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.quantile(0.5).count(), 0);
  EXPECT_EQ(histogram.mean().count(), 0);
}

TEST(Histogram, QuantilesAreWithinTwoPercentOfTheSortedValues) {
  Random random(42);
  Histogram histogram;
  std::vector<std::int64_t> values;
  for (int i = 0; i < 20000; ++i) {
    const auto value = static_cast<std::int64_t>(random.next() >> random.between(std::uint64_t{20}, std::uint64_t{60}));
    values.push_back(value);
    histogram.record(std::chrono::nanoseconds(value));
  }
  std::ranges::sort(values);
  for (const double share : {0.0, 0.1, 0.5, 0.9, 0.99, 0.999}) {
    const auto exact = static_cast<double>(values[static_cast<std::size_t>(share * 20000)]);
    EXPECT_NEAR(static_cast<double>(histogram.quantile(share).count()), exact, exact * 0.02 + 1) << share;
  }
  EXPECT_EQ(histogram.quantile(1.0).count(), values.back());
  EXPECT_EQ(histogram.max().count(), values.back());
  EXPECT_EQ(histogram.count(), 20000U);
}

}  // namespace
}  // namespace quorate::bench
