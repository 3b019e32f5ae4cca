// How fast whole clusters are simulated, on one core and with everything that a run does: five nodes under all faults,
// the invariants after every event, the trace hash, the judgement of the clients' history.
#include <benchmark/benchmark.h>

#include "sim/nemesis.hpp"
#include "sim/run.hpp"
#include "sim/subjects.hpp"

namespace quorate::sim {
namespace {

void BM_TenSecondsOfFiveNodes(benchmark::State& state, const char* application) {
  const Subject& subject = **subject_named(application);
  const NemesisOptions options{.voters = 5};
  std::uint64_t seed = 0;
  std::uint64_t events = 0;
  for (auto _ : state) {
    const RunReport report = run(draw_plan(++seed, subject, options), subject);
    if (!report.passed()) {
      state.SkipWithError(("seed " + std::to_string(seed) + ": " + report.violation.property).c_str());
      break;
    }
    events += report.events;
  }
  state.counters["events"] = benchmark::Counter(static_cast<double>(events), benchmark::Counter::kIsRate);
  state.counters["seeds/min"] = benchmark::Counter(60 * static_cast<double>(seed), benchmark::Counter::kIsRate);
}
BENCHMARK_CAPTURE(BM_TenSecondsOfFiveNodes, register, "register")->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(BM_TenSecondsOfFiveNodes, kv, "kv")->Unit(benchmark::kMillisecond)->MinTime(5);
BENCHMARK_CAPTURE(BM_TenSecondsOfFiveNodes, list_append, "list_append")->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace quorate::sim
