// A SerialExecutor whose jobs run when the test says so, and one with a thread.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace quorate::testing {

class ManualExecutor {
 public:
  void run(std::function<void()> job, std::function<void()> done) {
    jobs_.emplace_back(std::move(job), std::move(done));
  }

  [[nodiscard]] std::size_t waiting() const { return jobs_.size(); }
  /// `meanwhile` happens after the work and before its owner hears of it.
  void run_one(const std::function<void()>& meanwhile = [] {}) {
    auto [job, done] = std::move(jobs_.front());
    jobs_.pop_front();
    job();
    meanwhile();
    done();
  }
  void run_all() {
    while (!jobs_.empty()) run_one();
  }

 private:
  std::deque<std::pair<std::function<void()>, std::function<void()>>> jobs_;
};

/// Jobs run on a thread of their own, completions on the thread that calls run_completions().
class ThreadExecutor {
 public:
  ThreadExecutor() : thread_([this] { work(); }) {}
  ThreadExecutor(const ThreadExecutor&) = delete;
  ThreadExecutor& operator=(const ThreadExecutor&) = delete;
  ~ThreadExecutor() {
    {
      const std::lock_guard lock(mutex_);
      is_over_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  void run(std::function<void()> job, std::function<void()> done) {
    {
      const std::lock_guard lock(mutex_);
      jobs_.emplace_back(std::move(job), std::move(done));
    }
    changed_.notify_all();
  }

  /// Until `condition` holds.
  void run_completions(const std::function<bool()>& condition) {
    while (!condition()) {
      std::function<void()> done;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return !done_.empty(); });
        done = std::move(done_.front());
        done_.pop_front();
      }
      done();
    }
  }

 private:
  void work() {
    std::unique_lock lock(mutex_);
    while (true) {
      changed_.wait(lock, [&] { return is_over_ || !jobs_.empty(); });
      if (jobs_.empty()) return;
      auto [job, done] = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job();
      job = nullptr;
      lock.lock();
      done_.push_back(std::move(done));
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::pair<std::function<void()>, std::function<void()>>> jobs_;
  std::deque<std::function<void()>> done_;
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace quorate::testing
