// One alarm. Its callback runs on the loop, at most once per arm(), never from within arm(), and never after cancel(),
// after another arm() or after the destruction of the timer. Loop thread only.
#pragma once

#include <functional>
#include <memory>

#include "consensus/types.hpp"
#include "transport/asio_runtime.hpp"

namespace quorate::transport {

class Timer {
 public:
  explicit Timer(AsioRuntime& runtime);
  ~Timer();
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  /// Replaces whatever was armed before. A deadline in the past fires soon.
  void arm_at(Instant deadline, std::function<void()> callback);
  void arm_after(Duration delay, std::function<void()> callback);
  void cancel();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// The driver's clock (concept Clock). The core wants another deadline after nearly every step, most of them later than
/// the one before: the alarm of the operating system is moved only if it would come too late.
class AsioClock {
 public:
  /// `on_alarm` runs on the loop when an armed deadline has passed.
  AsioClock(AsioRuntime& runtime, std::function<void()> on_alarm);

  [[nodiscard]] Instant now() const { return AsioRuntime::now(); }
  void arm(Instant deadline);

 private:
  void wait_until(Instant when);
  void expired();

  Timer timer_;
  std::function<void()> on_alarm_;
  Instant deadline_ = Instant::max();
  Instant waiting_until_ = Instant::max();
};

}  // namespace quorate::transport
