// What is due is done by the leader alone, once an interval, and again after it has failed.
#include "server/upkeep.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace quorate::server {
namespace {

using namespace std::chrono_literals;

class UpkeepTest : public ::testing::Test {
 protected:
  Upkeep& upkeep(Duration vacuum, Duration optimize) {
    NodeConfig config;
    config.vacuum_interval = vacuum;
    config.optimize_interval = optimize;
    upkeep_ = std::make_unique<Upkeep>(
        Upkeep::Surroundings{
            .is_leader = [this] { return is_leader; },
            .execute =
                [this](SqlRequest request, std::function<void(SqlOutcome)> done) {
                  executed.push_back(request.sql.statements.at(0).sql);
                  done_ = std::move(done);
                },
            .after = [this](Duration delay,
                            std::function<void()> task) { waiting.emplace_back(delay, std::move(task)); }},
        config);
    upkeep_->start();
    return *upkeep_;
  }
  /// The first of those that wait.
  void ring() {
    auto task = std::move(waiting.at(0).second);
    waiting.erase(waiting.begin());
    task();
  }
  void end(const std::string& error) {
    SqlOutcome outcome;
    outcome.end.kind = error.empty() ? SqlEnd::Kind::kDone : SqlEnd::Kind::kInvalid;
    outcome.end.error = error;
    std::exchange(done_, nullptr)(std::move(outcome));
  }

  bool is_leader = true;
  std::vector<std::string> executed;
  std::vector<std::pair<Duration, std::function<void()>>> waiting;
  std::function<void(SqlOutcome)> done_;
  std::unique_ptr<Upkeep> upkeep_;
};

TEST_F(UpkeepTest, NothingIsDueWithoutIntervals) {
  upkeep(0s, 0s);
  EXPECT_TRUE(waiting.empty());
}

TEST_F(UpkeepTest, EachHasItsInterval) {
  const Upkeep& kept = upkeep(1h, 24h);
  ASSERT_EQ(waiting.size(), 2U);
  EXPECT_EQ(waiting[0].first, 1h);
  EXPECT_EQ(waiting[1].first, 24h);
  ring();
  EXPECT_EQ(executed, std::vector<std::string>{"VACUUM"});
  EXPECT_EQ(waiting.size(), 1U) << "not again before it is over";
  end("");
  EXPECT_EQ(waiting.at(1).first, 1h);
  ring();
  EXPECT_EQ(executed.back(), "PRAGMA optimize");
  EXPECT_EQ(kept.vacuums().done, 1U);
}

TEST_F(UpkeepTest, OnlyTheLeaderDoesIt) {
  upkeep(1h, 0s);
  is_leader = false;
  ring();
  EXPECT_TRUE(executed.empty());
  is_leader = true;
  ring();
  EXPECT_EQ(executed.size(), 1U);
}

TEST_F(UpkeepTest, WhatFailsIsCountedAndTriedAgain) {
  const Upkeep& kept = upkeep(0s, 1h);
  ring();
  end("database or disk is full");
  EXPECT_EQ(kept.optimizations().failed, 1U);
  ring();
  end("");
  EXPECT_EQ(kept.optimizations().done, 1U);
}

TEST_F(UpkeepTest, EndsWhileSomethingIsUnderWay) {
  upkeep(1h, 0s);
  ring();
  upkeep_.reset();
  end("");
  EXPECT_TRUE(waiting.empty());
}

}  // namespace
}  // namespace quorate::server
