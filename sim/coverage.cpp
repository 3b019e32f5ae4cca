#include "sim/coverage.hpp"

namespace quorate::sim {

namespace {

/// What the simulated applications cannot reach, each with its reason.
bool is_reachable(Mark mark) {
  // Only a leader-executed application speculates in epochs; every replica executes the commands of these.
  return mark != Mark::kEpochEndedByRefusal;
}

bool is_reachable(Fate fate) {
  // Would be a failure of the codec.
  return fate != Fate::kForged && fate != Fate::kCount;
}

}  // namespace

void SuiteCoverage::add(const RunReport& report) {
  for (std::size_t at = 0; at < kMarkCount; ++at) marks_.counts[at] += report.coverage.counts[at];
  for (std::size_t at = 0; at < fates_.size(); ++at) fates_[at] += report.fates[at];
  for (std::size_t at = 0; at < kFaultKinds; ++at) {
    faults_[at].begun += report.faults[at].begun;
    faults_[at].withheld += report.faults[at].withheld;
  }
}

void SuiteCoverage::add(const SuiteCoverage& other) {
  for (std::size_t at = 0; at < kMarkCount; ++at) marks_.counts[at] += other.marks_.counts[at];
  for (std::size_t at = 0; at < fates_.size(); ++at) fates_[at] += other.fates_[at];
  for (std::size_t at = 0; at < kFaultKinds; ++at) {
    faults_[at].begun += other.faults_[at].begun;
    faults_[at].withheld += other.faults_[at].withheld;
  }
}

std::size_t SuiteCoverage::reached() const {
  std::size_t count = 0;
  for (std::size_t at = 0; at < kMarkCount; ++at) count += marks_.counts[at] > 0 && is_reachable(Mark(at)) ? 1 : 0;
  return count;
}

std::size_t SuiteCoverage::reachable() {
  std::size_t count = 0;
  for (std::size_t at = 0; at < kMarkCount; ++at) count += is_reachable(Mark(at)) ? 1 : 0;
  return count;
}

std::vector<std::string> SuiteCoverage::missing(const FaultSelection& faults) const {
  std::vector<std::string> names;
  for (std::size_t at = 0; at < kMarkCount; ++at) {
    if (marks_.counts[at] == 0 && is_reachable(Mark(at))) names.emplace_back(quorate::name_of(Mark(at)));
  }
  if (faults.contains(kFaultKind<fault::Links>)) {
    for (std::size_t at = 0; at < fates_.size(); ++at) {
      if (fates_[at] == 0 && is_reachable(Fate(at))) names.push_back(std::string("message ") + sim::name_of(Fate(at)));
    }
  }
  for (std::size_t kind = 0; kind < kFaultKinds; ++kind) {
    if (faults.contains(kind) && faults_[kind].begun == 0) names.push_back(std::string("fault ") + name_of_fault(kind));
  }
  return names;
}

}  // namespace quorate::sim
