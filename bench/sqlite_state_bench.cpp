// The page store around its pages: folding beside readers and writers, opening, applying, and snapshots. Where a target
// is a ratio, what it is measured against runs in the same process.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include "consensus/limits.hpp"
#include "consensus/random.hpp"
#include "consensus/storage/posix_files.hpp"
#include "statemachine/sqlite/fold.hpp"
#include "statemachine/sqlite/page_store.hpp"
#include "statemachine/sqlite/snapshot_sink.hpp"
#include "statemachine/sqlite/snapshot_source.hpp"
#include "tests/scratch_directory.hpp"

namespace quorate::sqlite {
namespace {

constexpr std::size_t kPageBytes = 4096;
constexpr std::uint64_t kPagesPerTransaction = 4096;
constexpr std::uint64_t kDirtyPages = 100'000;
constexpr std::uint64_t kGigabytePages = (std::uint64_t{1} << 30) / kPageBytes;
/// What one transaction changes of a page: a few bytes here and there.
constexpr int kWordsChanged = 8;

using testing::ScratchDirectory;

template <class T>
T checked(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

/// A store of its own, whose transactions are page writes.
class Node {
 public:
  Node() : files_(checked(storage::PosixFiles::below(directory_.path()))) { open(); }

  void open() {
    store_.reset();
    store_ = checked(PageStore::open(storage::AnyFileSystem(files_), options()));
  }
  PageStore& operator*() { return *store_; }
  PageStore* operator->() { return store_.get(); }
  storage::AnyFileSystem files() { return storage::AnyFileSystem(files_); }

  void begin_epoch() { store_->begin_epoch(Epoch{++epoch_}); }
  /// The first `count` pages with content.
  void fill(std::uint64_t count) {
    begin_epoch();
    for (std::uint64_t from = 1; from <= count; from += kPagesPerTransaction) {
      std::set<std::uint64_t> pages;
      for (std::uint64_t page = from; page <= std::min(count, from + kPagesPerTransaction - 1); ++page) {
        pages.insert(page);
      }
      change(pages, pages.empty() ? 0 : *pages.rbegin());
      if (store_->fold_wanted()) fold();
    }
    fold();
  }
  std::vector<Payload> change(const std::set<std::uint64_t>& pages, std::uint64_t page_count) {
    const Pin head = store_->pin(PinKind::kHead);
    std::vector<DatabaseWrite> writes;
    writes.push_back({"main", *PageSize::of(kPageBytes), PageCount{page_count}, {}});
    for (const std::uint64_t page : pages) writes.back().pages[PageNumber{page}] = changed(head, page);
    SealedVersion sealed = checked(store_->seal(head, std::move(writes), codec_));
    store_->commit(sealed.name, {Term{1}, Index{store_->applied().index.value + 1}});
    return std::move(sealed.parts);
  }
  std::set<std::uint64_t> draw(std::uint64_t count, std::uint64_t below) {
    std::set<std::uint64_t> pages;
    while (pages.size() < count) pages.insert(1 + random_.below(below));
    return pages;
  }
  void fold() { checked(checked(Fold::begin(*store_, {})).run()); }

 private:
  static PageStoreOptions options() {
    PageStoreOptions options;
    options.overlay_bytes_max = std::uint64_t{2} << 30;
    return options;
  }
  PageImage changed(const Pin& head, std::uint64_t page) {
    const auto record = store_->find_database(head, "main");
    PageImage before;
    if (record && page <= record->page_count.value) {
      before = checked(store_->page(head, record->id, PageNumber{page})).image;
    }
    return PageImage::build(kPageBytes, [&](std::span<std::byte> bytes) {
      std::ranges::fill(bytes, std::byte{0x55});
      if (!before.empty()) std::memcpy(bytes.data(), before.bytes().data(), bytes.size());
      for (int i = 0; i < kWordsChanged; ++i) {
        const std::uint64_t word = random_.next();
        std::memcpy(bytes.data() + 8 * random_.below(kPageBytes / 8), &word, sizeof(word));
      }
    });
  }

  ScratchDirectory directory_;
  storage::PosixFiles files_;
  std::unique_ptr<PageStore> store_;
  PageCodec codec_;
  Random random_{1};
  std::uint64_t epoch_ = 0;
};

using Stopwatch = std::chrono::steady_clock;
double us_since(Stopwatch::time_point begin) {
  return std::chrono::duration<double, std::micro>(Stopwatch::now() - begin).count();
}
double percentile(std::vector<double>& sorted_later, double p) {
  std::ranges::sort(sorted_later);
  return sorted_later[static_cast<std::size_t>(p * static_cast<double>(sorted_later.size() - 1))];
}

// --- Opening ---

void OpenOneGigabyte(benchmark::State& state) {
  Node node;
  node.fill(kGigabytePages);
  for (auto _ : state) node.open();
}
BENCHMARK(OpenOneGigabyte)->Unit(benchmark::kMillisecond)->UseRealTime();

// --- Serving what is larger than memory ---

/// QUORATE_BENCH_GIGABYTES: 1 by default, for the sake of the disk.
std::uint64_t gigabytes() {
  const char* const wanted = std::getenv("QUORATE_BENCH_GIGABYTES");
  return wanted == nullptr ? 1 : std::stoull(wanted);
}

double resident_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::stod(line.substr(6)) / 1024;
  }
  return 0;
}

/// Opens a large database, then reads and changes pages of it all over the place.
void ServeLargeDatabase(benchmark::State& state) {
  const std::uint64_t pages = gigabytes() * kGigabytePages;
  Node node;
  node.fill(pages);
  node.open();
  const auto opened_mib = resident_mib();
  Random random(4);
  std::vector<std::byte> bytes(kPageBytes);
  const DatabaseRecord record = node->databases(node->pin(PinKind::kApplied)).front();
  double most_mib = opened_mib;
  node.begin_epoch();
  for (auto _ : state) {
    for (int i = 0; i < 1000; ++i) {
      const Pin pin = node->pin(PinKind::kApplied);
      checked(node->read(pin, record.id, PageNumber{1 + random.below(pages)}, 0, bytes));
    }
    node.change(node.draw(100, pages), pages);
    if (node->fold_wanted()) node.fold();
    most_mib = std::max(most_mib, resident_mib());
  }
  state.counters["gigabytes"] = static_cast<double>(gigabytes());
  state.counters["opened_mib"] = opened_mib;
  state.counters["most_mib"] = most_mib;
}
BENCHMARK(ServeLargeDatabase)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(500);

// --- Applying, against copying and hashing as many pages ---

constexpr std::uint64_t kPagesPerEntry = 64;
constexpr std::uint64_t kBasePages = 16'384;

void CopyAndHash(benchmark::State& state) {
  std::vector<std::byte> from(kBasePages * kPageBytes, std::byte{1});
  Random random(1);
  std::uint64_t sum = 0;
  for (auto _ : state) {
    for (std::uint64_t i = 0; i < kPagesPerEntry; ++i) {
      const auto page = std::span(from).subspan(random.below(kBasePages) * kPageBytes, kPageBytes);
      const PageImage copy = PageImage::copy_of(page);
      sum += hash_page(copy.bytes()).value;
    }
  }
  benchmark::DoNotOptimize(sum);
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kPagesPerEntry));
}
BENCHMARK(CopyAndHash);

