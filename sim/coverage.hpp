// What a suite of runs has reached: rare branches of the protocol (consensus/coverage.hpp), kinds of faults that really
// happened, fates of messages. A suite that no longer reaches something has stopped testing it, and fails.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/nemesis.hpp"
#include "sim/run.hpp"

namespace quorate::sim {

class SuiteCoverage {
 public:
  void add(const RunReport& report);
  void add(const SuiteCoverage& other);

  [[nodiscard]] const Coverage& marks() const { return marks_; }
  /// Marks reached, and marks that these applications can reach.
  [[nodiscard]] std::size_t reached() const;
  [[nodiscard]] static std::size_t reachable();
  /// Names of what was never reached although `faults` were allowed.
  [[nodiscard]] std::vector<std::string> missing(const FaultSelection& faults) const;

 private:
  Coverage marks_;
  FateCounts fates_{};
  std::array<FaultRunner::Counts, kFaultKinds> faults_{};
};

}  // namespace quorate::sim
