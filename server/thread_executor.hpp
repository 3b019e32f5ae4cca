// A thread for blocking work, as the driver's concepts want it (SerialExecutor, consensus/concepts.hpp): jobs run on it
// one after the other, in the order in which they were given, and their completions are posted to the node's loop.
//
// Threads: run() is called on the loop. The destructor ends the thread after the job at hand; what is queued behind it
// never runs, and completions that have not been posted by then never are.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace quorate::server {

class ThreadExecutor {
 public:
  /// Hands a completion to the loop; called on the executor's thread.
  using Post = std::function<void(std::function<void()>)>;

  /// What is in the background gets the processor as far as nobody else wants it: for work that takes long and holds
  /// no lock that others wait for.
  enum class Urgency : std::uint8_t { kNormal, kBackground };

  /// `name` is what the operating system shows for the thread (at most 15 letters).
  ThreadExecutor(std::string name, Post post, Urgency urgency = Urgency::kNormal);
  ~ThreadExecutor();
  ThreadExecutor(const ThreadExecutor&) = delete;
  ThreadExecutor& operator=(const ThreadExecutor&) = delete;

  void run(std::function<void()> job, std::function<void()> done);

 private:
  struct Task {
    std::function<void()> job;
    std::function<void()> done;
  };

  void work(Urgency urgency);

  const Post post_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace quorate::server
