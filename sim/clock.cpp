#include "sim/clock.hpp"

#include <algorithm>

#include "consensus/assert.hpp"

namespace quorate::sim {

namespace {

/// Lines longer than this are rebased before their arithmetic could overflow.
constexpr Duration kLineMax = std::chrono::hours(1);
/// A deadline farther away than this is looked at again then.
constexpr Duration kAlarmMax = std::chrono::minutes(10);

Duration scaled(Duration duration, DriftPpm drift) { return duration + duration * drift.value / kMillion; }

/// The least real duration whose scaled value is at least `shown`.
Duration unscaled(Duration shown, DriftPpm drift) {
  const std::int64_t rate = std::int64_t{kMillion} + drift.value;
  Duration real = shown / rate * kMillion + (shown % rate) * kMillion / rate;
  while (scaled(real, drift) < shown) real += Duration{1};
  return real;
}

}  // namespace

Instant SimClock::now() const {
  if (world_.now() <= origin_) return origin_reading_;
  return origin_reading_ + scaled(world_.now() - origin_, drift_);
}

void SimClock::arm(Instant deadline) {
  deadline_ = deadline;
  armed_ = true;
  schedule_alarm();
}

void SimClock::set_drift(DriftPpm drift) {
  QUORATE_ASSERT(drift.value > -std::int64_t{kMillion});
  rebase();
  drift_ = drift;
  if (armed_) schedule_alarm();
}

void SimClock::jump(Duration by) {
  rebase();
  if (by >= Duration::zero()) {
    origin_reading_ += by;
  } else {
    origin_ += -by;
  }
  if (armed_) schedule_alarm();
}

void SimClock::rebase() {
  if (world_.now() <= origin_) return;
  origin_reading_ = now();
  origin_ = world_.now();
}

WorldTime SimClock::when_shows(Instant reading) const {
  const WorldTime from = std::max(origin_, world_.now());
  const Instant shown_from = now();
  if (reading <= shown_from) return world_.now();
  const Duration away = std::min<Duration>(reading - shown_from, kAlarmMax);
  return from + unscaled(away, drift_);
}

void SimClock::schedule_alarm() {
  if (world_.now() - origin_ > kLineMax) rebase();
  const WorldTime at = when_shows(deadline_);
  if (at >= scheduled_) return;  // an event before it is on its way and will look again
  scheduled_ = at;
  world_.schedule(at, *this, ++generation_);
}

void SimClock::fire(std::uint64_t generation) {
  if (generation != generation_) return;
  scheduled_ = kNever;
  if (!armed_) return;
  if (now() < deadline_) return schedule_alarm();
  armed_ = false;
  alarm_();
}

}  // namespace quorate::sim
