// Whether a plan can be carried out. Plans that are drawn always can; a file may hold anything.
#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "sim/cluster.hpp"
#include "sim/run.hpp"

namespace quorate::sim {

namespace {

using namespace std::chrono_literals;

constexpr Duration kRunMax = 24h;
constexpr Duration kDelayMax = 1h;
constexpr std::int64_t kDriftPpmMax = 900'000;
/// What the write-ahead log needs of a segment to write anything at all.
constexpr std::uint64_t kSegmentBytesMin = 4096;

Result<void> invalid(std::string what) { return fail(ErrorKind::kInvalidArgument, std::move(what)); }

bool is_sound(Duration duration, Duration most) { return duration >= Duration::zero() && duration <= most; }

bool is_sound(const DelayLaw& law) {
  return is_sound(law.shortest, kDelayMax) && is_sound(law.spread, kDelayMax) && is_sound(law.slow_spread, kDelayMax);
}

/// What is particular to one kind of fault.
struct IsSound {
  bool operator()(const fault::Links& links) const { return is_sound(links.effect.delay); }
  bool operator()(const fault::ClockDrift& drift) const {
    return drift.drift.value >= -kDriftPpmMax && drift.drift.value <= kDriftPpmMax;
  }
  bool operator()(const fault::ClockJump& jump) const { return jump.by >= -kDelayMax && jump.by <= kDelayMax; }
  bool operator()(const fault::Interruption& interruption) const { return is_sound(interruption.down, kDelayMax); }
  bool operator()(const fault::DiskSlow& slow) const { return is_sound(slow.law); }
  bool operator()(const fault::Reshape& reshape) const {
    return !reshape.voters.empty() && (reshape.voters & reshape.learners).empty() &&
           is_sound(reshape.patience, kRunMax);
  }
  template <class Body>
  bool operator()(const Body&) const {
    return true;
  }
};

Result<void> validate(const ClusterShape& shape) {
  const std::uint64_t counts[] = {shape.voters, shape.witnesses, shape.learners, shape.spares};
  const bool is_small = std::ranges::all_of(counts, [](std::uint64_t count) { return count <= kNodesMax; });
  if (shape.voters == 0 || !is_small || shape.nodes() > kNodesMax) {
    return invalid(fmt::format("a cluster has 1 to {} nodes, one of them a voter", kNodesMax));
  }
  if (auto sound = quorate::validate(node_options(shape, NodeId{1}, 0).core); !sound) return sound;
  if (shape.segment_bytes < kSegmentBytesMin) {
    return invalid(fmt::format("a segment of the log takes at least {} bytes", kSegmentBytesMin));
  }
  if (!is_sound(shape.network) || !is_sound(shape.disk)) return invalid("a delay is negative or longer than an hour");
  return {};
}

}  // namespace

Result<void> validate(const Plan& plan, const Subject& subject) {
  if (plan.application != subject.name) {
    return invalid(fmt::format("the plan is for {}, not for {}", plan.application, subject.name));
  }
  if (!is_sound(plan.duration, kRunMax)) return invalid("a run takes from nothing to 24 hours");
  if (auto sound = validate(plan.shape); !sound) return sound;
  const NodeSet nodes = NodeSet::first(plan.shape.nodes());
  for (const Fault& fault : plan.faults) {
    if (!(nodes_of(fault) - nodes).empty()) return invalid("there is no such node: " + describe(fault));
    const bool is_in_time = is_sound(fault.at.time_since_epoch(), kRunMax) && is_sound(fault.lasts, kRunMax);
    if (!is_in_time || !std::visit(IsSound{}, fault.body)) return invalid("out of bounds: " + describe(fault));
  }
  std::set<std::uint32_t> ids;
  for (const PlannedOperation& operation : plan.operations) {
    const bool is_known = operation.kind < subject.kinds.size() && operation.key < subject.keys_max &&
                          operation.client < kClientsMax && operation.id < kPlannedIdsMax;
    if (!is_known || !is_sound(operation.at.time_since_epoch(), kRunMax)) {
      return invalid(fmt::format("operation {}: there is no such time, client, kind, key or id", operation.id));
    }
    if (!ids.insert(operation.id).second) return invalid(fmt::format("two operations have the id {}", operation.id));
  }
  return {};
}

}  // namespace quorate::sim
