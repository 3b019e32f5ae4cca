#include "sim/executor.hpp"

#include <utility>

#include "consensus/assert.hpp"

namespace quorate::sim {

SimExecutor::SimExecutor(World& world, Random random, DelayLaw law, Strand strand)
    : world_(world), random_(random), law_(law), strand_(std::move(strand)) {}

void SimExecutor::run(std::function<void()> job, std::function<void()> done) {
  QUORATE_ASSERT(job);
  jobs_.push_back({std::move(job), std::move(done)});
  begin_next();
}

void SimExecutor::begin_next() {
  if (busy_ || is_stalled() || jobs_.empty()) return;
  const Duration takes = law_.draw(random_);
  const Duration before = jobs_.front().work ? random_.between(Duration::zero(), takes) : Duration::zero();
  rest_ = takes - before;
  busy_ = true;
  world_.schedule(world_.now() + before, *this, ++generation_);
}

void SimExecutor::fire(std::uint64_t generation) {
  if (generation != generation_ || !busy_ || is_stalled()) return;
  if (jobs_.front().work) {
    std::exchange(jobs_.front().work, nullptr)();
    // The work may have ended the process, and with it the queue.
    if (generation == generation_ && busy_) world_.schedule(world_.now() + rest_, *this, generation_);
    return;
  }
  run_front();
}

void SimExecutor::run_front() {
  busy_ = false;
  ++generation_;
  Job job = std::move(jobs_.front());
  jobs_.pop_front();
  const std::uint64_t generation = generation_;
  if (job.work) job.work();
  if (generation != generation_) return;
  begin_next();
  if (job.done) strand_(std::move(job.done));
}

void SimExecutor::resume() {
  QUORATE_ASSERT(stalls_ > 0);
  if (--stalls_ > 0) return;
  busy_ = false;
  ++generation_;
  begin_next();
}

bool SimExecutor::complete_one() {
  if (jobs_.empty()) return false;
  run_front();
  return true;
}

void SimExecutor::abandon() {
  jobs_.clear();
  busy_ = false;
  ++generation_;
}

}  // namespace quorate::sim
