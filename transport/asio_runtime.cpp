#include "transport/asio_runtime.hpp"

#include <chrono>
#include <utility>

#include <boost/asio/post.hpp>

#include "consensus/assert.hpp"
#include "transport/detail/loop.hpp"

namespace quorate::transport {

AsioRuntime::AsioRuntime() : loop_(std::make_unique<detail::Loop>()) {}

AsioRuntime::~AsioRuntime() = default;

void AsioRuntime::run() {
  QUORATE_ASSERT(loop_->thread.load() == std::thread::id());
  loop_->thread = std::this_thread::get_id();
  loop_->context.run();
  loop_->thread = std::thread::id();
}

void AsioRuntime::stop() { loop_->context.stop(); }

void AsioRuntime::post(std::function<void()> task) { detail::asio::post(loop_->context, std::move(task)); }

bool AsioRuntime::is_loop_thread() const {
  return loop_->thread.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

Instant AsioRuntime::now() {
  return Instant(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

}  // namespace quorate::transport
