// A loop that runs on a thread of its own while a test looks at what lives on it.
#pragma once

#include <future>
#include <thread>

#include <gtest/gtest.h>
#include <poll.h>

#include "transport/asio_runtime.hpp"

namespace quorate::transport::test {

/// What lives on the loop ends there, before the fixture: with on_loop() and stop_loop() in the test's destructor.
class LoopFixture : public ::testing::Test {
 protected:
  LoopFixture() : loop_([this] { runtime_.run(); }) {}

  void stop_loop() {
    runtime_.stop();
    loop_.join();
  }

  /// Runs on the loop and waits for it.
  template <class F>
  void on_loop(F action) {
    std::promise<void> done;
    runtime_.post([&] {
      action();
      done.set_value();
    });
    done.get_future().wait();
  }

  /// Whether the condition, looked at on the loop, holds before everybody has lost patience.
  template <class F>
  [[nodiscard]] bool eventually(F condition) {
    for (int i = 0; i < 20'000; ++i) {
      bool holds = false;
      on_loop([&] { holds = condition(); });
      if (holds) return true;
      ::poll(nullptr, 0, 1);
    }
    return false;
  }

  AsioRuntime runtime_;

 private:
  std::thread loop_;
};

}  // namespace quorate::transport::test
