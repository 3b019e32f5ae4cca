// The simulated world: virtual time, and the queue of everything that is going to happen in it. One thread, one seed.
// Two events at the same time happen in the order in which they were scheduled, so a run is a function of its seed.
//
// The queue knows nothing about nodes. An event is a handler and a number that means something to the handler (a slot,
// a generation), so that scheduling allocates nothing in the steady state. A handler must outlive its events; one that
// no longer wants an event recognises its number as stale, events are never taken out of the queue.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <vector>

#include "consensus/random.hpp"
#include "consensus/types.hpp"

namespace quorate::sim {

/// The world's own time, which no node can see: nodes see what their clocks make of it.
struct VirtualTime {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<VirtualTime>;
  static constexpr bool is_steady = true;
};
using WorldTime = VirtualTime::time_point;

inline constexpr WorldTime kNever = WorldTime::max();

class Handler {
 public:
  /// The event's time has come; it is the world's now.
  virtual void fire(std::uint64_t token) = 0;

 protected:
  ~Handler() = default;
};

class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed) {}
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  [[nodiscard]] WorldTime now() const { return now_; }
  /// An independent source of randomness for one purpose. Asking twice for the same purpose gives the same numbers.
  [[nodiscard]] Random randomness(std::uint64_t purpose) const { return random_.fork(purpose); }

  /// `at` must not be past.
  void schedule(WorldTime at, Handler& handler, std::uint64_t token);
  /// For what happens rarely; allocates.
  void at(WorldTime time, std::function<void()> action);

  /// Lets the next event happen; false if there is none.
  bool step();
  /// Lets everything happen that is due up to and including `time`, which is now afterwards.
  void run_until(WorldTime time);

  [[nodiscard]] std::optional<WorldTime> next() const;
  [[nodiscard]] std::uint64_t events() const { return events_; }

 private:
  struct Scheduled {
    WorldTime time;
    std::uint64_t sequence;
    Handler* handler;
    std::uint64_t token;

    [[nodiscard]] bool is_before(const Scheduled& other) const {
      return time != other.time ? time < other.time : sequence < other.sequence;
    }
  };

  /// Runs the functions given to at(); the token is their slot.
  class Actions final : public Handler {
   public:
    std::uint64_t keep(std::function<void()> action);
    void fire(std::uint64_t slot) override;

   private:
    std::vector<std::function<void()>> slots_;
    std::vector<std::uint64_t> free_;
  };

  void sift_up(std::size_t at);
  void sift_down(std::size_t at);

  Random random_;
  WorldTime now_{};
  std::uint64_t sequence_ = 0;
  std::uint64_t events_ = 0;
  std::vector<Scheduled> heap_;  ///< four children each: half the levels of a binary heap, the same cache lines
  Actions actions_;
};

/// Milliseconds and microseconds of the world, for traces and for people.
[[nodiscard]] constexpr std::int64_t microseconds(WorldTime time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

}  // namespace quorate::sim
