#include "transport/timer.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "transport/detail/loop.hpp"

namespace quorate::transport {

namespace {
/// Longer waits are cut into pieces of this: a deadline at the end of time must not overflow the clock's arithmetic.
constexpr Duration kWaitMax = std::chrono::hours(1);
}  // namespace

struct Timer::State {
  explicit State(detail::asio::io_context& context) : timer(context) {}

  detail::asio::steady_timer timer;
  std::uint64_t armed = 0;  ///< an expiry that was already queued when the timer was armed anew carries an older number
};

Timer::Timer(AsioRuntime& runtime) : state_(std::make_shared<State>(runtime.loop().context)) {}

Timer::~Timer() { cancel(); }

void Timer::arm_at(Instant deadline, std::function<void()> callback) {
  const std::uint64_t number = ++state_->armed;
  const Duration::rep since_boot = deadline.time_since_epoch().count();
  state_->timer.expires_at(std::chrono::steady_clock::time_point(std::chrono::nanoseconds(since_boot)));
  state_->timer.async_wait([state = state_, number, callback = std::move(callback)](detail::ErrorCode) {
    if (state->armed == number) callback();
  });
}

void Timer::arm_after(Duration delay, std::function<void()> callback) {
  arm_at(AsioRuntime::now() + delay, std::move(callback));
}

void Timer::cancel() {
  ++state_->armed;
  state_->timer.cancel();
}

AsioClock::AsioClock(AsioRuntime& runtime, std::function<void()> on_alarm)
    : timer_(runtime), on_alarm_(std::move(on_alarm)) {}

void AsioClock::arm(Instant deadline) {
  deadline_ = deadline;
  if (deadline < waiting_until_) wait_until(deadline);
}

void AsioClock::wait_until(Instant when) {
  waiting_until_ = std::min(when, now() + kWaitMax);
  timer_.arm_at(waiting_until_, [this] { expired(); });
}

void AsioClock::expired() {
  waiting_until_ = Instant::max();
  if (now() < deadline_) return wait_until(deadline_);
  deadline_ = Instant::max();
  on_alarm_();
}

}  // namespace quorate::transport
