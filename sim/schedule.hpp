// A run, as a value: what the cluster is like, what goes wrong and when, and what its clients do. A plan is drawn from
// a seed (nemesis.hpp), can be written down, cut down (shrink.hpp) and carried out again (run.hpp) without the seed's
// help: what happens is a function of the plan alone.
//
// A fault is one thing with a beginning and an end, so that taking it out of a plan leaves nothing half done.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "consensus/options.hpp"
#include "sim/clock.hpp"
#include "sim/disk.hpp"
#include "sim/network.hpp"
#include "sim/node_set.hpp"

namespace quorate::sim {

/// How a process ends: killed, while the machine and its page cache go on, or with the power, when what was not synced
/// meets one of the fates of disk.hpp.
enum class Ending : std::uint8_t { kKill, kKeepAll, kDropAll, kTear, kReorder };

/// One direction of the links between two groups.
struct Arc {
  NodeSet from;
  NodeSet to;
  friend bool operator==(const Arc&, const Arc&) = default;
};

/// A name for the kind of network trouble, for people and for coverage; the arcs and the effect say what happens.
enum class LinkTrouble : std::uint8_t {
  kHalves,    ///< two groups that cannot hear each other
  kOneWay,    ///< one group is not heard by the other
  kBridge,    ///< two groups with one node between that sees both
  kRing,      ///< everybody sees only the next ones: every node another majority
  kIsolated,  ///< one node alone
  kFlapping,  ///< one of many short cuts in a row
  kClogged,   ///< what is sent waits and arrives all at once
  kSwizzled,  ///< nodes clogged one after the other, unclogged in another order
  kSlow,
  kLossy,
  kDuplicating,
  kReordering,
  kCorrupting,
  kNarrow,
  kCount,
};
inline constexpr std::array<const char*, static_cast<std::size_t>(LinkTrouble::kCount)> kLinkTroubleNames{
    "halves",   "one-way", "bridge", "ring",        "isolated",   "flapping",   "clogged",
    "swizzled", "slow",    "lossy",  "duplicating", "reordering", "corrupting", "narrow"};

namespace fault {

struct Links {
  LinkTrouble trouble = LinkTrouble::kHalves;
  std::vector<Arc> arcs;
  LinkFault effect;
  friend bool operator==(const Links&, const Links&) = default;
};
/// The processes end, and start again when the fault ends.
struct Crash {
  NodeSet nodes;
  Ending ending = Ending::kDropAll;
  /// 0: at once. Otherwise each node crashes at its n-th file operation from now on, or when the fault is half over.
  std::uint64_t at_operation = 0;
  friend bool operator==(const Crash&, const Crash&) = default;
};
/// The processes stand still (SIGSTOP); what arrives meanwhile is there when they go on.
struct Pause {
  NodeSet nodes;
  friend bool operator==(const Pause&, const Pause&) = default;
};
/// The process ends and its disk is lost; when the fault ends, an empty node with a new incarnation takes its place.
struct Wipe {
  NodeId node;
  friend bool operator==(const Wipe&, const Wipe&) = default;
};
struct ClockDrift {
  NodeId node;
  DriftPpm drift;
  friend bool operator==(const ClockDrift&, const ClockDrift&) = default;
};
struct ClockJump {
  NodeId node;
  Duration by{};
  friend bool operator==(const ClockJump&, const ClockJump&) = default;
};
/// Nothing that the disk is asked for completes.
struct DiskStall {
  NodeId node;
  friend bool operator==(const DiskStall&, const DiskStall&) = default;
};
struct DiskSlow {
  NodeId node;
  DelayLaw law;
  friend bool operator==(const DiskSlow&, const DiskSlow&) = default;
};
/// One operation goes wrong. A node that notices stops itself, and is started again when the fault ends.
struct DiskTrouble {
  NodeId node;
  DiskFault fault = DiskFault::kSyncError;
  friend bool operator==(const DiskTrouble&, const DiskTrouble&) = default;
};
/// Almost no space is left while the fault lasts. The node stops itself when it needs more, and is started again.
struct DiskFull {
  NodeId node;
  std::uint64_t bytes_left = 0;
  friend bool operator==(const DiskFull&, const DiskFull&) = default;
};
/// The node crashes, and when the fault ends and it starts again, bits of what was durable have turned.
struct DiskRot {
  NodeId node;
  std::uint64_t bits = 1;
  friend bool operator==(const DiskRot&, const DiskRot&) = default;
};
/// While the fault lasts, the n-th piece of a snapshot that any node is about to store finds one end of its transfer
/// gone: that node crashes, and starts again soon.
struct Interruption {
  enum class Victim : std::uint8_t { kReceiver, kSender } victim = Victim::kReceiver;
  std::uint64_t piece = 1;
  std::uint64_t bits = 0;  ///< of the pieces that a receiver has stored turn meanwhile
  Duration down{};
  friend bool operator==(const Interruption&, const Interruption&) = default;
};
/// From now on an operator wants this membership; witnesses stay what they are.
struct Reshape {
  NodeSet voters;
  NodeSet learners;
  Duration patience{};  ///< a change that takes longer is given up; zero: never
  friend bool operator==(const Reshape&, const Reshape&) = default;
};
struct Transfer {
  NodeId target;  ///< kNoNode: the best there is
  friend bool operator==(const Transfer&, const Transfer&) = default;
};
struct Checkpoint {
  NodeSet nodes;
  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};

}  // namespace fault

using FaultBody = std::variant<fault::Links, fault::Crash, fault::Pause, fault::Wipe, fault::ClockDrift,
                               fault::ClockJump, fault::DiskStall, fault::DiskSlow, fault::DiskTrouble, fault::DiskFull,
                               fault::DiskRot, fault::Interruption, fault::Reshape, fault::Transfer, fault::Checkpoint>;
inline constexpr std::size_t kFaultKinds = std::variant_size_v<FaultBody>;
/// The number of a kind.
template <class Body, std::size_t kAt = 0>
[[nodiscard]] consteval std::size_t fault_kind() {
  if constexpr (std::is_same_v<std::variant_alternative_t<kAt, FaultBody>, Body>) {
    return kAt;
  } else {
    return fault_kind<Body, kAt + 1>();
  }
}
template <class Body>
inline constexpr std::size_t kFaultKind = fault_kind<Body>();
/// "crash", "disk-stall", ...
[[nodiscard]] const char* name_of_fault(std::size_t kind);
[[nodiscard]] const char* name_of(LinkTrouble trouble);

struct Fault {
  WorldTime at{};
  Duration lasts{};
  FaultBody body;

