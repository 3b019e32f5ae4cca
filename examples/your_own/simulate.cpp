// Runs the lock service under simulated faults: partitions, crashes, torn writes, skewed clocks, membership changes and
// whatever else the nemesis draws from the seed. The real driver, log and snapshots run below it, in simulated time.
//
//   simulate [FIRST_SEED [COUNT]]
//
// After every event the simulator checks the invariants of Raft by itself, and at the end that all replicas are equal.
// What it cannot know is what the *lock service* promises; that is what LockWorkload::check() says.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <sim/nemesis.hpp>
#include <sim/process_of.hpp>
#include <sim/run.hpp>
#include <sim/workload.hpp>

#include "lock_service.hpp"

namespace {

using example::LockService;
namespace checker = quorate::checker;
namespace sim = quorate::sim;

// What clients do, how often, and by which way: through the log, or read at a confirmed index.
enum Kind : std::uint16_t { kAcquire, kRenew, kRelease, kHolder, kHolderRead };
constexpr std::array kKinds{
    sim::OperationKind{"acquire", 40, sim::Access::kCommand}, sim::OperationKind{"renew", 15, sim::Access::kCommand},
    sim::OperationKind{"release", 25, sim::Access::kCommand}, sim::OperationKind{"holder", 5, sim::Access::kCommand},
    sim::OperationKind{"holder-read", 15, sim::Access::kRead}};
constexpr std::uint32_t kLocks = 4;

/// Tells the simulator how to run and to ask the application.
struct Traits {
  using App = LockService;
  static LockService::Reply answer(const LockService& locks, const LockService::Command& command) {
    return locks.holder(command.lock);
  }
};

class LockWorkload final : public sim::Workload {
 public:
  quorate::Payload begin(const sim::PlannedOperation& operation) override {
    return LockService::encode(open_.emplace(operation.id, command_of(operation)).first->second);
  }

  void end(const sim::PlannedOperation& operation, checker::Operation outcome, sim::Reply reply) override {
    const LockService::Command command = open_.extract(operation.id).mapped();
    const auto decoded = reply ? LockService::decode_reply(*reply) : quorate::fail(quorate::ErrorKind::kTimeout, "");
    if (decoded && decoded->status == LockService::Reply::Status::kGranted) {
      newest_tokens_[command.lock] = decoded->token;
      grants_[command.lock].push_back({outcome.invoked, *outcome.returned, decoded->token});
    }
  }
  void discard(const sim::PlannedOperation& operation) override { open_.erase(operation.id); }

  /// The promise: of two grants of a lock, the one that was asked for after the other had been received has the larger
  /// token. (It follows that no token is granted twice in a row of requests, whatever crashed in between.)
  quorate::Result<checker::Report> check(const checker::CheckLimits&) const override {
    checker::Report report;
    report.verdict = checker::Verdict::kLinearizable;
    for (const auto& [lock, grants] : grants_) {
      for (const Grant& first : grants) {
        for (const Grant& second : grants) {
          if (&first == &second) continue;
          const bool is_wrong =
              first.token == second.token || (first.returned < second.invoked && first.token > second.token);
          if (is_wrong) report.verdict = checker::Verdict::kNotLinearizable;
        }
      }
    }
    return report;
  }

  std::vector<sim::PlannedOperation> final_reads(std::uint32_t first_id) const override {
    std::vector<sim::PlannedOperation> reads;
    for (std::uint32_t key = 0; key < kLocks; ++key)
      reads.push_back({.id = first_id + key, .kind = kHolder, .key = key});
    return reads;
  }

  std::string describe(const sim::PlannedOperation& operation) const override {
    const auto found = open_.find(operation.id);
    return found == open_.end() ? "?" : LockService::describe(found->second);
  }
  std::string describe_reply(std::span<const std::byte> reply) const override {
    return std::string(reinterpret_cast<const char*>(reply.data()), reply.size());
  }

  [[nodiscard]] std::size_t grants() const {
    std::size_t count = 0;
    for (const auto& [lock, grants] : grants_) count += grants.size();
    return count;
  }

 private:
  struct Grant {
    checker::Time invoked;
    checker::Time returned;
    std::uint64_t token;
  };

  LockService::Command command_of(const sim::PlannedOperation& operation) const {
    using Verb = LockService::Command::Verb;
    const std::string lock = "lock" + std::to_string(operation.key);
    const auto token = newest_tokens_.find(lock);
    switch (static_cast<Kind>(operation.kind)) {
      case kAcquire:
        return {Verb::kAcquire, lock, "client" + std::to_string(operation.client), 0, operation.argument % 500};
      case kRenew: return {Verb::kRenew, lock, "", token == newest_tokens_.end() ? 0 : token->second, 300};
      case kRelease: return {Verb::kRelease, lock, "", token == newest_tokens_.end() ? 0 : token->second, 0};
      case kHolder:
      case kHolderRead: break;
    }
    return {Verb::kHolder, lock, "", 0, 0};
  }

  std::map<std::uint32_t, LockService::Command> open_;
  std::map<std::string, std::uint64_t> newest_tokens_;
  std::map<std::string, std::vector<Grant>> grants_;
};

constexpr sim::Subject kLocksSubject{
    .name = LockService::kName,
    .kinds = kKinds,
    .keys_max = kLocks,
    .make_workload = [] { return std::unique_ptr<sim::Workload>(std::make_unique<LockWorkload>()); },
    .make_launcher = [] { return std::unique_ptr<sim::Launcher>(std::make_unique<sim::LauncherOf<Traits>>()); }};

}  // namespace

int main(int count, char** words) {
  const std::uint64_t first = count > 1 ? std::strtoull(words[1], nullptr, 10) : 1;
  const std::uint64_t seeds = count > 2 ? std::strtoull(words[2], nullptr, 10) : 20;
  std::size_t grants = 0;
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    const sim::Plan plan = sim::draw_plan(seed, kLocksSubject, {});
    const sim::RunReport report = sim::run(plan, kLocksSubject);
    if (!report.passed()) {
      std::printf("seed %llu: %s: %s\n", static_cast<unsigned long long>(seed), report.violation.property.c_str(),
                  report.violation.text.c_str());
      return 1;
    }
    grants += dynamic_cast<const LockWorkload&>(*report.workload).grants();
  }
  std::printf("%llu runs under faults: %zu locks granted, every token larger than those before it\n",
              static_cast<unsigned long long>(seeds), grants);
}
