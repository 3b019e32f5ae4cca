#include "sim/clock.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace quorate::sim {
namespace {

using namespace std::chrono_literals;

struct ClockTest : testing::Test {
  World world{1};
  std::vector<WorldTime> alarms;
  SimClock clock{world, [this] { alarms.push_back(world.now()); }};

  WorldTime at(Duration since_start) { return WorldTime{} + since_start; }
  Duration shown() { return clock.now().time_since_epoch(); }
};

TEST_F(ClockTest, ShowsTheWorldsTimeUnlessTold) {
  world.run_until(at(3s));
  EXPECT_EQ(shown(), 3s);
}

TEST_F(ClockTest, RingsOnceWhenTheDeadlineHasCome) {
  clock.arm(Instant{} + 10ms);
  world.run_until(at(1s));
  EXPECT_EQ(alarms, std::vector{at(10ms)});
}

TEST_F(ClockTest, ALaterDeadlineReplacesTheEarlierOne) {
  clock.arm(Instant{} + 10ms);
  clock.arm(Instant{} + 30ms);
  world.run_until(at(1s));
  EXPECT_EQ(alarms, std::vector{at(30ms)});
}

TEST_F(ClockTest, AnEarlierDeadlineReplacesTheLaterOne) {
  clock.arm(Instant{} + 30ms);
  clock.arm(Instant{} + 10ms);
  world.run_until(at(1s));
  EXPECT_EQ(alarms, std::vector{at(10ms)});
}

TEST_F(ClockTest, ADeadlineInThePastRingsAtOnceButNotWithinTheCall) {
  world.run_until(at(1s));
  clock.arm(Instant{} + 10ms);
  EXPECT_TRUE(alarms.empty());
  world.run_until(at(1s));
  EXPECT_EQ(alarms, std::vector{at(1s)});
}

TEST_F(ClockTest, NobodyIsWokenAfterDisarming) {
  clock.arm(Instant{} + 10ms);
  clock.disarm();
  world.run_until(at(1s));
  EXPECT_TRUE(alarms.empty());
}

TEST_F(ClockTest, AFastClockRingsEarlyAndASlowOneLate) {
  clock.set_drift({100'000});
  clock.arm(Instant{} + 1100ms);
  world.run_until(at(999999us));
  EXPECT_TRUE(alarms.empty());
  world.run_until(at(1s));
  EXPECT_EQ(alarms, std::vector{at(1s)});
  EXPECT_EQ(shown(), 1100ms);

  clock.set_drift({-500'000});
  clock.arm(Instant{} + 1600ms);
  world.run_until(at(3s));
  EXPECT_EQ(alarms.back(), at(2s));
  EXPECT_EQ(shown(), 2100ms);
}

TEST_F(ClockTest, AJumpForwardRingsWhatItPasses) {
  clock.arm(Instant{} + 5s);
  world.run_until(at(1s));
  clock.jump(10s);
  world.run_until(at(1s));
  EXPECT_EQ(alarms, std::vector{at(1s)});
  EXPECT_EQ(shown(), 11s);
}

TEST_F(ClockTest, AJumpBackMakesItStandStill) {
  world.run_until(at(1s));
  clock.jump(-2s);
  clock.arm(Instant{} + 1s + 10ms);
  EXPECT_EQ(shown(), 1s);
  world.run_until(at(3s));
  EXPECT_EQ(shown(), 1s);
  EXPECT_TRUE(alarms.empty());
  world.run_until(at(4s));
  EXPECT_EQ(alarms, std::vector{at(3s + 10ms)});
  EXPECT_EQ(shown(), 2s);
}

TEST_F(ClockTest, NeverGoesBackWhateverIsDoneToIt) {
  Random random(5);
  Instant last = clock.now();
  for (int round = 0; round < 2000; ++round) {
    world.run_until(world.now() + random.between(0ns, Duration(2s)));
    EXPECT_GE(clock.now(), last);
    last = clock.now();
    if (random.chance(percent(50))) {
      clock.set_drift({static_cast<std::int64_t>(random.below(1'000'000)) - 500'000});
    } else {
      clock.jump(random.between(Duration(-1s), Duration(1s)));
    }
    EXPECT_GE(clock.now(), last);
    last = clock.now();
  }
}

TEST_F(ClockTest, AnAlarmNeverRingsBeforeTheClockShowsItsTime) {
  Random random(6);
  Instant wanted{};
  SimClock* subject = nullptr;
  int rings = 0;
  SimClock drifting(world, [&] {
    EXPECT_GE(subject->now(), wanted);
    EXPECT_LE(subject->now(), wanted + 10us);
    ++rings;
  });
  subject = &drifting;
  for (int round = 0; round < 500; ++round) {
    drifting.set_drift({static_cast<std::int64_t>(random.below(1'800'000)) - 900'000});
    wanted = drifting.now() + random.between(Duration(1us), Duration(1s));
    drifting.arm(wanted);
    world.run_until(world.now() + 11s);
  }
  EXPECT_EQ(rings, 500);
}

}  // namespace
}  // namespace quorate::sim
