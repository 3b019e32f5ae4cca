// Who begins a cluster, when everybody sees other nodes: nobody twice, and somebody once all see all.
#include "server/discovery/founder_choice.hpp"

#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace quorate::discovery {
namespace {

using Heard = FounderChoice::Heard;

constexpr Instant at(int seconds) { return Instant(std::chrono::seconds(seconds)); }

TEST(FounderChoice, TheLeastOfAllIsChosenOnceAllAreThere) {
  FounderChoice a("a", "h1:1", 3);
  EXPECT_FALSE(a.weigh(at(1), at(1), {{"b", "h2:1", ""}}));
  EXPECT_EQ(a.choice(), "") << "one is missing";
  EXPECT_FALSE(a.weigh(at(2), at(2), {{"b", "h2:1", ""}, {"c", "h3:1", ""}}));
  EXPECT_EQ(a.choice(), "h1:1");
  EXPECT_FALSE(a.weigh(at(3), at(3), {{"b", "h2:1", "h1:1"}, {"c", "h3:1", ""}}));
  EXPECT_TRUE(a.weigh(at(4), at(4), {{"b", "h2:1", "h1:1"}, {"c", "h3:1", "h1:1"}}));
}

TEST(FounderChoice, OnlyTheChosenOneBegins) {
  FounderChoice b("b", "h2:1", 2);
  EXPECT_FALSE(b.weigh(at(1), at(1), {{"a", "h1:1", "h2:1"}}));
  EXPECT_EQ(b.choice(), "h1:1");
  EXPECT_FALSE(b.weigh(at(2), at(2), {{"a", "h1:1", "h2:1"}}));
}

TEST(FounderChoice, OneNodeWithTwoAddressesIsOne) {
  FounderChoice a("a", "h1:1", 3);
  EXPECT_FALSE(a.weigh(at(1), at(1), {{"b", "h2:1", "h1:1"}, {"b", "h2:1", "h1:1"}}));
  EXPECT_EQ(a.choice(), "");
}

TEST(FounderChoice, AnswersThatTookTooLongProveNothing) {
  FounderChoice a("a", "h1:1", 2);
  EXPECT_FALSE(a.weigh(at(1), at(1), {{"b", "h2:1", ""}}));
  const Instant late = at(2) + kRoundMax + std::chrono::milliseconds(1);
  EXPECT_FALSE(a.weigh(at(2), late, {{"b", "h2:1", "h1:1"}}));
  EXPECT_TRUE(a.weigh(late, late, {{"b", "h2:1", "h1:1"}}));
}

TEST(FounderChoice, APromiseIsKeptForAWhile) {
  FounderChoice c("c", "h3:1", 2);
  EXPECT_FALSE(c.weigh(at(1), at(1), {{"b", "h2:1", ""}}));
  EXPECT_EQ(c.choice(), "h2:1");
  EXPECT_FALSE(c.weigh(at(2), at(2), {}));
  EXPECT_EQ(c.choice(), "h2:1") << "with nobody there is nothing to choose";
  EXPECT_FALSE(c.weigh(at(10), at(10), {{"a", "h1:1", ""}}));
  EXPECT_EQ(c.choice(), "");
  EXPECT_FALSE(c.weigh(at(11), at(11), {{"a", "h1:1", ""}}));
  EXPECT_EQ(c.choice(), "");
  const Instant later = at(10) + kPromise;
  EXPECT_FALSE(c.weigh(later, later, {{"a", "h1:1", ""}}));
  EXPECT_EQ(c.choice(), "h1:1");
}

TEST(FounderChoice, OneIsEnoughForOne) {
  FounderChoice a("a", "h1:1", 1);
  EXPECT_TRUE(a.weigh(at(1), at(1), {}));
}

/// Nodes that ask each other at any time, each of whom sees whatever part of the others, for good: whoever has chosen a
/// founder sees it, and hears of its cluster before it chooses another one.
RC_GTEST_PROP(FounderChoice, ThereAreNeverTwo, ()) {
  const std::size_t count = *rc::gen::inRange<std::size_t>(3, 7);
  const std::size_t expected = *rc::gen::inRange<std::size_t>(2, count + 1);
  std::vector<FounderChoice> nodes;
  std::vector<std::string> addresses;
  std::vector<std::set<std::size_t>> sees(count);
  for (std::size_t i = 0; i < count; ++i) {
    addresses.push_back("h" + std::to_string(i) + ":1");
    nodes.emplace_back("n" + std::to_string(i), addresses.back(), expected);
    for (std::size_t other = 0; other < count; ++other)
      if (other != i && *rc::gen::inRange(0, 3) > 0) sees[i].insert(other);
  }
  std::vector<bool> has_cluster(count);
  std::size_t clusters = 0;
  Instant now = at(1);
  for (int step = 0; step < 60; ++step) {
    now += std::chrono::milliseconds(*rc::gen::inRange(0, 2000));
    const std::size_t i = *rc::gen::inRange<std::size_t>(0, count);
    if (has_cluster[i]) continue;
    std::vector<Heard> heard;
    for (const std::size_t other : sees[i]) {
      if (has_cluster[other]) has_cluster[i] = true;
      heard.push_back({"n" + std::to_string(other), addresses[other], nodes[other].choice()});
    }
    if (has_cluster[i]) continue;
    const bool begins = nodes[i].weigh(now, now, heard);
    if (!begins) continue;
    ++clusters;
    has_cluster[i] = true;
    RC_ASSERT(clusters == 1U || 2 * expected <= count);
  }
}

}  // namespace
}  // namespace quorate::discovery
