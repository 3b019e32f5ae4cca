// Where a simulated node's blocking work runs: one job after the other, each taking a time drawn from a law. Whether a
// job's effects come early or late within that time is drawn too, so that a crash may find a write made but not yet
// reported, or reported not begun. Satisfies the SerialExecutor concept.
//
// For scenarios and faults: the queue can be stalled (a hung disk) and let through one job at a time.
#pragma once

#include <deque>
#include <functional>

#include "sim/network.hpp"
#include "sim/world.hpp"

namespace quorate::sim {

class SimExecutor final : private Handler {
 public:
  /// `strand` runs a completion on the node's strand: at once, or after the node resumed.
  using Strand = std::function<void(std::function<void()>)>;

  SimExecutor(World& world, Random random, DelayLaw law, Strand strand);
  SimExecutor(const SimExecutor&) = delete;
  SimExecutor& operator=(const SimExecutor&) = delete;

  void run(std::function<void()> job, std::function<void()> done);

  void set_law(DelayLaw law) { law_ = law; }
  /// No job begins or ends until there were as many calls of resume(); one that is under way stays so.
  void stall() { ++stalls_; }
  void resume();
  /// Lets the oldest job run and report, now, stalled or not; false if there is none.
  bool complete_one();
  [[nodiscard]] std::size_t waiting() const { return jobs_.size(); }
  [[nodiscard]] bool is_stalled() const { return stalls_ > 0; }

  /// The process is gone: jobs that have not run never will, and nothing more is reported.
  void abandon();

 private:
  struct Job {
    std::function<void()> work;  ///< empty once it has run
    std::function<void()> done;
  };

  void fire(std::uint64_t generation) override;
  void begin_next();
  void run_front();

  World& world_;
  Random random_;
  DelayLaw law_;
  Strand strand_;
  std::deque<Job> jobs_;
  bool busy_ = false;  ///< an event for the front job is on its way
  int stalls_ = 0;
  std::uint64_t generation_ = 0;
  Duration rest_{};  ///< from the front job's effects to its report
};

}  // namespace quorate::sim
