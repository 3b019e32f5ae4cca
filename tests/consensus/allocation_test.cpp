// In its steady state the engine allocates nothing per proposal but the proposal's own payload, which log, wire and
// disk share, and a bounded number of blocks per message. A counting allocator takes the place of the program's own.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string_view>

#include <gtest/gtest.h>

#include "tests/consensus/in_process_cluster.hpp"

namespace {

std::atomic<std::uint64_t> allocations{0};

void* counted(std::size_t size, std::size_t alignment) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  const std::size_t rounded = (size + alignment - 1) / alignment * alignment;
  void* memory = std::aligned_alloc(alignment, rounded == 0 ? alignment : rounded);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

// Kept out of line: the compiler would otherwise complain that the halves of an inlined pair do not match.
[[gnu::noinline]] void* operator new(std::size_t size) { return counted(size, __STDCPP_DEFAULT_NEW_ALIGNMENT__); }
[[gnu::noinline]] void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted(size, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace quorate {
namespace {

using Cluster = testing::InProcessCluster<testing::ForgetfulStorage>;

/// Blocks per message: its own vectors (entries, the write that it causes, effects), each grown by doubling.
constexpr std::uint64_t kPerMessageMax = 24;
/// Long enough that every buffer has been as long as it gets.
constexpr std::uint64_t kTurns = 200;

struct Cost {
  std::uint64_t allocations = 0;
  std::uint64_t proposals = 0;
  std::uint64_t messages = 0;
};

void turn(Cluster& cluster, std::uint64_t batch, std::uint64_t& committed) {
  for (std::uint64_t at = 0; at < batch; ++at) {
    cluster.leader().propose(Payload::copy_of("sixteen bytes..."), [&committed](const ProposalResult& result) {
      committed += result.outcome == Outcome::kCommitted ? 1U : 0U;
    });
  }
  cluster.leader().flush();
  cluster.settle();
  cluster.advance(std::chrono::microseconds(100));
}

Cost cost_of_turns(Cluster& cluster, std::uint64_t batch) {
  std::uint64_t committed = 0;
  const std::uint64_t messages_before = cluster.messages_delivered();
  const std::uint64_t allocations_before = allocations.load();
  for (std::uint64_t at = 0; at < kTurns; ++at) turn(cluster, batch, committed);
  const std::uint64_t counted = allocations.load() - allocations_before;
  EXPECT_EQ(committed, kTurns * batch);
  return {counted, committed, cluster.messages_delivered() - messages_before};
}

class Allocation : public ::testing::TestWithParam<std::uint64_t> {};
INSTANTIATE_TEST_SUITE_P(Batches, Allocation, ::testing::Values(1, 16, 256, 1024));

TEST_P(Allocation, IsOnePerProposalAndABoundedNumberPerMessage) {
  Cluster cluster(3, {.checkpoint_entries = 10'000});
  cost_of_turns(cluster, GetParam());
  const Cost steady = cost_of_turns(cluster, GetParam());
  EXPECT_LE(steady.allocations, steady.proposals + kPerMessageMax * steady.messages)
      << static_cast<double>(steady.allocations - steady.proposals) / static_cast<double>(steady.messages)
      << " blocks per message";
}

// The limit above would be no limit if a batch of 1024 needed as many messages as it has proposals.
TEST(AllocationBatch, TakesAFewMessages) {
  Cluster cluster(3);
  EXPECT_LE(cost_of_turns(cluster, 1024).messages, kTurns * 6);
}

TEST(AllocationCounter, SeesAnAllocation) {
  const std::uint64_t before = allocations.load();
  const Payload payload = Payload::copy_of("x");
  EXPECT_EQ(allocations.load(), before + 1);
}

}  // namespace
}  // namespace quorate
