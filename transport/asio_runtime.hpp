// The loop on which a node lives: one thread that waits for sockets and timers and runs what is posted to it, one task
// after the other. Everything of this room that is not marked otherwise is called, and calls back, on that thread; it
// is the strand that the driver's concepts ask for (consensus/concepts.hpp).
//
// Not a thread pool: blocking work belongs on threads of its own, which post their results here. Owned by whoever
// assembles the node; outlives everything that was built on it. Nothing is durable.
#pragma once

#include <functional>
#include <memory>

#include "consensus/types.hpp"

namespace quorate::transport {

namespace detail {
class Loop;
}

class AsioRuntime {
 public:
  AsioRuntime();
  ~AsioRuntime();
  AsioRuntime(const AsioRuntime&) = delete;
  AsioRuntime& operator=(const AsioRuntime&) = delete;

  /// Makes the calling thread the loop until stop(). Tasks must not throw.
  void run();
  /// Ends run() for good, after the task at hand; what is queued behind it never runs. Any thread.
  void stop();
  /// Runs `task` on the loop, later, in the order of the calls of each thread. Any thread.
  void post(std::function<void()> task);
  /// Whether the caller is on the loop. Any thread.
  [[nodiscard]] bool is_loop_thread() const;
  /// Monotonic. Any thread.
  [[nodiscard]] static Instant now();

  /// For the .cpp files of this room.
  [[nodiscard]] detail::Loop& loop() { return *loop_; }

 private:
  std::unique_ptr<detail::Loop> loop_;
};

}  // namespace quorate::transport
