// A mutex for what is held for a few microseconds at most: whoever finds it taken looks again for about as long before
// it sleeps, because falling asleep and being woken takes ten times longer than what it waits for.
//
// Threads: any. It is as fair as std::mutex, that is, not.
#pragma once

#include <mutex>

namespace quorate::sqlite {

class BriefMutex {
 public:
  void lock() {
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      if (mutex_.try_lock()) return;
      pause();
    }
    mutex_.lock();
  }
  void unlock() { mutex_.unlock(); }

 private:
  /// A few microseconds of attempts, on processors of today.
  static constexpr int kAttempts = 100;

  /// Tells the processor that this is a loop that waits.
  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }

  std::mutex mutex_;
};

}  // namespace quorate::sqlite
