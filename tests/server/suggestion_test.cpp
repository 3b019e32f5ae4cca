#include "server/cli/suggestion.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace quorate::cli {
namespace {

const std::vector<std::string> kOptions = {"--help", "--seeds", "--shrink", "--nodes"};

TEST(Suggestion, FindsWhatWasMeant) {
  EXPECT_EQ(closest("--hlep", kOptions), "--help") << "two letters swapped";
  EXPECT_EQ(closest("--seed", kOptions), "--seeds") << "a letter left out";
  EXPECT_EQ(closest("--noddes", kOptions), "--nodes") << "a letter too many";
  EXPECT_EQ(closest("--shrunk", kOptions), "--shrink") << "a letter changed";
  EXPECT_EQ(closest("-seeds", kOptions), "--seeds") << "a dash too few";
}

TEST(Suggestion, PrefersTheNearest) {
  const std::vector<std::string> similar = {"--node", "--nodes", "--notes"};
  EXPECT_EQ(closest("--nodes", similar), "--nodes");
  EXPECT_EQ(closest("--noden", similar), "--node");
}

TEST(Suggestion, KeepsQuietWhenNothingIsNear) {
  EXPECT_EQ(closest("--verbose", kOptions), std::nullopt);
  EXPECT_EQ(closest("--help", {}), std::nullopt);
  EXPECT_EQ(closest("", kOptions), std::nullopt);
}

}  // namespace
}  // namespace quorate::cli
