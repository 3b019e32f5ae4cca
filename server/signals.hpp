// SIGTERM, SIGINT and SIGHUP as calls on a thread, instead of handlers in which nearly nothing may be done. One per
// process, created before any other thread, so that all of them inherit that the signals are not theirs.
#pragma once

#include <atomic>
#include <functional>
#include <thread>

namespace quorate::server {

class Signals {
 public:
  /// `arrived` is called on a thread of its own, once for every signal.
  explicit Signals(std::function<void(int signal)> arrived);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  std::atomic<bool> is_ending_ = false;
  std::thread thread_;
};

}  // namespace quorate::server
