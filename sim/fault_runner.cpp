#include "sim/fault_runner.hpp"

#include <algorithm>
#include <string>

#include "consensus/assert.hpp"

namespace quorate::sim {

namespace {

constexpr std::uint64_t kRotPurpose = 0x726f74;

/// Whether the disk says that all is well.
bool is_silent(const fault::DiskTrouble& trouble) {
  return trouble.fault == DiskFault::kLostWrite || trouble.fault == DiskFault::kMisdirectedWrite;
}

}  // namespace

FaultRunner::FaultRunner(Cluster& cluster, Operator& membership, const ClusterShape& shape, Budget budget)
    : cluster_(cluster),
      operator_(membership),
      shape_(shape),
      budget_(budget),
      atlas_(cluster),
      random_(cluster.world().randomness(kRotPurpose)),
      transfers_([this](NodeId receiver, NodeId sender) { piece_arrives(receiver, sender); }) {
  cluster.add_observer(transfers_);
  if (budget == Budget::kWithin) membership.consult(atlas_);
}

void FaultRunner::schedule(const std::vector<Fault>& faults) {
  QUORATE_ASSERT(faults_ == nullptr);
  faults_ = &faults;
  active_.resize(faults.size());
  for (std::size_t number = 0; number < faults.size(); ++number) {
    cluster_.world().at(faults[number].at, [this, number] { begin(number); });
  }
}

void FaultRunner::begin(std::size_t number) {
  if (over_) return;
  const Fault& fault = (*faults_)[number];
  const FaultId id{number + 1};
  const bool happens = std::visit([&](const auto& body) { return begin(id, fault, body); }, fault.body);
  Counts& counts = counts_[fault.body.index()];
  ++(happens ? counts.begun : counts.withheld);
  if (reporter_) reporter_(fault, happens ? Stage::kBegun : Stage::kWithheld);
  if (!happens) return;
  active_[number] = true;
  cluster_.world().at(std::max(fault.until(), cluster_.world().now()), [this, number] { end(number); });
}

void FaultRunner::end(std::size_t number) {
  if (!active_[number]) return;
  active_[number] = false;
  const Fault& fault = (*faults_)[number];
  std::visit([&](const auto& body) { end(FaultId{number + 1}, body); }, fault.body);
  if (reporter_) reporter_(fault, Stage::kEnded);
}

void FaultRunner::end_all() {
  over_ = true;
  for (std::size_t number = 0; number < active_.size(); ++number) end(number);
  operator_.give_up_after(Duration::zero());
}

void FaultRunner::revive(NodeId node) {
  Host& host = cluster_.host(node);
  if (kept_down_[node.value] > 0 || host.state() == Host::State::kRunning || host.state() == Host::State::kPaused)
    return;
  if (host.state() == Host::State::kStopped) host.end(Ending::kKill);
  cluster_.launch(node);
  if (host.state() != Host::State::kDown) return;
  // Refused, and said why: a person would bring in an empty node in its place.
  cluster_.wipe(node);
  cluster_.launch(node);
}

bool FaultRunner::may_damage(NodeId node) {
  if (budget_ == Budget::kWithin && !atlas_.may_damage(node)) return false;
  atlas_.damaged(node);
  return true;
}

bool FaultRunner::begin(FaultId id, const Fault&, const fault::Links& links) {
  for (const Arc& arc : links.arcs) cluster_.network().lay(id, arc.from, arc.to, links.effect);
  return !links.arcs.empty();
}
void FaultRunner::end(FaultId id, const fault::Links&) { cluster_.network().lift(id); }

bool FaultRunner::begin(FaultId, const Fault& fault, const fault::Crash& crash) {
  bool happens = false;
  for (const NodeId node : crash.nodes) {
    Host& host = cluster_.host(node);
    if (host.process() == nullptr) continue;
    happens = true;
    if (crash.at_operation == 0) {
      host.end(crash.ending);
      continue;
    }
    host.end_at_operation(crash.at_operation, crash.ending);
    // An idle disk may never come to that operation.
    const std::uint64_t life = host.launches();
    cluster_.world().at(fault.at + fault.lasts / 2, [&host, life, ending = crash.ending] {
      if (host.launches() == life && host.process() != nullptr) host.end(ending);
    });
  }
  if (happens) {
    for (const NodeId node : crash.nodes) ++kept_down_[node.value];
  }
  return happens;
}
void FaultRunner::end(FaultId, const fault::Crash& crash) {
  for (const NodeId node : crash.nodes) {
    --kept_down_[node.value];
    if (Host& host = cluster_.host(node); crash.at_operation != 0 && host.process() != nullptr) host.end(crash.ending);
    revive(node);
  }
}

bool FaultRunner::begin(FaultId, const Fault&, const fault::Pause& pause) {
  bool happens = false;
  for (const NodeId node : pause.nodes) {
    happens |= cluster_.host(node).is_running();
    cluster_.host(node).pause();
  }
  return happens;
}
void FaultRunner::end(FaultId, const fault::Pause& pause) {
  for (const NodeId node : pause.nodes) cluster_.host(node).resume();
}

bool FaultRunner::begin(FaultId, const Fault&, const fault::Wipe& wipe) {
  if (!may_damage(wipe.node)) return false;
  cluster_.wipe(wipe.node);
  ++kept_down_[wipe.node.value];
  return true;
}
void FaultRunner::end(FaultId, const fault::Wipe& wipe) {
  --kept_down_[wipe.node.value];
  revive(wipe.node);
}

bool FaultRunner::begin(FaultId, const Fault&, const fault::ClockDrift& drift) {
  cluster_.host(drift.node).clock().set_drift(drift.drift);
  return true;
}
void FaultRunner::end(FaultId, const fault::ClockDrift& drift) { cluster_.host(drift.node).clock().set_drift({}); }

bool FaultRunner::begin(FaultId, const Fault&, const fault::ClockJump& jump) {
  cluster_.host(jump.node).clock().jump(jump.by);
  return true;
}

bool FaultRunner::begin(FaultId, const Fault&, const fault::DiskStall& stall) {
  cluster_.host(stall.node).stall_disk();
  return true;
}
void FaultRunner::end(FaultId, const fault::DiskStall& stall) { cluster_.host(stall.node).unstall_disk(); }

bool FaultRunner::begin(FaultId, const Fault&, const fault::DiskSlow& slow) {
  cluster_.host(slow.node).set_disk_law(slow.law);
  return true;
}
void FaultRunner::end(FaultId, const fault::DiskSlow& slow) { cluster_.host(slow.node).set_disk_law(shape_.disk); }

bool FaultRunner::begin(FaultId, const Fault&, const fault::DiskTrouble& trouble) {
  if (is_silent(trouble) && !may_damage(trouble.node)) return false;
  if (is_silent(trouble)) {
    atlas_.begin_silent_damage(trouble.node);
    cluster_.expect_damage(trouble.node);
  } else {
    cluster_.expect_stop(trouble.node);
  }
  cluster_.host(trouble.node).files().arm(trouble.fault);
  ++kept_down_[trouble.node.value];  // whatever ends the process meanwhile
  return true;
}
void FaultRunner::end(FaultId, const fault::DiskTrouble& trouble) {
  cluster_.host(trouble.node).files().disarm();
  if (is_silent(trouble)) atlas_.end_silent_damage(trouble.node);
  --kept_down_[trouble.node.value];
  revive(trouble.node);
}

bool FaultRunner::begin(FaultId, const Fault&, const fault::DiskFull& full) {
  cluster_.host(full.node).limit_disk(full.bytes_left);
  cluster_.expect_stop(full.node);
  ++kept_down_[full.node.value];
  return true;
}
void FaultRunner::end(FaultId, const fault::DiskFull& full) {
  cluster_.host(full.node).unlimit_disk();
  --kept_down_[full.node.value];
  revive(full.node);
}

bool FaultRunner::begin(FaultId, const Fault&, const fault::DiskRot& rot) {
  if (cluster_.host(rot.node).process() == nullptr || !may_damage(rot.node)) return false;
  cluster_.expect_damage(rot.node);
  cluster_.end(rot.node, Ending::kKeepAll);
  turn_bits(rot.node, rot.bits, "");
  ++kept_down_[rot.node.value];
  return true;
}
void FaultRunner::end(FaultId, const fault::DiskRot& rot) {
  --kept_down_[rot.node.value];
  revive(rot.node);
}

void FaultRunner::turn_bits(NodeId node, std::uint64_t bits, std::string_view pattern) {
  SimFiles& files = cluster_.host(node).files();
  std::vector<std::string> names = files.durable_files();
  std::erase_if(names, [&](const std::string& name) { return name.find(pattern) == std::string::npos; });
  std::vector<std::uint64_t> ends;  // of the files laid end to end
  std::uint64_t bytes = 0;
  for (const std::string& name : names) ends.push_back(bytes += files.durable_bytes(name).size());
  if (bytes == 0) return;
  for (; bits > 0; --bits) {
    const std::uint64_t at = random_.below(bytes);
    const auto file = static_cast<std::size_t>(std::ranges::upper_bound(ends, at) - ends.begin());
    const std::uint64_t begin = file == 0 ? 0 : ends[file - 1];
    files.flip_bit(names[file], at - begin, static_cast<unsigned>(random_.below(8)));
  }
}

bool FaultRunner::begin(FaultId id, const Fault&, const fault::Interruption& interruption) {
  interruptions_[id] = {interruption, 0, kNoNode};
  return true;
}
void FaultRunner::end(FaultId id, const fault::Interruption&) {
  end_interruption(id);
  interruptions_.erase(id);
}

/// The cluster is in the middle of a step: what is to happen to it, happens behind that.
void FaultRunner::piece_arrives(NodeId receiver, NodeId sender) {
  for (auto& [fault, armed] : interruptions_) {
    if (++armed.pieces != armed.fault.piece) continue;
    const auto interruption = [this, id = fault, receiver, sender] { interrupt(id, receiver, sender); };
    cluster_.world().at(cluster_.world().now(), interruption);
  }
}

void FaultRunner::interrupt(FaultId id, NodeId receiver, NodeId sender) {
  const auto armed = interruptions_.find(id);
  if (armed == interruptions_.end()) return;
  const fault::Interruption& fault = armed->second.fault;
  const NodeId victim = fault.victim == fault::Interruption::Victim::kReceiver ? receiver : sender;
  if (cluster_.host(victim).process() == nullptr) return;
  cluster_.end(victim, Ending::kKeepAll);
  turn_bits(victim, fault.bits, "incoming");
  armed->second.down = victim;
  ++kept_down_[victim.value];
  cluster_.world().at(cluster_.world().now() + fault.down, [this, id] { end_interruption(id); });
}

void FaultRunner::end_interruption(FaultId id) {
  const auto armed = interruptions_.find(id);
  if (armed == interruptions_.end() || armed->second.down == kNoNode) return;
  const NodeId victim = std::exchange(armed->second.down, kNoNode);
  --kept_down_[victim.value];
  revive(victim);
}

bool FaultRunner::begin(FaultId, const Fault&, const fault::Reshape& reshape) {
  operator_.give_up_after(reshape.patience);
  operator_.want(reshape.voters, reshape.learners);
  return true;
}

bool FaultRunner::begin(FaultId, const Fault&, const fault::Transfer& transfer) {
  const NodeId leader = cluster_.leader();
  if (leader == kNoNode) return false;
  Host& host = cluster_.host(leader);
  host.on_strand(
      [&host, target = transfer.target] { host.process()->transfer_leadership(target, [](const ProposalResult&) {}); });
  return true;
}

bool FaultRunner::begin(FaultId, const Fault&, const fault::Checkpoint& checkpoint) {
  for (const NodeId node : checkpoint.nodes) {
    Host& host = cluster_.host(node);
    host.on_strand([&host] { host.process()->checkpoint(); });
  }
  return true;
}

}  // namespace quorate::sim
