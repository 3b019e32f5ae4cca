#include "sim/nemesis.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "consensus/assert.hpp"
#include "sim/cluster.hpp"
#include "sim/nemesis_links.hpp"

namespace quorate::sim {

namespace {

using namespace std::chrono_literals;

constexpr PartsPerMillion kFaultFree = percent(15);
constexpr PartsPerMillion kKindEnabled = percent(35);
/// Faults begin after the cluster had time to elect, and end before the run does.
constexpr Duration kCalm = 300ms;

template <class T>
const T& pick(Random& random, const std::vector<T>& choices) {
  return choices[random.below(choices.size())];
}

NodeId pick_node(Random& random, NodeSet nodes) {
  std::uint64_t skip = random.below(nodes.size());
  for (const NodeId node : nodes) {
    if (skip-- == 0) return node;
  }
  return kNoNode;
}

NodeSet pick_nodes(Random& random, NodeSet nodes) {
  NodeSet picked{pick_node(random, nodes)};
  // Mostly one; now and then many, or all: power fails for more than one machine at a time.
  const PartsPerMillion more = pick<PartsPerMillion>(random, {percent(0), percent(0), percent(40), percent(100)});
  for (const NodeId node : nodes) {
    if (random.chance(more)) picked.insert(node);
  }
  return picked;
}

Switch draw_switch(Random& random, PartsPerMillion on) { return random.chance(on) ? Switch::kOn : Switch::kOff; }

ClusterShape draw_shape(Random& random, const NemesisOptions& options) {
  ClusterShape shape;
  shape.voters = options.voters.value_or(pick<std::uint64_t>(random, {1, 2, 3, 3, 3, 3, 4, 5, 5, 5, 6, 7}));
  if (shape.voters >= 2) shape.witnesses = random.chance(percent(12)) ? 1 : 0;
  shape.learners = random.chance(percent(25)) ? random.between(1, 2) : 0;
  shape.spares = random.chance(percent(35)) ? random.between(1, 2) : 0;

  shape.election_timeout = random.between(Duration(150ms), Duration(500ms));
  shape.heartbeat_interval = shape.election_timeout / static_cast<std::int64_t>(random.between(3, 6));
  shape.pre_vote = draw_switch(random, percent(85));
  shape.check_quorum = draw_switch(random, percent(85));
  const bool may_lease = shape.pre_vote == Switch::kOn && shape.check_quorum == Switch::kOn;
  shape.lease_reads = draw_switch(random, may_lease ? percent(30) : percent(0));
  shape.clock_drift_ppm = pick<std::uint64_t>(random, {200, 1000, 20'000});

  shape.append_entries_max = pick<std::uint64_t>(random, {1, 3, 64, 4096});
  shape.append_bytes_max = pick<std::uint64_t>(random, {256, 4096, 1 << 20});
  shape.window_messages_max = pick<std::uint64_t>(random, {1, 2, 16, 128});
  shape.uncommitted_bytes_max = pick<std::uint64_t>(random, {2048, 1 << 20, 64 << 20});
  shape.trailing_bytes_max = pick<std::uint64_t>(random, {0, 512, 8192, 1 << 20});
  shape.snapshot_chunk_bytes = pick<std::uint64_t>(random, {200, 1000, 1 << 16});
  shape.checkpoint_entries = pick<std::uint64_t>(random, {5, 40, 300, 1'000'000});
  shape.segment_bytes = pick<std::uint64_t>(random, {1 << 14, 1 << 16, 1 << 18});

  const std::array<Duration, 4> hops{100us, 500us, 5ms, 30ms};
  const Duration hop = std::min(hops[random.below(hops.size())], shape.heartbeat_interval / 4);
  shape.network = {.shortest = hop / 2, .spread = hop, .slow = percent(1), .slow_spread = 4 * hop};
  const std::array<Duration, 3> writes{50us, 300us, 3ms};
  const Duration write = writes[random.below(writes.size())];
  shape.disk = {.shortest = write / 2, .spread = write, .slow = percent(1), .slow_spread = 10 * write};
  return shape;
}

class Drawer {
 public:
  Drawer(Random& random, Plan& plan, const NemesisOptions& options)
      : random_(random), plan_(plan), options_(options), roster_(plan.shape) {}

  void draw_faults() {
    for (std::size_t kind = 0; kind < kFaultKinds; ++kind) {
      if (!options_.faults.contains(kind) || !random_.chance(kKindEnabled)) continue;
      for (std::uint64_t count = random_.between(1, 6); count > 0; --count) draw(kind);
    }
    if (clocks_leave_the_bound_ && options_.keep_leases_beyond_drift == Switch::kOff) {
      plan_.shape.lease_reads = Switch::kOff;
    }
    std::ranges::stable_sort(plan_.faults, {}, &Fault::at);
  }

 private:
  /// Nodes that have data to lose and that can be brought back.
  [[nodiscard]] NodeSet full_members() const { return roster_.voters | roster_.learners; }

  WorldTime time() { return WorldTime{} + random_.between(kCalm, std::max(kCalm, plan_.duration - kCalm)); }
  Duration span(Duration shortest, Duration longest) { return random_.between(shortest, longest); }
  /// To be called with braces, which draw from left to right. Compilers order a function's arguments as they like.
  void add(Fault fault) { plan_.faults.push_back(std::move(fault)); }
  NodeId any() { return pick_node(random_, roster_.all()); }

  void draw(std::size_t kind) {
    using enum DiskFault;
    switch (kind) {
      case kFaultKind<fault::Links>: return draw_links();
      case kFaultKind<fault::Crash>: return draw_crash();
      case kFaultKind<fault::Pause>:
        return add({time(), span(20ms, 2s), fault::Pause{pick_nodes(random_, roster_.all())}});
      case kFaultKind<fault::Wipe>:
        return add({time(), span(50ms, 1s), fault::Wipe{pick_node(random_, full_members())}});
      case kFaultKind<fault::ClockDrift>: return draw_drift();
      case kFaultKind<fault::ClockJump>: return draw_jump();
      case kFaultKind<fault::DiskStall>: return add({time(), span(50ms, 3s), fault::DiskStall{any()}});
      case kFaultKind<fault::DiskSlow>:
        return add({time(), span(200ms, 4s),
                    fault::DiskSlow{any(), {.shortest = span(1ms, 20ms), .spread = span(1ms, 60ms)}}});
      case kFaultKind<fault::DiskTrouble>:
        return add({time(), span(100ms, 2s),
                    fault::DiskTrouble{any(), pick<DiskFault>(random_, {kReadError, kWriteError, kSyncError, kSyncError,
                                                                        kLostWrite, kMisdirectedWrite})}});
      case kFaultKind<fault::DiskFull>:
        return add({time(), span(100ms, 2s), fault::DiskFull{any(), random_.below(8192)}});
      case kFaultKind<fault::DiskRot>:
        return add({time(), span(50ms, 1s), fault::DiskRot{pick_node(random_, full_members()), random_.between(1, 4)}});
      case kFaultKind<fault::Interruption>: return draw_interruption();
      case kFaultKind<fault::Reshape>:
        // A leader that removes itself may leave a witness behind that outruns every voter with data.
        return plan_.shape.witnesses == 0 ? draw_reshape() : void();
      case kFaultKind<fault::Transfer>:
        return add({time(), 0ms, fault::Transfer{random_.chance(percent(30)) ? kNoNode : any()}});
      case kFaultKind<fault::Checkpoint>:
        return add({time(), 0ms, fault::Checkpoint{pick_nodes(random_, roster_.all())}});
      default: QUORATE_ASSERT(kind < kFaultKinds);
    }
  }

  void draw_links() {
    const auto trouble = static_cast<LinkTrouble>(random_.below(static_cast<std::uint64_t>(LinkTrouble::kCount)));
    for (Fault& fault : draw_link_trouble(random_, trouble, roster_.all(), time()))
      plan_.faults.push_back(std::move(fault));
  }

  void draw_crash() {
    fault::Crash crash;
    crash.nodes = pick_nodes(random_, roster_.all());
    crash.ending = static_cast<Ending>(random_.below(5));
    if (random_.chance(percent(50))) crash.at_operation = random_.between(1, 40);
    add({time(), span(20ms, 2s), crash});
  }

  /// It waits for a transfer, so it may wait for long.
  void draw_interruption() {
    fault::Interruption interruption;
    const bool strikes_sender = random_.chance(percent(40));
    if (strikes_sender) interruption.victim = fault::Interruption::Victim::kSender;
    interruption.piece = random_.between(1, 5);
    if (!strikes_sender && random_.chance(percent(40))) interruption.bits = random_.between(1, 3);
    interruption.down = span(5ms, 150ms);
    add({time(), span(2s, 8s), interruption});
  }

  void draw_drift() {
    const auto bound = static_cast<std::int64_t>(plan_.shape.clock_drift_ppm);
    const bool beyond = random_.chance(percent(50));
    // Two clocks may drift apart by the bound: each by half of it.
    const std::int64_t most = beyond ? 300'000 : bound / 2;
    clocks_leave_the_bound_ |= beyond;
    const auto ppm = static_cast<std::int64_t>(random_.below(static_cast<std::uint64_t>(2 * most + 1))) - most;
    add({time(), span(500ms, 5s), fault::ClockDrift{any(), {ppm}}});
  }

  void draw_jump() {
    clocks_leave_the_bound_ = true;
    add({time(), 0ms, fault::ClockJump{any(), random_.between(Duration(-1s), Duration(2s))}});
  }

  void draw_reshape() {
    const NodeSet candidates = roster_.voters | roster_.learners | roster_.spares;
    fault::Reshape reshape;
    for (const NodeId node : candidates) {
      switch (random_.below(5)) {
        case 0: break;
        case 1: reshape.learners.insert(node); break;
        default: reshape.voters.insert(node); break;
      }
    }
    if (reshape.voters.empty()) reshape.voters.insert(pick_node(random_, candidates));
    reshape.learners = reshape.learners - reshape.voters;
    reshape.patience = random_.chance(percent(50)) ? span(1ms, 200ms) : Duration{};
    add({time(), 0ms, reshape});
  }

  Random& random_;
  Plan& plan_;
  const NemesisOptions& options_;
  Roster roster_;
  bool clocks_leave_the_bound_ = false;
};

std::uint16_t draw_kind(Random& random, std::span<const OperationKind> kinds) {
  std::uint64_t total = 0;
  for (const OperationKind& kind : kinds) total += kind.weight;
  std::uint64_t at = random.below(total);
  std::uint16_t number = 0;
  while (at >= kinds[number].weight) at -= kinds[number++].weight;
  return number;
}

void draw_operations(Random& random, Plan& plan, const Subject& subject, const NemesisOptions& options) {
  const std::uint64_t clients = random.between(1, 8);
  const std::uint64_t keys = random.between(1, subject.keys_max);
  const std::uint64_t rate = random.between(20, std::max<std::uint64_t>(20, options.operations_per_second_max));
  const auto seconds = static_cast<std::uint64_t>(plan.duration / Duration(1s)) + 1;
  const std::uint64_t count = rate * seconds;
  for (std::uint64_t number = 0; number < count; ++number) {
    PlannedOperation operation;
    operation.at = WorldTime{} + plan.duration * static_cast<std::int64_t>(number) / static_cast<std::int64_t>(count);
    operation.id = static_cast<std::uint32_t>(number + 1);
    operation.client = static_cast<std::uint16_t>(random.below(clients));
    operation.kind = draw_kind(random, subject.kinds);
    operation.key = static_cast<std::uint32_t>(random.below(keys));
    operation.argument = static_cast<std::uint32_t>(random.below(1000));
    plan.operations.push_back(operation);
  }
}

}  // namespace

Result<FaultSelection> FaultSelection::parse(std::string_view text) {
  std::bitset<kFaultKinds> kinds;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    std::string_view word = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view{} : text.substr(comma + 1);
    if (word == "all") {
      kinds.set();
      continue;
    }
    if (word == "none") {
      kinds.reset();
      continue;
    }
    const bool is_taken_away = word.starts_with('-');
    if (is_taken_away) word.remove_prefix(1);
    std::string names;
    std::size_t kind = 0;
    for (; kind < kFaultKinds && word != name_of_fault(kind); ++kind) names += std::string(", ") + name_of_fault(kind);
    if (kind == kFaultKinds) {
      return fail(ErrorKind::kInvalidArgument,
                  "there is no kind of fault \"" + std::string(word) + "\"; there are all, none" + names);
    }
    kinds.set(kind, !is_taken_away);
  }
  return FaultSelection(kinds);
}

Plan draw_plan(std::uint64_t seed, const Subject& subject, const NemesisOptions& options) {
  const Random source(seed);
  // One generator per part: drawing more of one leaves the others as they are.
  Random for_shape = source.fork(1);
  Random for_faults = source.fork(2);
  Random for_operations = source.fork(3);

  Plan plan;
  plan.application = subject.name;
  plan.seed = seed;
  plan.duration = options.duration;
  plan.shape = draw_shape(for_shape, options);
  const bool is_calm = for_faults.chance(kFaultFree);
  if (!is_calm) Drawer(for_faults, plan, options).draw_faults();
  draw_operations(for_operations, plan, subject, options);
  return plan;
}

}  // namespace quorate::sim
