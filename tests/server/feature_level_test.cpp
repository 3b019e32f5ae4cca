// Which feature level is in force among members of several versions.
#include "server/feature_level.hpp"

#include <gtest/gtest.h>

namespace quorate::server {
namespace {

Member member(std::uint64_t id, std::uint64_t level) {
  return {.id = NodeId{id}, .address = member_address("n", "host:1", FeatureLevel{level})};
}

TEST(FeatureLevel, IsWhatEveryMemberKnows) {
  EXPECT_EQ(level_in_force({}), kFirstFeatureLevel);
  EXPECT_EQ(level_in_force({.members = {member(1, 3), member(2, 2), member(3, 3)}}), FeatureLevel{2});
  EXPECT_EQ(level_in_force({.members = {member(1, 3), member(2, 3)}}), FeatureLevel{3});
}

TEST(FeatureLevel, CountsWhoIsAboutToLeave) {
  EXPECT_EQ(level_in_force({.members = {member(1, 3)}, .outgoing = {member(1, 3), member(2, 1)}}), FeatureLevel{1});
}

TEST(FeatureLevel, IsTheFirstIfAnAddressDoesNotSay) {
  EXPECT_EQ(level_in_force({.members = {member(1, 3), {.id = NodeId{2}, .address = "host:1"}}}), kFirstFeatureLevel);
}

}  // namespace
}  // namespace quorate::server