  [[nodiscard]] WorldTime until() const { return at + lasts; }
  friend bool operator==(const Fault&, const Fault&) = default;
};
/// The nodes that it concerns; all that are named.
[[nodiscard]] NodeSet nodes_of(const Fault& fault);
/// One line for a person: "2.100 s + 800 ms: crash n2 n3, unsynced writes torn".
[[nodiscard]] std::string describe(const Fault& fault);

/// What the cluster is like. Node ids are given out in the order voters, witnesses, learners, spares; spares are empty
/// machines that a Reshape may bring in.
struct ClusterShape {
  std::uint64_t voters = 3;
  std::uint64_t witnesses = 0;
  std::uint64_t learners = 0;
  std::uint64_t spares = 0;

  Duration heartbeat_interval = std::chrono::milliseconds(75);
  Duration election_timeout = std::chrono::milliseconds(300);
  Switch pre_vote = Switch::kOn;
  Switch check_quorum = Switch::kOn;
  Switch lease_reads = Switch::kOff;
  std::uint64_t clock_drift_ppm = 1000;

  std::uint64_t append_bytes_max = 1 << 20;
  std::uint64_t append_entries_max = 4096;
  std::uint64_t window_messages_max = 128;
  std::uint64_t uncommitted_bytes_max = 64 << 20;
  std::uint64_t trailing_bytes_max = 1 << 20;
  std::uint64_t snapshot_chunk_bytes = 1 << 16;
  std::uint64_t checkpoint_entries = 1'000'000;
  std::uint64_t segment_bytes = 1 << 20;

  DelayLaw network{std::chrono::microseconds(200), std::chrono::microseconds(300), {}, {}};
  DelayLaw disk{std::chrono::microseconds(100), std::chrono::microseconds(200), {}, {}};

  [[nodiscard]] std::uint64_t nodes() const { return voters + witnesses + learners + spares; }
  friend bool operator==(const ClusterShape&, const ClusterShape&) = default;
};

/// What one client does next, not before `at` and not before its previous operation has ended. What the numbers mean is
/// up to the application's workload (workload.hpp); `id` makes written values unique.
struct PlannedOperation {
  WorldTime at{};
  std::uint32_t id = 0;
  std::uint16_t client = 0;
  std::uint16_t kind = 0;
  std::uint32_t key = 0;
  std::uint32_t argument = 0;

  friend bool operator==(const PlannedOperation&, const PlannedOperation&) = default;
};

struct Plan {
  std::string application;
  std::uint64_t seed = 0;  ///< of everything that is still drawn while running: delays, fates, jitter
  Duration duration = std::chrono::seconds(10);  ///< of the phase with faults; then they are healed
  ClusterShape shape;
  std::vector<Fault> faults;                 ///< by time
  std::vector<PlannedOperation> operations;  ///< by time

  friend bool operator==(const Plan&, const Plan&) = default;
};

/// One JSON object, one fault and one operation per line.
[[nodiscard]] std::string to_json(const Plan& plan);
/// Names the place of what is wrong.
[[nodiscard]] Result<Plan> plan_from_json(std::string_view text);

}  // namespace quorate::sim
