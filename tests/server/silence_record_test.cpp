// Who has been silent for how long, as a leader may count it.
#include "server/membership/silence_record.hpp"

#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quorate::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::chrono_literals;

constexpr NodeId kVoter{1};
constexpr NodeId kOther{2};
constexpr NodeId kReplica{3};

class SilenceRecordTest : public ::testing::Test {
 protected:
  std::vector<NodeId> after(Duration passed, std::vector<NodeId> silent, SilenceRecord& record) {
    now_ += passed;
    std::vector<SilenceRecord::Seen> members;
    for (const NodeId id : {kVoter, kOther, kReplica}) {
      const bool is_silent = std::ranges::find(silent, id) != silent.end();
      members.push_back({.id = id, .is_read_replica = id == kReplica, .is_in_contact = !is_silent});
    }
    return record.look(now_, members);
  }
  std::vector<NodeId> after(Duration passed, std::vector<NodeId> silent) { return after(passed, silent, record_); }

  Instant now_{1h};
  SilenceRecord record_{{.voter = 10s, .read_replica = 4s}, 2s};
};

TEST_F(SilenceRecordTest, EachKindHasItsLimit) {
  EXPECT_THAT(after(0s, {kVoter, kReplica}), IsEmpty());
  for (int second = 1; second < 4; ++second) EXPECT_THAT(after(1s, {kVoter, kReplica}), IsEmpty());
  EXPECT_THAT(after(1s, {kVoter, kReplica}), ElementsAre(kReplica));
  for (int second = 5; second < 10; ++second) EXPECT_THAT(after(1s, {kVoter}), IsEmpty());
  EXPECT_THAT(after(1s, {kVoter}), ElementsAre(kVoter));
}

TEST_F(SilenceRecordTest, TheLongestSilenceComesFirst) {
  after(0s, {kOther});
  after(1s, {kOther, kVoter});
  for (int second = 0; second < 9; ++second) after(1s, {kOther, kVoter});
  EXPECT_THAT(after(1s, {kOther, kVoter}), ElementsAre(kOther, kVoter));
}

TEST_F(SilenceRecordTest, AWordBeginsTheCountAnew) {
  for (int second = 0; second < 10; ++second) EXPECT_THAT(after(1s, {kVoter}), IsEmpty());
  EXPECT_THAT(after(0s, {}), IsEmpty());
  for (int second = 0; second < 10; ++second) EXPECT_THAT(after(1s, {kVoter}), IsEmpty());
  EXPECT_THAT(after(1s, {kVoter}), ElementsAre(kVoter));
}

TEST_F(SilenceRecordTest, AProcessThatStoodStillHasHeardNothingOfAnybody) {
  for (int second = 0; second < 9; ++second) after(1s, {kVoter});
  EXPECT_THAT(after(1h, {kVoter, kOther, kReplica}), IsEmpty());
  for (int second = 0; second < 3; ++second) EXPECT_THAT(after(1s, {kVoter, kOther, kReplica}), IsEmpty());
}

TEST_F(SilenceRecordTest, ANewLeaderBeginsToCount) {
  for (int second = 0; second < 9; ++second) after(1s, {kVoter});
  record_.forget();
  for (int second = 0; second < 10; ++second) EXPECT_THAT(after(1s, {kVoter}), IsEmpty());
  EXPECT_THAT(after(1s, {kVoter}), ElementsAre(kVoter));
}

TEST_F(SilenceRecordTest, NoLimitMeansNever) {
  SilenceRecord record({.voter = 0s, .read_replica = 1s}, 2s);
  for (int second = 0; second < 100; ++second) EXPECT_THAT(after(1s, {kVoter, kOther}, record), IsEmpty());
}

}  // namespace
}  // namespace quorate::server
