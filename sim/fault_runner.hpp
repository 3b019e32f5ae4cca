// Carries out the faults of a plan on a cluster, each from its beginning to its end, and knows how to end all of them
// at once. A destructive fault that would exceed the budget (fault_atlas.hpp) is withheld; so is one that finds nothing
// to act on.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string_view>
#include <vector>

#include "sim/cluster.hpp"
#include "sim/fault_atlas.hpp"
#include "sim/operator.hpp"
#include "sim/schedule.hpp"
#include "sim/transfer_watch.hpp"

namespace quorate::sim {

enum class Budget : std::uint8_t {
  kWithin,  ///< every entry stays intact on a quorum
  kBeyond,  ///< no care is taken
};

class FaultRunner {
 public:
  /// What came of the faults of one kind.
  struct Counts {
    std::uint64_t begun = 0;
    std::uint64_t withheld = 0;
  };
  enum class Stage : std::uint8_t { kBegun, kEnded, kWithheld };
  using Reporter = std::function<void(const Fault&, Stage)>;

  FaultRunner(Cluster& cluster, Operator& membership, const ClusterShape& shape, Budget budget);
  FaultRunner(const FaultRunner&) = delete;
  FaultRunner& operator=(const FaultRunner&) = delete;

  void report_to(Reporter reporter) { reporter_ = std::move(reporter); }
  /// `faults` must stay as they are while this exists.
  void schedule(const std::vector<Fault>& faults);
  /// Ends everything that lasts, and begins nothing any more.
  void end_all();
  /// Starts what is down, and what has stopped itself. A node whose disk is beyond repair becomes an empty one.
  void revive(NodeId node);

  [[nodiscard]] FaultAtlas& atlas() { return atlas_; }
  [[nodiscard]] const std::array<Counts, kFaultKinds>& counts() const { return counts_; }

 private:
  void begin(std::size_t number);
  void end(std::size_t number);

  // One pair per kind; begin() says whether anything happens.
  bool begin(FaultId id, const Fault&, const fault::Links&);
  bool begin(FaultId id, const Fault&, const fault::Crash&);
  bool begin(FaultId id, const Fault&, const fault::Pause&);
  bool begin(FaultId id, const Fault&, const fault::Wipe&);
  bool begin(FaultId id, const Fault&, const fault::ClockDrift&);
  bool begin(FaultId id, const Fault&, const fault::ClockJump&);
  bool begin(FaultId id, const Fault&, const fault::DiskStall&);
  bool begin(FaultId id, const Fault&, const fault::DiskSlow&);
  bool begin(FaultId id, const Fault&, const fault::DiskTrouble&);
  bool begin(FaultId id, const Fault&, const fault::DiskFull&);
  bool begin(FaultId id, const Fault&, const fault::DiskRot&);
  bool begin(FaultId id, const Fault&, const fault::Interruption&);
  bool begin(FaultId id, const Fault&, const fault::Reshape&);
  bool begin(FaultId id, const Fault&, const fault::Transfer&);
  bool begin(FaultId id, const Fault&, const fault::Checkpoint&);
  void end(FaultId id, const fault::Links&);
  void end(FaultId id, const fault::Crash&);
  void end(FaultId id, const fault::Pause&);
  void end(FaultId id, const fault::Wipe&);
  void end(FaultId id, const fault::ClockDrift&);
  void end(FaultId id, const fault::DiskStall&);
  void end(FaultId id, const fault::DiskSlow&);
  void end(FaultId id, const fault::DiskTrouble&);
  void end(FaultId id, const fault::DiskFull&);
  void end(FaultId id, const fault::DiskRot&);
  void end(FaultId id, const fault::Interruption&);
  template <class Body>
  void end(FaultId, const Body&) {}

  [[nodiscard]] bool may_damage(NodeId node);
  /// In files whose name contains `pattern`.
  void turn_bits(NodeId node, std::uint64_t bits, std::string_view pattern);
  void piece_arrives(NodeId receiver, NodeId sender);
  void interrupt(FaultId id, NodeId receiver, NodeId sender);
  void end_interruption(FaultId id);

  Cluster& cluster_;
  Operator& operator_;
  const ClusterShape& shape_;
  Budget budget_;
  FaultAtlas atlas_;
  Random random_;
  TransferWatch transfers_;
  struct ArmedInterruption {
    fault::Interruption fault;
    std::uint64_t pieces = 0;  ///< seen since it began
    NodeId down;               ///< kNoNode: nobody yet, or not any more
  };
  std::map<FaultId, ArmedInterruption> interruptions_;
  Reporter reporter_;
  const std::vector<Fault>* faults_ = nullptr;
  std::vector<bool> active_;
  std::array<std::uint64_t, kNodesMax + 1> kept_down_{};  ///< by how many faults
  bool over_ = false;
  std::array<Counts, kFaultKinds> counts_{};
};

}  // namespace quorate::sim
