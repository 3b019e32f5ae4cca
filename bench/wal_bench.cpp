// What the write-ahead log costs over the bare writes that any log must make, and how long it takes to read one back.
// Runs in the directory for temporary files (TMPDIR): put that on the disk that is to be measured.
//
// The disk and its neighbours change from second to second, so that two rates mean something only side by side: rounds
// of the log and of bare writes take turns, and their ratio is what counts.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "consensus/storage/posix_files.hpp"
#include "consensus/storage/wal.hpp"
#include "tests/scratch_directory.hpp"

namespace quorate::storage {
namespace {

constexpr std::uint64_t kRecordBytes = 128;
constexpr std::uint64_t kRecordsPerGroup = 64;
constexpr int kGroupsPerRound = 50;
constexpr std::uint64_t kBareFileBytes = std::uint64_t{64} << 20;

using PosixWal = Wal<PosixFiles>;

/// A benchmark has no use for a disk that fails.
template <class T>
T must(Result<T> result) {
  if (!result) {
    std::fprintf(stderr, "%s\n", result.error().message.c_str());
    std::abort();
  }
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

WalOptions options() { return {.cluster = ClusterId{1}, .node = NodeId{1}, .entropy = 1}; }

PersistBatch group_behind(LogId last, std::uint64_t records) {
  static const Payload kBody = Payload::copy_of(std::string(kRecordBytes, 'r'));
  PersistBatch batch;
  for (std::uint64_t i = 1; i <= records; ++i) {
    batch.entries.push_back({last.term, last.index + i, EntryKind::kCommand, LogTime{i}, kBody});
  }
  return batch;
}

template <class Action>
double seconds_for(Action&& action) {
  const auto begin = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void append_groups_against_bare_writes(benchmark::State& state) {
  const testing::ScratchDirectory scratch;
  auto files = must(PosixFiles::below(scratch.path()));
  auto wal = std::move(must(PosixWal::open(files, options())).wal);
  must(wal.append({.hard_state = HardState{Term{1}, {}, {}}}));
  must(wal.commit());
  auto bare = must(files.open("bare", OpenMode::kCreate));
  must(bare.preallocate(kBareFileBytes));
  must(bare.sync());
  const std::vector<std::byte> bytes(kRecordBytes * kRecordsPerGroup, std::byte{'r'});

  std::uint64_t bare_offset = 0;
  const auto bare_round = [&] {
    for (int group = 0; group < kGroupsPerRound; ++group) {
      must(bare.write(bare_offset, bytes));
      must(bare.sync());
      bare_offset = (bare_offset + bytes.size()) % kBareFileBytes;
    }
  };
  const auto wal_round = [&] {
    for (int group = 0; group < kGroupsPerRound; ++group) {
      must(wal.append(group_behind({Term{1}, wal.state().last.index}, kRecordsPerGroup)));
      must(wal.commit());
    }
  };
  std::vector<double> ratios;
  double wal_seconds = 0;
  double bare_seconds = 0;
  for (auto iteration : state) {
    // The segments ahead are made while the log is idle, as they are in a node.
    while (must(wal.prepare())) {}
    const double bare_time = seconds_for(bare_round);
    const double wal_time = seconds_for(wal_round);
    ratios.push_back(bare_time / wal_time);
    bare_seconds += bare_time;
    wal_seconds += wal_time;
    state.SetIterationTime(wal_time);
  }
  std::ranges::sort(ratios);
  const double groups = static_cast<double>(state.iterations()) * kGroupsPerRound;
  state.counters["wal_groups_per_s"] = groups / wal_seconds;
  state.counters["bare_groups_per_s"] = groups / bare_seconds;
  state.counters["wal_to_bare_median"] = ratios[ratios.size() / 2];
}
BENCHMARK(append_groups_against_bare_writes)->UseManualTime()->Iterations(40)->Unit(benchmark::kMillisecond);

void recover_one_gibibyte(benchmark::State& state) {
  constexpr std::uint64_t kLogBytes = std::uint64_t{1} << 30;
  constexpr std::uint64_t kRecordsPerBulkGroup = 2048;
  const testing::ScratchDirectory scratch;
  {
    auto files = must(PosixFiles::below(scratch.path()));
    auto wal = std::move(must(PosixWal::open(files, options())).wal);
    must(wal.append({.hard_state = HardState{Term{1}, {}, {}}}));
    while (wal.segments() * options().segment_bytes < kLogBytes) {
      must(wal.append(group_behind({Term{1}, wal.state().last.index}, kRecordsPerBulkGroup)));
      must(wal.commit());
    }
  }
  std::size_t entries = 0;
  for (auto iteration : state) {
    auto files = must(PosixFiles::below(scratch.path()));
    const auto opened = must(PosixWal::open(files, options()));
    entries = opened.recovered.entries.size();
  }
  state.counters["entries"] = static_cast<double>(entries);
}
BENCHMARK(recover_one_gibibyte)->Iterations(3)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace
}  // namespace quorate::storage
