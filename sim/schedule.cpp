#include "sim/schedule.hpp"

#include <utility>

#include <fmt/format.h>

namespace quorate::sim {

namespace {

constexpr std::array<const char*, kFaultKinds> kFaultNames{
    "links",        "crash",     "pause",    "wipe",         "clock-drift", "clock-jump", "disk-stall", "disk-slow",
    "disk-trouble", "disk-full", "disk-rot", "interruption", "reshape",     "transfer",   "checkpoint"};

std::string show(NodeSet nodes) {
  std::string text;
  for (const NodeId node : nodes) text += fmt::format("{}n{}", text.empty() ? "" : " ", node.value);
  return text.empty() ? "nobody" : text;
}

std::string show(Duration duration) {
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
  return us % 1000 == 0 ? fmt::format("{} ms", us / 1000) : fmt::format("{} us", us);
}

const char* show(Ending ending) {
  switch (ending) {
    case Ending::kKill: return "process killed";
    case Ending::kKeepAll: return "unsynced writes kept";
    case Ending::kDropAll: return "unsynced writes lost";
    case Ending::kTear: return "unsynced writes torn";
    case Ending::kReorder: return "unsynced writes reordered";
  }
  return "?";
}

const char* show(DiskFault fault) {
  switch (fault) {
    case DiskFault::kReadError: return "fails a read";
    case DiskFault::kWriteError: return "fails a write";
    case DiskFault::kSyncError: return "fails a sync";
    case DiskFault::kLostWrite: return "loses a write";
    case DiskFault::kMisdirectedWrite: return "writes to the wrong place";
  }
  return "?";
}

struct Nodes {
  NodeSet operator()(const fault::Links& links) const {
    NodeSet nodes;
    for (const Arc& arc : links.arcs) nodes = nodes | arc.from | arc.to;
    return nodes;
  }
  NodeSet operator()(const fault::Reshape& reshape) const { return reshape.voters | reshape.learners; }
  NodeSet operator()(const fault::Transfer& transfer) const {
    return transfer.target == kNoNode ? NodeSet{} : NodeSet{transfer.target};
  }
  /// Those of whichever transfer is under way.
  NodeSet operator()(const fault::Interruption&) const { return {}; }
  template <class Body>
  NodeSet operator()(const Body& body) const {
    if constexpr (requires { body.nodes; }) {
      return body.nodes;
    } else {
      return {body.node};
    }
  }
};

struct Describe {
  std::string operator()(const fault::Links& links) const {
    std::string text = fmt::format("links {}:", name_of(links.trouble));
    for (const Arc& arc : links.arcs) text += fmt::format(" [{} -> {}]", show(arc.from), show(arc.to));
    return text;
  }
  std::string operator()(const fault::Crash& crash) const {
    const std::string when = crash.at_operation == 0 ? "" : fmt::format(" at file operation {}", crash.at_operation);
    return fmt::format("crash {}{}, {}", show(crash.nodes), when, show(crash.ending));
  }
  std::string operator()(const fault::Pause& pause) const { return "pause " + show(pause.nodes); }
  std::string operator()(const fault::Wipe& wipe) const { return fmt::format("wipe n{}", wipe.node.value); }
  std::string operator()(const fault::ClockDrift& drift) const {
    return fmt::format("clock of n{} drifts by {} ppm", drift.node.value, drift.drift.value);
  }
  std::string operator()(const fault::ClockJump& jump) const {
    return fmt::format("clock of n{} jumps by {}", jump.node.value, show(jump.by));
  }
  std::string operator()(const fault::DiskStall& stall) const {
    return fmt::format("disk of n{} hangs", stall.node.value);
  }
  std::string operator()(const fault::DiskSlow& slow) const {
    return fmt::format("disk of n{} takes up to {}", slow.node.value, show(slow.law.shortest + slow.law.spread));
  }
  std::string operator()(const fault::DiskTrouble& trouble) const {
    return fmt::format("disk of n{} {}", trouble.node.value, show(trouble.fault));
  }
  std::string operator()(const fault::DiskFull& full) const {
    return fmt::format("disk of n{} has {} bytes left", full.node.value, full.bytes_left);
  }
  std::string operator()(const fault::DiskRot& rot) const {
    return fmt::format("{} bits on the disk of n{} turn", rot.bits, rot.node.value);
  }
  std::string operator()(const fault::Interruption& interruption) const {
    const bool is_receiver = interruption.victim == fault::Interruption::Victim::kReceiver;
    const std::string rot = interruption.bits == 0 ? "" : fmt::format(", {} bits of it turn", interruption.bits);
    return fmt::format("piece {} of snapshots finds its {} crash for {}{}", interruption.piece,
                       is_receiver ? "receiver" : "sender", show(interruption.down), rot);
  }
  std::string operator()(const fault::Reshape& reshape) const {
    std::string text = "voters become " + show(reshape.voters);
    if (!reshape.learners.empty()) text += ", learners " + show(reshape.learners);
    return text;
  }
  std::string operator()(const fault::Transfer& transfer) const {
    return transfer.target == kNoNode ? std::string("leadership is handed over")
                                      : fmt::format("leadership is handed to n{}", transfer.target.value);
  }
  std::string operator()(const fault::Checkpoint& checkpoint) const {
    return "checkpoint on " + show(checkpoint.nodes);
  }
};

}  // namespace

const char* name_of_fault(std::size_t kind) { return kFaultNames.at(kind); }
const char* name_of(LinkTrouble trouble) { return kLinkTroubleNames.at(static_cast<std::size_t>(trouble)); }

NodeSet nodes_of(const Fault& fault) { return std::visit(Nodes{}, fault.body); }

std::string describe(const Fault& fault) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(fault.at.time_since_epoch()).count();
  return fmt::format("{}.{:03} s + {}: {}", ms / 1000, ms % 1000, show(fault.lasts),
                     std::visit(Describe{}, fault.body));
}

}  // namespace quorate::sim
