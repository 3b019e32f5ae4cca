// Bits of the base files turn on the disk of a node that runs and knows nothing of it. Its keeper finds them, has the
// pages fetched from the other nodes over the simulated network, and the files are what they were.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "consensus/exactly_once.hpp"
#include "sim/cluster.hpp"
#include "sim/process.hpp"
#include "sim/subjects.hpp"
#include "statemachine/sqlite/request_codec.hpp"

namespace quorate::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kPatience = 30s;
constexpr const char* kPages = "pages/1.pages";

Payload command_of(const std::string& sql) {
  sqlite::Request request;
  request.statements.push_back({sql, {}});
  return encode(SessionCommand{Execute{{}, sqlite::encode(request).bytes()}});
}

class PageRepair : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  PageRepair() {
    shape_.checkpoint_entries = 1'000'000;  // when the test says so
    cluster_.emplace(world_, shape_, *launcher_);
    cluster_->start();
  }

  template <class Condition>
  [[nodiscard]] bool wait_for(Condition&& condition) {
    const WorldTime until = world_.now() + kPatience;
    while (!condition() && world_.now() < until && world_.step()) {}
    return condition();
  }

  void execute(const std::string& sql) {
    for (int attempt = 0; attempt < 100; ++attempt) {
      ASSERT_TRUE(wait_for([&] { return cluster_->leader() != kNoNode; }));
      Host& host = cluster_->host(cluster_->leader());
      std::optional<Outcome> outcome;
      host.on_strand([&host, &outcome, &sql] {
        host.process()->propose(command_of(sql),
                                [&outcome](const ProposalResult& result) { outcome = result.outcome; });
      });
      ASSERT_TRUE(wait_for([&] { return outcome.has_value(); }));
      if (*outcome == Outcome::kCommitted) return;
      const WorldTime later = world_.now() + 20ms;  // a new leader begins by committing what it has inherited
      while (world_.now() < later && world_.step()) {}
    }
    FAIL() << "never committed: " << sql;
  }

  [[nodiscard]] const Core& core(NodeId node) { return cluster_->host(node).process()->core(); }
  [[nodiscard]] bool is_level(NodeId node) {
    return core(node).applied() == core(cluster_->leader()).log().last().index;
  }
  [[nodiscard]] bool are_level() {
    for (const NodeId node : cluster_->roster().all()) {
      if (!is_level(node)) return false;
    }
    return true;
  }

  /// All nodes have the same base files.
  void fill_and_fold() {
    execute("CREATE TABLE t(id INTEGER PRIMARY KEY, text TEXT)");
    execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) "
        "INSERT INTO t SELECT i, printf('%.200c', 'x') FROM n");
    ASSERT_TRUE(wait_for([&] { return cluster_->leader() != kNoNode && are_level(); }));
    for (const NodeId node : cluster_->roster().all()) {
      Host& host = cluster_->host(node);
      host.on_strand([&host] { host.process()->checkpoint(); });
      ASSERT_TRUE(wait_for([&] { return is_folded(node); }));
    }
  }
  [[nodiscard]] bool is_folded(NodeId node) { return pages_of(node).size() > kPageBytes * 10; }
  [[nodiscard]] std::vector<std::byte> pages_of(NodeId node) {
    const std::vector<std::string> names = cluster_->host(node).files().durable_files();
    if (std::find(names.begin(), names.end(), kPages) == names.end()) return {};
    const auto bytes = cluster_->host(node).files().durable_bytes(kPages);
    return {bytes.begin(), bytes.end()};
  }
  /// Another bit in each of so many pages, from the second on.
  void rot(NodeId node, std::uint64_t pages) {
    for (std::uint64_t page = 1; page <= pages; ++page)
      cluster_->host(node).files().flip_bit(kPages, page * kPageBytes + 100 + page, static_cast<unsigned>(page % 8));
  }
  [[nodiscard]] NodeId a_follower() const { return cluster_->leader() == NodeId{1} ? NodeId{2} : NodeId{1}; }

  static constexpr std::uint64_t kPageBytes = 4096;
  ClusterShape shape_;
  World world_{GetParam()};
  std::unique_ptr<Launcher> launcher_ = sqlite_subject().make_launcher();
  std::optional<Cluster> cluster_;
};

TEST_P(PageRepair, RotIsFoundAndHealedWhileTheNodeLives) {
  fill_and_fold();
  const NodeId victim = GetParam() % 2 == 0 ? a_follower() : cluster_->leader();
  const std::vector<std::byte> sound = pages_of(victim);
  ASSERT_GT(sound.size(), kPageBytes * 10);
  cluster_->expect_damage(victim);
  rot(victim, 7);
  ASSERT_NE(pages_of(victim), sound);
  EXPECT_TRUE(wait_for([&] { return pages_of(victim) == sound; }));
  EXPECT_TRUE(cluster_->host(victim).is_running());
  EXPECT_FALSE(cluster_->invariants().violation());
}

/// The entry that needs a damaged page waits for it, and those behind it: nothing stops.
TEST_P(PageRepair, AnEntryWaitsForThePageThatItChanges) {
  fill_and_fold();
  const NodeId victim = a_follower();
  const NodeId leader = cluster_->leader();
  const NodeId third{6 - victim.value - leader.value};
  cluster_->expect_damage(victim);
  rot(victim, 12);
  // Somebody keeps the old version: the third node hears nothing of the change for now.
  cluster_->network().lay(FaultId{1}, {leader}, {third}, {.passage = LinkFault::Passage::kCut});
  execute("UPDATE t SET text = 'y' WHERE id % 5 = 0");
  EXPECT_TRUE(wait_for([&] { return is_level(victim); }));
  cluster_->network().lift_all();
  EXPECT_TRUE(wait_for([&] { return cluster_->leader() != kNoNode && are_level(); }));
  EXPECT_TRUE(cluster_->host(victim).is_running());
  EXPECT_EQ(cluster_->host(victim).process()->digest(), cluster_->host(third).process()->digest());
  EXPECT_FALSE(cluster_->invariants().violation());
}

INSTANTIATE_TEST_SUITE_P(Seeds, PageRepair, ::testing::Range<std::uint64_t>(1, 9));

}  // namespace
}  // namespace quorate::sim
