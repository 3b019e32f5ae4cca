// A node's monotonic clock: what the node believes the time to be. It starts at an offset, runs fast or slow by a
// drift, and may be made to jump; it never goes back (a jump backwards makes it stand still for as long). It outlives
// the processes that run on the node, as the clock of a machine does.
//
// Satisfies the Clock concept. One alarm; a deadline that moves away costs nothing until the earlier one has passed.
#pragma once

#include <functional>

#include "sim/world.hpp"

namespace quorate::sim {

/// How fast a clock runs: 1000 gains a millisecond per second. Above -1'000'000.
struct DriftPpm {
  std::int64_t value = 0;
  friend constexpr auto operator<=>(const DriftPpm&, const DriftPpm&) = default;
};

class SimClock final : private Handler {
 public:
  /// `alarm` is called when an armed deadline has come.
  SimClock(World& world, std::function<void()> alarm) : world_(world), alarm_(std::move(alarm)) {}
  SimClock(const SimClock&) = delete;
  SimClock& operator=(const SimClock&) = delete;

  [[nodiscard]] Instant now() const;
  void arm(Instant deadline);
  /// The process is gone: no alarm until the next arm().
  void disarm() { armed_ = false; }

  void set_drift(DriftPpm drift);
  [[nodiscard]] DriftPpm drift() const { return drift_; }
  /// Forwards at once; backwards by standing still.
  void jump(Duration by);

 private:
  void fire(std::uint64_t generation) override;
  /// Makes the current reading the origin of a new line, so that the line's law can change.
  void rebase();
  void schedule_alarm();
  [[nodiscard]] WorldTime when_shows(Instant reading) const;

  World& world_;
  std::function<void()> alarm_;

  // The reading is origin_reading_ + (now - origin_) scaled by the drift, and origin_reading_ before origin_.
  WorldTime origin_{};
  Instant origin_reading_{};
  DriftPpm drift_;

  bool armed_ = false;
  Instant deadline_{};
  WorldTime scheduled_ = kNever;  ///< the earliest event on its way; kNever: none
  std::uint64_t generation_ = 0;
};

}  // namespace quorate::sim
