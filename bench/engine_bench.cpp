// What the engine itself costs per proposal: whole nodes in one process, on one core, with storage and network that
// take no time. 16-byte proposals, as many in flight as a busy leader has.
#include <chrono>
#include <cstdint>
#include <string_view>

#include <benchmark/benchmark.h>

#include "consensus/storage/memory_storage.hpp"
#include "tests/consensus/in_process_cluster.hpp"

namespace quorate {
namespace {

using Cluster = testing::InProcessCluster<storage::MemoryStorage<testing::QueueExecutor>>;

constexpr std::string_view kProposal = "sixteen bytes...";
static_assert(kProposal.size() == 16);
constexpr std::int64_t kBatch = 256;

/// One turn of a busy leader: a batch of proposals comes in, and is committed and applied everywhere.
void propose_batch(Cluster& cluster, std::uint64_t& answered) {
  for (std::int64_t at = 0; at < kBatch; ++at) {
    cluster.leader().propose(Payload::copy_of(kProposal), [&answered](const ProposalResult& result) {
      answered += result.outcome == Outcome::kCommitted ? 1 : 0;
    });
  }
  cluster.leader().flush();
  cluster.settle();
  cluster.advance(std::chrono::microseconds(100));
}

void finish(benchmark::State& state, std::uint64_t answered) {
  const auto proposed = static_cast<std::uint64_t>(state.iterations() * kBatch);
  if (answered != proposed) state.SkipWithError("not every proposal was committed");
  state.SetItemsProcessed(static_cast<std::int64_t>(proposed));
}

/// Items per second are proposals per second.
void BM_Proposals(benchmark::State& state) {
  Cluster cluster(static_cast<std::uint64_t>(state.range(0)));
  std::uint64_t answered = 0;
  for (auto _ : state) propose_batch(cluster, answered);
  finish(state, answered);
}
BENCHMARK(BM_Proposals)->DenseRange(3, 9, 2)->Unit(benchmark::kMicrosecond);

/// The same behind a log that has grown, most of it compacted: the cost must not grow with it. The number of iterations
/// is fixed so that the log is grown only once.
void BM_ProposalsBehind(benchmark::State& state) {
  const auto before = static_cast<std::uint64_t>(state.range(0));
  Cluster cluster(3, {.checkpoint_entries = 100'000});
  std::uint64_t answered = 0;
  while (answered < before) propose_batch(cluster, answered);
  answered = 0;
  for (auto _ : state) propose_batch(cluster, answered);
  finish(state, answered);
}
BENCHMARK(BM_ProposalsBehind)->Arg(0)->Arg(1'000'000)->Arg(10'000'000)->Iterations(4000)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace quorate