void FollowerApply(benchmark::State& state) {
  Node leader;
  Node follower;
  leader.fill(kBasePages);
  const std::unique_ptr<SnapshotSource> source = checked(SnapshotSource::open(*leader, {}, Index{0}));
  SnapshotSink sink = checked(SnapshotSink::open(follower.files(), "incoming"));
  const SnapshotId id{source->last(), Index{0}, NodeId{1}};
  for (SnapshotPiece piece; !piece.is_last;) {
    const std::uint64_t at = sink.staged() ? sink.staged()->next_offset : 0;
    piece = checked(source->read(at, kSnapshotChunkBytesMax));
    checked(sink.stage(id, at, piece.bytes.bytes()));
  }
  checked(sink.install(*follower, id));
  // All pages are in the overlays, as those that change often are.
  const auto entry = [&](std::uint64_t count) {
    const std::vector<Payload> parts = leader.change(leader.draw(count, kBasePages), kBasePages);
    return std::pair(leader->applied(), parts);
  };
  for (std::uint64_t done = 0; done < 2 * kBasePages; done += kPagesPerTransaction) {
    const auto [last, parts] = entry(kPagesPerTransaction);
    checked(follower->apply(last, parts));
  }
  for (auto _ : state) {
    state.PauseTiming();
    const auto [last, parts] = entry(kPagesPerEntry);
    state.ResumeTiming();
    checked(follower->apply(last, parts));
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * kPagesPerEntry));
}
BENCHMARK(FollowerApply)->Iterations(500);

// --- Snapshots ---

