#include "consensus/progress.hpp"

#include <gtest/gtest.h>

namespace quorate {
namespace {

using namespace std::chrono_literals;

constexpr WindowLimits kLimits{.messages_max = 1000, .bytes_min = 1000, .bytes_max = 1'000'000};

/// Sends as much as the window allows and answers it one round trip later.
void one_round_trip(Progress& progress, Instant& now, Duration round_trip) {
  const Instant sent = now;
  while (progress.may_send(kLimits)) progress.sent(progress.next, 2000, sent);
  now += round_trip;
  progress.accepted(progress.next - 1, now, kLimits);
}

Progress replicating(Instant now) {
  Progress progress(Index{1}, now, kLimits);
  progress.sent(Index{0}, 0, now);
  progress.accepted(Index{0}, now, kLimits);
  return progress;
}

TEST(Progress, ProbesOneRequestAtATime) {
  Progress progress(Index{5}, Instant{}, kLimits);
  EXPECT_TRUE(progress.may_send(kLimits));
  progress.sent(Index{4}, 0, Instant{});
  EXPECT_FALSE(progress.may_send(kLimits));
  EXPECT_EQ(progress.next, Index{5});
  progress.accepted(Index{4}, Instant{}, kLimits);
  EXPECT_EQ(progress.state, Progress::State::kReplicate);
  EXPECT_EQ(progress.match, Index{4});
}

TEST(Progress, MatchNeverDecreases) {  // pitfall D6
  Progress progress = replicating(Instant{});
  progress.sent(Index{9}, 10, Instant{});
  progress.accepted(Index{9}, Instant{1ms}, kLimits);
  progress.accepted(Index{5}, Instant{2ms}, kLimits);
  EXPECT_EQ(progress.match, Index{9});
  EXPECT_EQ(progress.next, Index{10});
}

TEST(Progress, TheWindowGrowsToFillALongLink) {
  Instant now{};
  Progress progress = replicating(now);
  for (int trip = 0; trip < 20; ++trip) one_round_trip(progress, now, 100ms);
  EXPECT_EQ(progress.window_bytes(), kLimits.bytes_max);
  EXPECT_EQ(progress.round_trip(), 100ms);
}

TEST(Progress, TheWindowStaysWhenItIsNotTheLimit) {
  Instant now{};
  Progress progress = replicating(now);
  for (int trip = 0; trip < 20; ++trip) {
    progress.sent(progress.next, 100, now);
    now += 10ms;
    progress.accepted(progress.next - 1, now, kLimits);
  }
  EXPECT_EQ(progress.window_bytes(), kLimits.bytes_min);
}

TEST(Progress, TheWindowShrinksWhenQueuesBuildUpAndOnLoss) {
  Instant now{};
  Progress progress = replicating(now);
  for (int trip = 0; trip < 6; ++trip) one_round_trip(progress, now, 10ms);
  const std::size_t grown = progress.window_bytes();
  ASSERT_GT(grown, kLimits.bytes_min);
  for (int trip = 0; trip < 20; ++trip) one_round_trip(progress, now, 200ms);
  EXPECT_LT(progress.window_bytes(), grown);
  const std::size_t before_loss = progress.window_bytes();
  progress.lost(kLimits);
  EXPECT_EQ(progress.window_bytes(), std::max(before_loss / 2, kLimits.bytes_min));
  EXPECT_EQ(progress.next, progress.match + 1);
  EXPECT_EQ(progress.state, Progress::State::kProbe);
}

TEST(Progress, ARestartedMemberIsAskedAnewWhatItHas) {  // pitfall C21
  Progress progress = replicating(Instant{});
  progress.sent(Index{9}, 10, Instant{});
  progress.accepted(Index{9}, Instant{1ms}, kLimits);
  progress.restarted(Boot{2});
  EXPECT_EQ(progress.match, Index{0});
  EXPECT_EQ(progress.state, Progress::State::kProbe);
}

}  // namespace
}  // namespace quorate
