// The quick suite: some hundred seeds of each application with all faults. No violation, no stall, and nothing that the
// applications can reach is left unreached. scripts/campaign runs as many more as there is time for.
#include <gtest/gtest.h>

#include "sim/coverage.hpp"
#include "sim/nemesis.hpp"
#include "sim/run.hpp"
#include "sim/subjects.hpp"

namespace quorate::sim {
namespace {

#ifdef QUORATE_INSTRUMENTED
constexpr std::uint64_t kSeeds = 40;  // several times slower
constexpr std::uint64_t kSqlSeeds = 10;
#else
constexpr std::uint64_t kSeeds = 300;
constexpr std::uint64_t kSqlSeeds = 40;  // real SQLite on every node
#endif

class Suite : public testing::Test {
 protected:
  void run_seeds(const char* name, std::uint64_t seeds) {
    const Subject& subject = **subject_named(name);
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      const RunReport report = run(draw_plan(seed, subject, {}), subject);
      EXPECT_TRUE(report.passed()) << "quorate sim --app " << name << " --seeds " << seed << "\n"
                                   << report.violation.property << ": " << report.violation.text;
      coverage_.add(report);
    }
  }

  SuiteCoverage coverage_;
};

TEST_F(Suite, NoFaultBreaksAnythingAndEverythingIsReached) {
  for (const char* name : {"register", "kv", "list_append"}) run_seeds(name, kSeeds);
  run_seeds("sqlite", kSqlSeeds);
#ifndef QUORATE_INSTRUMENTED
  for (const std::string& missing : coverage_.missing(FaultSelection::all())) {
    ADD_FAILURE() << "never reached: " << missing;
  }
#endif
}

}  // namespace
}  // namespace quorate::sim
