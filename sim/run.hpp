// Carries out a plan from beginning to end, and says what came of it.
//
// First the phase with faults: clients work, the nemesis disturbs them, and after every event the invariants U1-U9 are
// checked. Then everything is healed but for some nodes that stay dead, as many as the rest can do without, and now the
// cluster must show that it lives (U11): within a bounded time, number of terms and number of messages it has a leader,
// all live members have applied the same, every call is answered, and a last read of every key succeeds. At the end the
// clients' history must be linearizable (U10) and all live replicas must hold the same state.
//
// One thread; a run is a function of its plan (U12).
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "consensus/coverage.hpp"
#include "sim/clients.hpp"
#include "sim/fault_runner.hpp"
#include "sim/schedule.hpp"
#include "sim/trace.hpp"
#include "sim/workload.hpp"

namespace quorate::sim {

class Timeline;

struct RunOptions {
  Budget budget = Budget::kWithin;
  Trace::Sink trace;             ///< may be empty
  Timeline* timeline = nullptr;  ///< filled if given
  checker::CheckLimits check{.steps_max = 3'000'000, .memory_bytes_max = std::size_t{512} << 20, .is_time_up = {}};
};

struct RunReport {
  enum class Result : std::uint8_t {
    kPassed,
    kViolation,  ///< something happened that must never happen
    kStalled,    ///< the healed cluster did not come to work again
    kUndecided,  ///< the checker's limits did not suffice; not a pass
  };
  Result result = Result::kPassed;
  Violation violation;  ///< unless passed
  std::uint64_t trace_hash = 0;

  std::uint64_t events = 0;
  std::uint64_t steps = 0;
  std::uint64_t elections = 0;
  std::uint64_t committed = 0;
  std::uint64_t membership_changes = 0;
  Duration simulated{};
  Clients::Counts operations;
  Coverage coverage;
  FateCounts fates{};
  std::array<FaultRunner::Counts, kFaultKinds> faults{};
  std::unique_ptr<const Workload> workload;  ///< with the clients' history

  [[nodiscard]] bool passed() const { return result == Result::kPassed; }
};

/// Ids of planned operations are smaller; those of the reads at the end begin here.
inline constexpr std::uint32_t kPlannedIdsMax = 1'000'000'000;

/// Whether a plan that somebody wrote can be carried out: that it is for this subject, and names only nodes, clients
/// and operations that there are, at times that make sense.
[[nodiscard]] Result<void> validate(const Plan& plan, const Subject& subject);

/// `plan` is valid.
[[nodiscard]] RunReport run(const Plan& plan, const Subject& subject, const RunOptions& options = {});

}  // namespace quorate::sim
