// Draws plans from seeds. Swarm testing: every seed enables some kinds of faults only, each with an intensity of its
// own, in a cluster whose size, timing, limits and features are drawn too; some seeds have no faults at all. What would
// hide behind an average of everything at once is then met by itself.
#pragma once

#include <bitset>
#include <optional>
#include <string_view>

#include "sim/schedule.hpp"
#include "sim/workload.hpp"

namespace quorate::sim {

/// Kinds of faults that may be drawn.
class FaultSelection {
 public:
  [[nodiscard]] static FaultSelection all() { return FaultSelection(std::bitset<kFaultKinds>().set()); }
  [[nodiscard]] static FaultSelection none() { return FaultSelection({}); }
  /// "all", "none", or names separated by commas; "-name" after "all" takes one away. An error names those there are.
  [[nodiscard]] static Result<FaultSelection> parse(std::string_view text);

  [[nodiscard]] bool contains(std::size_t kind) const { return kinds_.test(kind); }
  [[nodiscard]] bool empty() const { return kinds_.none(); }

 private:
  explicit FaultSelection(std::bitset<kFaultKinds> kinds) : kinds_(kinds) {}
  std::bitset<kFaultKinds> kinds_;
};

struct NemesisOptions {
  std::optional<std::uint64_t> voters;  ///< drawn if absent
  Duration duration = std::chrono::seconds(10);
  FaultSelection faults = FaultSelection::all();
  std::uint64_t operations_per_second_max = 200;
  /// Also clocks that drift by more than the bound that leases rely on; leases are off in such runs unless kept.
  Switch keep_leases_beyond_drift = Switch::kOff;
};

[[nodiscard]] Plan draw_plan(std::uint64_t seed, const Subject& subject, const NemesisOptions& options);

}  // namespace quorate::sim