void IncrementalSnapshot(benchmark::State& state) {
  Node node;
  node.fill(kDirtyPages);
  const Index base = node->applied().index;
  const auto changed = static_cast<std::uint64_t>(state.range(0));
  node.change(node.draw(changed, kDirtyPages), kDirtyPages);
  std::uint64_t bytes = 0;
  for (auto _ : state) {
    const std::unique_ptr<SnapshotSource> source = checked(SnapshotSource::open(*node, {}, base));
    bytes = 0;
    for (SnapshotPiece piece; !piece.is_last; bytes += piece.bytes.size()) {
      piece = checked(source->read(bytes, kSnapshotChunkBytesMax));
    }
  }
  state.counters["bytes/changed"] = static_cast<double>(bytes) / static_cast<double>(changed * kPageBytes);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
}
BENCHMARK(IncrementalSnapshot)->Arg(10)->Arg(1000)->Arg(50'000)->Unit(benchmark::kMillisecond);

void InstallSnapshot(benchmark::State& state) {
  Node leader;
  leader.fill(kDirtyPages);
  const std::unique_ptr<SnapshotSource> source = checked(SnapshotSource::open(*leader, {}, Index{0}));
  const SnapshotId id{source->last(), Index{0}, NodeId{1}};
  for (auto _ : state) {
    state.PauseTiming();
    auto follower = std::make_unique<Node>();
    SnapshotSink sink = checked(SnapshotSink::open(follower->files(), "incoming"));
    for (SnapshotPiece piece; !piece.is_last;) {
      const std::uint64_t at = sink.staged() ? sink.staged()->next_offset : 0;
      piece = checked(source->read(at, kSnapshotChunkBytesMax));
      checked(sink.stage(id, at, piece.bytes.bytes()));
    }
    state.ResumeTiming();
    checked(sink.install(**follower, id));
    state.PauseTiming();
    follower.reset();
    state.ResumeTiming();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(kDirtyPages * kPageBytes));
}
BENCHMARK(InstallSnapshot)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(2);

// --- Folding ---

/// Reads and one-page transactions, one after the other, until told to stop.
struct Latencies {
  std::vector<double> reads_us;
  std::vector<double> writes_us;

  template <class Goes>
  void measure(Node& node, Goes&& goes_on) {
    Random random(2);
    const DatabaseRecord record = node->databases(node->pin(PinKind::kApplied)).front();
    std::vector<std::byte> bytes(kPageBytes);
    while (goes_on()) {
      const auto before_read = Stopwatch::now();
      const Pin pin = node->pin(PinKind::kApplied);
      checked(node->read(pin, record.id, PageNumber{1 + random.below(record.page_count.value)}, 0, bytes));
      reads_us.push_back(us_since(before_read));
      const auto before_write = Stopwatch::now();
      node.change({1 + random.below(record.page_count.value)}, record.page_count.value);
      writes_us.push_back(us_since(before_write));
    }
  }
};

void ReadersAndWritersBesideAFold(benchmark::State& state) {
  Node node;
  node.fill(kDirtyPages);
  for (auto _ : state) {
    const auto make_dirty = [&] {
      for (std::uint64_t from = 1; from <= kDirtyPages; from += kPagesPerTransaction) {
        std::set<std::uint64_t> pages;
        for (std::uint64_t i = 0; i < kPagesPerTransaction && from + i <= kDirtyPages; ++i) pages.insert(from + i);
        node.change(pages, kDirtyPages);
      }
    };
    make_dirty();
    std::atomic<bool> is_done = false;
    Latencies beside;
    const auto begin = Stopwatch::now();
    std::thread folding([&] {
      node.fold();
      is_done = true;
    });
    beside.measure(node, [&] { return !is_done; });
    folding.join();
    const double fold_us = us_since(begin);
    make_dirty();
    Latencies alone;
    std::size_t left = beside.reads_us.size();
    alone.measure(node, [&] { return left-- > 0; });
    state.counters["fold_ms"] = fold_us / 1000;
    state.counters["read_p50_us"] = percentile(beside.reads_us, 0.5);
    state.counters["read_p999_us"] = percentile(beside.reads_us, 0.999);
    state.counters["read_p999_alone_us"] = percentile(alone.reads_us, 0.999);
    state.counters["write_p50_us"] = percentile(beside.writes_us, 0.5);
    state.counters["write_p999_us"] = percentile(beside.writes_us, 0.999);
    state.counters["write_p999_alone_us"] = percentile(alone.writes_us, 0.999);
    node.fold();
  }
}
BENCHMARK(ReadersAndWritersBesideAFold)->Unit(benchmark::kMillisecond)->UseRealTime()->Iterations(3);

}  // namespace
}  // namespace quorate::sqlite
