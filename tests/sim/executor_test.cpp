#include "sim/executor.hpp"

#include <string>

#include <gtest/gtest.h>

namespace quorate::sim {
namespace {

using namespace std::chrono_literals;

struct ExecutorTest : testing::Test {
  World world{1};
  std::string log;
  SimExecutor executor{world, Random(1), DelayLaw{.shortest = 10ms},
                       [](const std::function<void()>& completion) { completion(); }};

  void submit(char name) {
    executor.run([this, name] { log += name; }, [this, name] { log += static_cast<char>(name - 'a' + 'A'); });
  }
  void run_for(Duration duration) { world.run_until(world.now() + duration); }
};

TEST_F(ExecutorTest, RunsOneJobAfterTheOtherAndReportsEach) {
  submit('a');
  submit('b');
  EXPECT_EQ(log, "");
  run_for(10ms);
  EXPECT_EQ(log.substr(0, 2), "aA");
  run_for(10ms);
  EXPECT_EQ(log, "aAbB");
}

TEST_F(ExecutorTest, EffectsComeSomewhereWithinTheTimeAJobTakes) {
  bool seen_between = false;
  for (int round = 0; round < 50; ++round) {
    log.clear();
    submit('a');
    run_for(5ms);
    seen_between |= log == "a";
    run_for(5ms);
    EXPECT_EQ(log, "aA");
  }
  EXPECT_TRUE(seen_between);
}

TEST_F(ExecutorTest, AStalledQueueLetsOneJobThroughAtATime) {
  executor.stall();
  submit('a');
  submit('b');
  run_for(1s);
  EXPECT_EQ(log, "");
  EXPECT_TRUE(executor.complete_one());
  EXPECT_EQ(log, "aA");
  EXPECT_TRUE(executor.complete_one());
  EXPECT_FALSE(executor.complete_one());
  EXPECT_EQ(log, "aAbB");
}

TEST_F(ExecutorTest, GoesOnAfterTheLastStallWasLifted) {
  executor.stall();
  executor.stall();
  submit('a');
  executor.resume();
  run_for(1s);
  EXPECT_EQ(log, "");
  executor.resume();
  run_for(1s);
  EXPECT_EQ(log, "aA");
}

TEST_F(ExecutorTest, ReportsAfterAStallWhatRanBeforeIt) {
  submit('a');
  while (log.empty()) world.step();
  EXPECT_EQ(log, "a");
  executor.stall();
  run_for(1s);
  EXPECT_EQ(log, "a");
  executor.resume();
  run_for(10ms);
  EXPECT_EQ(log, "aA");
}

TEST_F(ExecutorTest, AnAbandonedJobIsNeverReported) {
  submit('a');
  while (log.empty()) world.step();
  executor.abandon();
  submit('b');
  run_for(1s);
  EXPECT_EQ(log, "abB");
}

TEST_F(ExecutorTest, AJobMayEndTheProcessThatAskedForIt) {
  executor.run([this] { executor.abandon(); }, [this] { log += "!"; });
  submit('b');
  run_for(1s);
  EXPECT_EQ(log, "");
}

}  // namespace
}  // namespace quorate::sim
