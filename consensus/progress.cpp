#include "consensus/progress.hpp"

#include <algorithm>

#include "consensus/assert.hpp"

namespace quorate {

namespace {

/// Round trips this many times the shortest one mean that the window only fills queues.
constexpr int kQueueingFactor = 4;
/// Weight of the history in the smoothed round trip, as in TCP (7/8).
constexpr int kSmoothing = 8;

}  // namespace

void Progress::sent(Index last, std::size_t bytes, Instant now) {
  in_flight_bytes_ += bytes;
  in_flight_.push_back({last, bytes, now});
  if (in_flight_bytes_ >= window_bytes_) limited_through_ = last;
  if (state == State::kReplicate) next = std::max(next, last + 1);
}

void Progress::accepted(Index index, Instant now, const WindowLimits& limits) {
  match = std::max(match, index);
  while (!in_flight_.empty() && in_flight_.front().last <= match) {
    adapt_window(in_flight_.front(), now, limits);
    in_flight_bytes_ -= in_flight_.front().bytes;
    in_flight_.pop_front();
  }
  if (state != State::kReplicate) {
    clear_in_flight();
    next = match + 1;
    state = State::kReplicate;
    snapshot = {};
  }
  next = std::max(next, match + 1);
}

void Progress::rejected(Index common) {
  clear_in_flight();
  state = State::kProbe;
  next = std::max(common, match) + 1;
}

void Progress::lost(const WindowLimits& limits) {
  clear_in_flight();
  window_bytes_ = std::max(window_bytes_ / 2, limits.bytes_min);
  if (state == State::kSnapshot) return;
  if (state == State::kReplicate) next = match + 1;
  state = State::kProbe;
}

void Progress::await_snapshot(Instant now) {
  clear_in_flight();
  state = State::kSnapshot;
  snapshot = {};
  snapshot.last_progress = now;
}

void Progress::restarted(Boot new_boot) {
  boot = new_boot;
  clear_in_flight();
  match = Index{};
  acknowledged_round = 0;
  acknowledged_sent.reset();
  if (state != State::kSnapshot) state = State::kProbe;
}

void Progress::clear_in_flight() {
  in_flight_.clear();
  in_flight_bytes_ = 0;
}

void Progress::adapt_window(const InFlight& answered, Instant now, const WindowLimits& limits) {
  const Duration sample = now - answered.sent;
  round_trip_ = round_trip_ == Duration{} ? sample : (round_trip_ * (kSmoothing - 1) + sample) / kSmoothing;
  round_trip_min_ = round_trip_min_ == Duration{} ? sample : std::min(round_trip_min_, sample);
  if (round_trip_ > round_trip_min_ * kQueueingFactor) {
    window_bytes_ -= std::min(window_bytes_, answered.bytes / 2);
  } else if (answered.last <= limited_through_) {
    window_bytes_ += answered.bytes;
  }
  window_bytes_ = std::clamp(window_bytes_, limits.bytes_min, limits.bytes_max);
}

}  // namespace quorate
