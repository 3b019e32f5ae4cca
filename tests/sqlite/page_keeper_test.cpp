// What the keeper of the base files says when they cannot be read at all. Damage and its repair: scrub_test.cpp, and
// tests/sim/page_repair_test.cpp for whole clusters.
#include "statemachine/sqlite/page_keeper.hpp"

#include <gtest/gtest.h>

#include "tests/sqlite/log_harness.hpp"

namespace quorate::sqlite {
namespace {

class PageKeeperTest : public ::testing::Test {
 protected:
  PageKeeperTest() {
    EXPECT_EQ(leader_.run("CREATE TABLE t(a); INSERT INTO t VALUES(randomblob(20000))"), "1 changed;");
    EXPECT_EQ(leader_.replica.checkpoint(), "");
  }
  void step() { keeper_.step(now_ += std::chrono::seconds(1)); }
  void step_with_read_error() {
    leader_.replica.disk.arm(sim::DiskFault::kReadError);
    step();
    leader_.replica.disk.disarm();
  }

  testing::Leader leader_;
  Instant now_{};
  std::vector<std::string> told_;
  PageKeeper keeper_{*leader_.replica,
                     {.self = NodeId{1}},
                     leader_.replica.disk_jobs.runner(),
                     [](NodeId, const Payload&, const PageKeeper::Answered&) {},
                     [this](std::string what) { told_.push_back(std::move(what)); }};
};

TEST_F(PageKeeperTest, TellsOnceThatFilesCannotBeRead) {
  step();
  EXPECT_TRUE(told_.empty());
  for (int i = 0; i < 3; ++i) step_with_read_error();
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_TRUE(told_.front().starts_with("the base files cannot be looked at: ")) << told_.front();
  EXPECT_EQ(keeper_.report().scrub.pages_damaged, 0U) << "what cannot be read is not damaged for that";
  step();
  step_with_read_error();
  EXPECT_EQ(told_.size(), 2U) << "they could be read in between";
}

}  // namespace
}  // namespace quorate::sqlite
