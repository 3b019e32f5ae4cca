// A simulated cluster loses the disks of its majority for good. The survivor is recovered as an operator would do it,
// through its real log, and goes on; empty nodes join it, and everything it had is there.
//
// The cluster's invariants hold until the majority is lost. They are those of one generation: a recovery may take back
// what was acknowledged, and adds an entry that no leader made, so behind it the test looks at the data itself.
#include "consensus/recovery.hpp"

#include <map>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "consensus/durable_machine.hpp"
#include "consensus/exactly_once.hpp"
#include "sim/cluster.hpp"
#include "sim/node_process.hpp"
#include "sim/operator.hpp"
#include "sim/subjects.hpp"
#include "statemachine/kv.hpp"

namespace quorate::sim {
namespace {

using namespace std::chrono_literals;

constexpr NodeId kOne{1};
constexpr NodeId kTwo{2};
constexpr NodeId kThree{3};
constexpr Duration kPatience = 30s;

using Machine = DurableMachine<ExactlyOnce<KeyValue>, SimFiles, SimExecutor>;

/// What `quorate recover` does, on a simulated disk.
Result<RecoveryReport> recover(Host& host) {
  const auto machine = Machine::open(host.id(), {}, host.files(), "state", host.machine_executor());
  if (!machine) return tl::unexpected(machine.error());
  auto log = SimWal::open(host.files(), {.cluster = ClusterId{1},
                                         .node = host.id(),
                                         .segment_bytes = host.laws().segment_bytes,
                                         .reserve_bytes = host.laws().segment_bytes,
                                         .block_bytes = static_cast<std::uint32_t>(kSectorBytes)});
  if (!log) return tl::unexpected(log.error());
  const auto recovery = plan_recovery(host.id(), log->recovered, machine->recovered());
  if (!recovery) return tl::unexpected(recovery.error());
  if (auto last = log->wal.append(recovery->batch); !last) return tl::unexpected(last.error());
  if (auto committed = log->wal.commit(); !committed) return tl::unexpected(committed.error());
  host.files().crash(CrashPolicy::kDropAll);
  return recovery->report;
}

class LostMajority : public ::testing::TestWithParam<std::uint64_t> {
 protected:
  LostMajority() {
    shape_.checkpoint_entries = 25;
    shape_.trailing_bytes_max = 2000;
    cluster_.emplace(world_, shape_, *launcher_);
    cluster_->start();
  }

  template <class Condition>
  [[nodiscard]] bool wait_for(Condition&& condition) {
    const WorldTime until = world_.now() + kPatience;
    while (!condition() && world_.now() < until && world_.step()) {}
    return condition();
  }

  /// Proposes to whoever leads until it is committed.
  void put(const std::string& key, const std::string& value) {
    const Payload command = KeyValue::encode(KeyValue::single(KeyValue::put({key, value})));
    const Payload wrapped = quorate::encode(SessionCommand{Execute{{}, command.bytes()}});
    for (int attempt = 0; attempt < 100; ++attempt) {
      ASSERT_TRUE(wait_for([&] { return cluster_->leader() != kNoNode; }));
      Host& host = cluster_->host(cluster_->leader());
      std::optional<Outcome> outcome;
      host.on_strand([&host, &outcome, wrapped] {
        host.process()->propose(wrapped, [&outcome](const ProposalResult& result) { outcome = result.outcome; });
        host.end_turn();
      });
      ASSERT_TRUE(wait_for([&] { return outcome.has_value(); }));
      if (*outcome == Outcome::kCommitted) {
        expected_[key] = value;
        return;
      }
    }
    FAIL() << "never committed";
  }

  [[nodiscard]] bool has_everything(NodeId node) {
    if (!cluster_->host(node).is_running()) return false;
    for (const auto& [key, value] : expected_) {
      const Payload query = KeyValue::encode(KeyValue::single(KeyValue::get(key)));
      const auto answer = cluster_->host(node).process()->query(query.bytes());
      if (!answer) return false;
      const auto reply = KeyValue::decode_reply(answer->bytes());
      if (!reply || reply->results.front().value != value) return false;
    }
    return true;
  }

  ClusterShape shape_;
  World world_{GetParam()};
  std::unique_ptr<Launcher> launcher_ = kv_subject().make_launcher();
  std::optional<Cluster> cluster_;
  std::map<std::string, std::string> expected_;
};

TEST_P(LostMajority, TheSurvivorGoesOnWithAllThatItHasAndOthersJoin) {
  for (int i = 0; i < 60; ++i) put("k" + std::to_string(i % 40), "before " + std::to_string(i));
  ASSERT_TRUE(wait_for([&] { return has_everything(kThree); }));
  ASSERT_FALSE(cluster_->invariants().violation());

  for (const NodeId node : {kOne, kTwo}) cluster_->end(node, Ending::kTear);
  cluster_->end(kThree, Ending::kTear);
  for (const NodeId node : {kOne, kTwo}) cluster_->wipe(node);
  const auto report = recover(cluster_->host(kThree));
  ASSERT_TRUE(report.has_value()) << report.error().message;
  EXPECT_EQ(report->generation, Generation{1});
  EXPECT_EQ(report->left_behind.size(), 2U);
  EXPECT_EQ(report->given_up, 0U);

  cluster_->expect_damage(kThree);  // its log has what no leader wrote
  cluster_->launch(kThree);
  put("alone", "1");
  EXPECT_EQ(cluster_->leader(), kThree);
  EXPECT_TRUE(has_everything(kThree));

  Operator keeper(*cluster_);
  keeper.start();
  for (const NodeId node : {kOne, kTwo}) cluster_->launch(node);
  const auto all_vote = [&] {
    if (cluster_->leader() == kNoNode) return false;
    const Configuration& now = cluster_->host(cluster_->leader()).process()->core().configuration();
    return !now.is_joint() && now.is_voter(kOne) && now.is_voter(kTwo) && now.is_voter(kThree);
  };
  ASSERT_TRUE(wait_for(all_vote));
  for (int i = 0; i < 40; ++i) put("k" + std::to_string(i), "after " + std::to_string(i));

  // And it is a cluster of three again: it does without the one that saved it.
  cluster_->end(kThree, Ending::kTear);
  put("without the survivor", "1");
  for (const NodeId node : {kOne, kTwo}) EXPECT_TRUE(wait_for([&] { return has_everything(node); })) << node.value;
  EXPECT_EQ(cluster_->host(kOne).process()->core().configuration().generation, Generation{1});
}

INSTANTIATE_TEST_SUITE_P(Seeds, LostMajority, ::testing::Range<std::uint64_t>(1, 21));

}  // namespace
}  // namespace quorate::sim
