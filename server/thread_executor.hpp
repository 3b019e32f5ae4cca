// A thread for blocking work, as the driver's concepts want it (SerialExecutor, consensus/concepts.hpp): jobs run on it
// one after the other, in the order in which they were given, and their completions are posted to the node's loop.
//
// Threads: run() is called on the loop. The destructor ends the thread after the job at hand; what is queued behind it
// never runs, and completions that have not been posted by then never are.
#pragma once

#include <condition_variable>
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

  /// `name` is what the operating system shows for the thread (at most 15 letters).
  ThreadExecutor(std::string name, Post post);
  ~ThreadExecutor();
  ThreadExecutor(const ThreadExecutor&) = delete;
  ThreadExecutor& operator=(const ThreadExecutor&) = delete;

  void run(std::function<void()> job, std::function<void()> done);

 private:
  struct Task {
    std::function<void()> job;
    std::function<void()> done;
  };

  void work();

  const Post post_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Task> tasks_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace quorate::server
