// The log is stopped after every single operation on its disk, the machine crashes in every way, and what is recovered
// must be what was committed, or that and some of what was being committed; and a log that goes on from there must not
// be haunted by what was lost.
#include <optional>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/storage/wal_workload.hpp"

namespace quorate::storage {
namespace {

using quorate::testing::kCrashPolicies;
using quorate::testing::LogModel;
using quorate::testing::model_of;
using quorate::testing::SimWal;
using quorate::testing::small_wal;
using sim::CrashPolicy;

/// A node's log through several lives, and what must be in it.
class Lives {
 public:
  Lives(std::uint64_t disk_seed, std::uint64_t workload_seed) : disk(Random(disk_seed)), random_(workload_seed) {}

  /// Begins a life. False if the disk stopped it.
  bool open() {
    auto opened = SimWal::open(disk, small_wal());
    if (!opened) return succeeded(tl::unexpected(opened.error()));
    const Recovered& recovered = opened->recovered;
    const LogModel found = model_of(recovered);
    require(std::ranges::find(possible_, found) != possible_.end(),
            "recovered " + ::testing::PrintToString(found) + "\nallowed " + ::testing::PrintToString(possible_));
    require(recovered.damaged.empty(), "damage is reported");
    require(!recovered.promises_lost, "promises are reported lost");
    require(recovered.boot > boot_, "a boot number comes twice");
    require(incarnation_ == Incarnation{} || recovered.incarnation == incarnation_, "another incarnation");
    boot_ = recovered.boot;
    incarnation_ = recovered.incarnation;
    wal_.emplace(std::move(opened->wal));
    possible_ = {found};
    return true;
  }

  /// False as soon as the disk stopped the log.
  bool work(int steps) {
    for (int step = 0; step < steps; ++step) {
      if (!work()) return false;
    }
    return true;
  }

  void crash(CrashPolicy policy) {
    wal_.reset();
    disk.crash(policy);
  }
  void kill() {
    wal_.reset();
    disk.kill();
  }

  /// What was not as it must be; empty if nothing.
  [[nodiscard]] const std::string& complaint() const { return complaint_; }

  sim::SimFiles disk;

 private:
  void require(bool condition, const std::string& complaint) {
    if (!condition) complaint_ += complaint + "\n";
  }

  bool work() {
    const LogModel& now = possible_.front();
    switch (random_.below(8)) {
      case 0: return succeeded(wal_->mark());
      case 1: return succeeded(wal_->prepare().map([](bool) {}));
      case 2: {
        if (now.hard_state.commit <= now.base.index || random_.below(2) == 0) return true;
        const Index through{random_.between(now.base.index.value + 1, now.hard_state.commit.value)};
        const LogId id = now.entries[through - now.first_index()].id();
        possible_.push_back(now);
        possible_.back().compact(id);
        return settled(wal_->compact(id));
      }
      default: return persist();
    }
  }

  bool persist() {
    for (std::uint64_t count = random_.between(1, 3); count > 0; --count) {
      const PersistBatch batch = quorate::testing::random_batch(possible_.back(), random_);
      LogModel next = possible_.back();
      next.apply(batch);
      possible_.push_back(next);
      const auto last = wal_->append(batch);
      if (!last) return succeeded(tl::unexpected(last.error()));
      require(*last == next.last(), "append returns another last id");
    }
    return settled(wal_->commit());
  }

  /// Everything so far is durable.
  bool settled(const Result<void>& result) {
    if (result) possible_.erase(possible_.begin(), possible_.end() - 1);
    return succeeded(result);
  }
  bool succeeded(const Result<void>& result) {
    require(result || disk.is_stopped(), result ? "" : result.error().message);
    return result.has_value();
  }

  Random random_;
  std::optional<SimWal> wal_;
  std::vector<LogModel> possible_{LogModel{}};  ///< oldest first; the first is durable, the others may be
  Boot boot_;
  Incarnation incarnation_;
  std::string complaint_;
};

constexpr int kSteps = 40;

std::uint64_t operations_of(std::uint64_t workload_seed) {
  Lives lives(0, workload_seed);
  EXPECT_TRUE(lives.open());
  EXPECT_TRUE(lives.work(kSteps));
  return lives.disk.operations();
}

/// What a log that went through all this is still good for.
std::string live_on(Lives& lives) {
  lives.open();
  lives.work(10);
  lives.kill();
  lives.open();
  return lives.complaint();
}

class WalCrash : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(WalCrash, AtEveryOperationInEveryWay) {
  const std::uint64_t operations = operations_of(GetParam());
  ASSERT_GT(operations, 60U);
  for (std::uint64_t stop = 0; stop <= operations; ++stop) {
    for (const CrashPolicy policy : kCrashPolicies) {
      Lives lives(stop, GetParam());
      lives.disk.stop_after(stop);
      if (lives.open()) lives.work(kSteps);
      lives.crash(policy);
      ASSERT_EQ(live_on(lives), "") << "after " << stop << " operations, policy " << static_cast<int>(policy);
    }
  }
}

TEST_P(WalCrash, KilledAtEveryOperation) {
  const std::uint64_t operations = operations_of(GetParam());
  for (std::uint64_t stop = 0; stop <= operations; ++stop) {
    Lives lives(stop, GetParam());
    lives.disk.stop_after(stop);
    if (lives.open()) lives.work(kSteps);
    lives.kill();
    ASSERT_EQ(live_on(lives), "") << "killed after " << stop << " operations";
  }
}

INSTANTIATE_TEST_SUITE_P(Workloads, WalCrash, ::testing::Values(1, 2, 3));

// Recovery itself is interrupted, at each of its operations, again and again.
TEST(WalCrashInRecovery, AtEveryOperation) {
  const std::uint64_t operations = operations_of(4);
  for (std::uint64_t stop = 10; stop <= operations; stop += 7) {
    for (const CrashPolicy policy : kCrashPolicies) {
      Lives lives(stop, 4);
      lives.disk.stop_after(stop);
      if (lives.open()) lives.work(kSteps);
      lives.crash(policy);
      for (std::uint64_t again = 0;; ++again) {
        lives.disk.stop_after(again);
        const bool is_open = lives.open();
        lives.crash(policy);
        ASSERT_EQ(lives.complaint(), "") << "after " << stop << " operations, then " << again << " of recovery, policy "
                                         << static_cast<int>(policy);
        if (is_open) break;
      }
      ASSERT_EQ(live_on(lives), "") << "after " << stop << " operations, policy " << static_cast<int>(policy);
    }
  }
}

RC_GTEST_PROP(WalCrashProperty, AnyCrashesInAnyLives, ()) {
  Lives lives(*rc::gen::arbitrary<std::uint64_t>(), *rc::gen::arbitrary<std::uint64_t>());
  const int count = *rc::gen::inRange(1, 6);
  for (int life = 0; life < count; ++life) {
    lives.disk.stop_after(*rc::gen::inRange<std::uint64_t>(0, 300));
    if (lives.open()) lives.work(200);
    const int end = *rc::gen::inRange(0, 6);
    if (end < 4) {
      lives.crash(static_cast<CrashPolicy>(end));
    } else {
      lives.kill();  // so that what only the cache knows is built upon, and lost in a later life
    }
  }
  lives.crash(static_cast<CrashPolicy>(*rc::gen::inRange(0, 4)));
  RC_ASSERT(live_on(lives) == "");
}

}  // namespace
}  // namespace quorate::storage
