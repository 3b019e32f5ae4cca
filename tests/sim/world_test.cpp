#include "sim/world.hpp"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

namespace quorate::sim {
namespace {

using namespace std::chrono_literals;

class Recorder final : public Handler {
 public:
  explicit Recorder(World& world) : world_(world) {}
  void fire(std::uint64_t token) override {
    seen.emplace_back(microseconds(world_.now()), token);
    if (on_fire) on_fire(token);
  }

  std::vector<std::pair<std::int64_t, std::uint64_t>> seen;
  std::function<void(std::uint64_t)> on_fire;

 private:
  World& world_;
};

WorldTime at(Duration since_start) { return WorldTime{} + since_start; }

TEST(World, LetsEventsHappenInTheOrderOfTimeThenOfScheduling) {
  World world(1);
  Recorder recorder(world);
  world.schedule(at(20us), recorder, 1);
  world.schedule(at(10us), recorder, 2);
  world.schedule(at(20us), recorder, 3);
  world.schedule(at(10us), recorder, 4);
  while (world.step()) {}
  const std::vector<std::pair<std::int64_t, std::uint64_t>> expected{{10, 2}, {10, 4}, {20, 1}, {20, 3}};
  EXPECT_EQ(recorder.seen, expected);
  EXPECT_EQ(world.events(), 4u);
}

TEST(World, AgreesWithSortingOnRandomEvents) {
  World world(7);
  Recorder recorder(world);
  Random random = world.randomness(1);
  std::vector<std::pair<std::int64_t, std::uint64_t>> expected;
  for (std::uint64_t token = 0; token < 3000; ++token) {
    const auto time = static_cast<std::int64_t>(random.below(500));
    expected.emplace_back(time, token);
    world.schedule(at(std::chrono::microseconds(time)), recorder, token);
  }
  std::ranges::stable_sort(expected, {}, &std::pair<std::int64_t, std::uint64_t>::first);
  while (world.step()) {}
  EXPECT_EQ(recorder.seen, expected);
}

TEST(World, EventsMayScheduleEventsForTheSameMoment) {
  World world(1);
  Recorder recorder(world);
  recorder.on_fire = [&](std::uint64_t token) {
    if (token < 3) world.schedule(world.now(), recorder, token + 1);
  };
  world.schedule(at(5us), recorder, 0);
  world.run_until(at(5us));
  EXPECT_EQ(recorder.seen.size(), 4u);
  EXPECT_EQ(world.now(), at(5us));
}

TEST(World, RunUntilStopsBehindTheLastEventThatIsDue) {
  World world(1);
  int happened = 0;
  world.at(at(10ms), [&] { ++happened; });
  world.at(at(11ms), [&] { ++happened; });
  world.run_until(at(10ms));
  EXPECT_EQ(happened, 1);
  EXPECT_EQ(world.next(), at(11ms));
  world.run_until(at(1s));
  EXPECT_EQ(happened, 2);
  EXPECT_EQ(world.now(), at(1s));
  EXPECT_FALSE(world.next().has_value());
}

TEST(World, OnePurposeAlwaysGetsTheSameRandomness) {
  const World world(3);
  Random first = world.randomness(1);
  Random again = world.randomness(1);
  Random other = world.randomness(2);
  const std::uint64_t drawn = first.next();
  EXPECT_EQ(drawn, again.next());
  EXPECT_NE(drawn, other.next());
}

}  // namespace
}  // namespace quorate::sim
