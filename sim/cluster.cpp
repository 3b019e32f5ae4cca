#include "sim/cluster.hpp"

#include <array>

#include <fmt/format.h>

#include "consensus/assert.hpp"

namespace quorate::sim {

namespace {

/// How long a strand may take to come round to a turn.
constexpr Duration kTurnMax = std::chrono::microseconds(100);

constexpr std::uint64_t kJitterPurpose = 0x6a697474;
constexpr std::uint64_t kEntropyPurpose = 0x656e7472;

NodeSet take(std::uint64_t& next, std::uint64_t count) {
  NodeSet nodes;
  for (; count > 0; --count) nodes.insert(NodeId{next++});
  return nodes;
}

void add_members(std::vector<Member>& members, const Cluster& cluster, NodeSet nodes, MemberKind kind) {
  for (const NodeId node : nodes) members.push_back(cluster.member(node, kind));
}

std::string show(const std::vector<Member>& members) {
  static constexpr std::array<const char*, 3> kSuffixes{"", "-learner", "-witness"};
  std::string text;
  for (const Member& member : members) {
    text += fmt::format("{}{}{}", text.empty() ? "" : " ", member.id.value,
                        kSuffixes[static_cast<std::size_t>(member.kind)]);
  }
  return text;
}

}  // namespace

std::string describe(const Configuration& configuration) {
  return show(configuration.members) + (configuration.is_joint() ? " && " + show(configuration.outgoing) : "");
}

Roster::Roster(const ClusterShape& shape) {
  std::uint64_t next = 1;
  voters = take(next, shape.voters);
  witnesses = take(next, shape.witnesses);
  learners = take(next, shape.learners);
  spares = take(next, shape.spares);
}

NodeOptions node_options(const ClusterShape& shape, NodeId node, std::uint64_t seed) {
  NodeOptions options;
  options.core.id = node;
  options.core.seed = seed;
  options.core.heartbeat_interval = shape.heartbeat_interval;
  options.core.election_timeout = shape.election_timeout;
  options.core.pre_vote = shape.pre_vote;
  options.core.check_quorum = shape.check_quorum;
  options.core.lease_reads = shape.lease_reads;
  options.core.clock_drift_ppm = static_cast<std::uint32_t>(shape.clock_drift_ppm);
  options.core.append_bytes_max = shape.append_bytes_max;
  options.core.append_entries_max = shape.append_entries_max;
  options.core.window.messages_max = shape.window_messages_max;
  options.core.uncommitted_bytes_max = shape.uncommitted_bytes_max;
  options.core.trailing_bytes_max = shape.trailing_bytes_max;
  options.core.snapshot_chunk_bytes = shape.snapshot_chunk_bytes;
  options.checkpoint_entries = shape.checkpoint_entries;
  return options;
}

Cluster::Cluster(World& world, const ClusterShape& shape, Launcher& launcher)
    : world_(world),
      launcher_(launcher),
      entropy_(world.randomness(kEntropyPurpose)),
      roster_(shape),
      network_(world, shape.nodes(), shape.network),
      incarnations_(shape.nodes()),
      believed_(shape.nodes()) {
  network_.observe(*this);
  HostObserver& observer = *this;
  Random jitter = world.randomness(kJitterPurpose);
  for (const NodeId node : roster_.all()) {
    NodeOptions options = node_options(shape, node, jitter.next());
    options.core.coverage = &coverage_;
    const Host::Laws laws{.disk = shape.disk,
                          .turn = kTurnMax,
                          .segment_bytes = shape.segment_bytes,
                          .kind = roster_.witnesses.contains(node) ? MemberKind::kWitness : MemberKind::kVoter};
    hosts_.push_back(std::make_unique<Host>(world, network_, observer, launcher, options, laws));
  }
  for (const NodeId node : roster_.all()) format(node);
  Configuration founders;
  add_members(founders.members, *this, roster_.voters, MemberKind::kVoter);
  add_members(founders.members, *this, roster_.witnesses, MemberKind::kWitness);
  add_members(founders.members, *this, roster_.learners, MemberKind::kLearner);
  QUORATE_ASSERT(validate(founders).has_value());
  for (const NodeId node : roster_.all() - roster_.spares) {
    const Result<void> founded = launcher.found(host(node), founders);
    QUORATE_ASSERT(founded.has_value());
  }
}

void Cluster::format(NodeId node) {
  const Result<Incarnation> incarnation = launcher_.format(host(node), entropy_.next());
  QUORATE_ASSERT(incarnation.has_value());
  incarnations_[node.value - 1] = *incarnation;
}

Member Cluster::member(NodeId node, MemberKind kind) const {
  return {.id = node, .incarnation = incarnation(node), .kind = kind, .priority = 1, .address = {}};
}

void Cluster::start() {
  for (const NodeId node : roster_.all()) launch(node);
}

NodeId Cluster::leader() const {
  NodeId found = kNoNode;
  Term term;
  for (const auto& host : hosts_) {
    if (!host->is_running()) continue;
    const Core& core = host->process()->core();
    if (core.role() != Role::kLeader || core.term() < term) continue;
    found = host->id();
    term = core.term();
  }
  return found;
}

NodeSet Cluster::running() const {
  NodeSet nodes;
  for (const auto& host : hosts_) {
    if (host->is_running()) nodes.insert(host->id());
  }
  return nodes;
}

void Cluster::launch(NodeId node) {
  if (const Result<void> launched = host(node).launch(); !launched && !damaged_.contains(node)) {
    invariants_.report(Violation{"a sound disk is accepted",
                                 fmt::format("n{} refuses to start: {}", node.value, launched.error().message)});
  }
}

void Cluster::wipe(NodeId node) {
  host(node).replace_disk();
  format(node);
  invariants_.wiped(node);
  believed_[node.value - 1] = {};
  damaged_.erase(node);
  may_stop_.erase(node);
}

void Cluster::expect_damage(NodeId node) {
  invariants_.damaged(node);
  damaged_.insert(node);
  may_stop_.insert(node);
}

void Cluster::on_launch(NodeId node, const Recovered& recovered, const Core& core) {
  invariants_.started(node, recovered, core);
  believed_[node.value - 1] = core.configuration();
  for (Observer* observer : observers_) observer->on_launch(node, recovered, core);
}

void Cluster::on_end(NodeId node, const std::string& reason) {
  if (!reason.empty() && !may_stop_.contains(node)) {
    invariants_.report(
        Violation{"no node stops without cause", fmt::format("n{} stopped itself: {}", node.value, reason)});
  }
  invariants_.ended(node);
  for (Observer* observer : observers_) observer->on_end(node, reason);
}

void Cluster::on_step(NodeId node, const Event& event, const Core& core, const Effects& effects) {
  ++steps_;
  invariants_.stepped(node, event, core, effects);
  for (const Effect& effect : effects) {
    if (std::holds_alternative<effect::ConfigurationChanged>(effect)) believed_[node.value - 1] = core.configuration();
  }
  for (Observer* observer : observers_) observer->on_step(node, event, core, effects);
}

void Cluster::on_send(const Message& message) {
  invariants_.sending(message.from, message);
  for (Observer* observer : observers_) observer->on_send(message);
}

void Cluster::on_durable(NodeId node, Ticket ticket) {
  invariants_.durable(node, ticket);
  for (Observer* observer : observers_) observer->on_durable(node, ticket);
}

void Cluster::on_apply(NodeId node, const Entry& entry, const Payload& result, std::optional<std::uint64_t> digest) {
  invariants_.applied(node, entry, result, digest);
  for (Observer* observer : observers_) observer->on_apply(node, entry, result, digest);
}

void Cluster::on_message(MessageId id, Fate fate, const Message& message) {
  if (fate == Fate::kForged) {
    invariants_.report(
        Violation{"J1 damaged frames are recognised",
                  fmt::format("n{} accepted a damaged frame from n{}", message.to.value, message.from.value)});
  }
  for (Observer* observer : observers_) observer->on_message(id, fate, message);
}

}  // namespace quorate::sim
