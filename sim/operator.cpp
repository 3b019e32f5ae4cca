#include "sim/operator.hpp"

#include <utility>

namespace quorate::sim {

namespace {

constexpr Duration kLookEvery = std::chrono::milliseconds(20);
/// Whoever was asked for so long without an answer has died with the question.
constexpr Duration kAnswerMax = std::chrono::seconds(3);

}  // namespace

Operator::Operator(Cluster& cluster)
    : cluster_(cluster), voters_(cluster.roster().voters), learners_(cluster.roster().learners) {}

void Operator::start() { cluster_.world().schedule(cluster_.world().now() + kLookEvery, *this, ++generation_); }

void Operator::want(NodeSet voters, NodeSet learners) {
  voters_ = voters;
  learners_ = learners;
}

void Operator::fire(std::uint64_t generation) {
  if (generation != generation_) return;
  look();
  cluster_.world().schedule(cluster_.world().now() + kLookEvery, *this, generation_);
}

void Operator::look() {
  const WorldTime now = cluster_.world().now();
  const NodeId leader = cluster_.leader();
  if (leader == kNoNode || (asking_ && now < asked_at_ + kAnswerMax)) return;
  Host& host = cluster_.host(leader);
  const Core& core = host.process()->core();
  const auto answered = [this](const ProposalResult& result) {
    asking_ = false;
    if (atlas_ != nullptr) atlas_->forget();
    if (result.outcome == Outcome::kCommitted) ++changes_;
  };
  if (core.configuration().is_joint()) {
    if (!joint_since_) joint_since_ = now;
    if (patience_ == Duration::zero() || now < *joint_since_ + patience_) return;
    host.on_strand([&host, answered] { host.process()->abort_membership_change(answered); });
    return;
  }
  joint_since_.reset();
  std::optional<ConfigurationChange> change = next_step(core.configuration());
  if (!change) return;
  const Result<Configuration> next = configuration_after(core.configuration(), *change);
  if (atlas_ != nullptr && next && !atlas_->may_become(*next)) return;
  asking_ = true;
  asked_at_ = now;
  host.on_strand([&host, answered, change = std::move(*change)]() mutable {
    host.process()->change_membership(std::move(change), answered);
  });
}

std::optional<ConfigurationChange> Operator::next_step(const Configuration& now) const {
  ConfigurationChange let_go;
  ConfigurationChange bring_in;
  ConfigurationChange arrange;
  for (const NodeId node : voters_ | learners_) {
    const Member* member = now.find(node);
    const MemberKind wanted = voters_.contains(node) ? MemberKind::kVoter : MemberKind::kLearner;
    if (member == nullptr) {
      bring_in.set.push_back(cluster_.member(node, MemberKind::kLearner));
    } else if (member->incarnation != cluster_.incarnation(node)) {
      let_go.remove.push_back(node);
    } else if (member->kind != wanted) {
      arrange.set.push_back(cluster_.member(node, wanted));
    }
  }
  for (const Member& member : now.members) {
    const bool is_wanted = (voters_ | learners_).contains(member.id) || member.kind == MemberKind::kWitness;
    if (!is_wanted) arrange.remove.push_back(member.id);
  }
  // One node that is gone at a time: several would have to pass through a joint configuration.
  if (!let_go.remove.empty()) return ConfigurationChange{{}, {let_go.remove.front()}};
  if (!bring_in.set.empty()) return bring_in;
  if (!arrange.set.empty() || !arrange.remove.empty()) return arrange;
  return std::nullopt;
}

}  // namespace quorate::sim
