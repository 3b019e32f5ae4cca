#include "server/thread_executor.hpp"

#include <utility>

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

namespace quorate::server {

namespace {

/// The lowest that there is: a tenth of the share of a thread that is not in the background would still be felt.
constexpr int kBackgroundNiceness = 19;

}  // namespace

ThreadExecutor::ThreadExecutor(std::string name, Post post, Urgency urgency)
    : post_(std::move(post)), thread_([this, urgency] { work(urgency); }) {
  name.resize(std::min<std::size_t>(name.size(), 15));
  pthread_setname_np(thread_.native_handle(), name.c_str());
}

ThreadExecutor::~ThreadExecutor() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void ThreadExecutor::run(std::function<void()> job, std::function<void()> done) {
  bool was_idle = false;
  {
    const std::lock_guard lock(mutex_);
    was_idle = tasks_.empty();
    tasks_.push_back({std::move(job), std::move(done)});
  }
  if (was_idle) wake_.notify_one();
}

void ThreadExecutor::work(Urgency urgency) {
  // On Linux a thread has a niceness of its own. Where that cannot be set, it is as urgent as others.
  if (urgency == Urgency::kBackground) setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kBackgroundNiceness);
  std::unique_lock lock(mutex_);
  while (true) {
    wake_.wait(lock, [this] { return stopping_ || !tasks_.empty(); });
    if (stopping_) return;
    Task task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task.job();
    task.job = nullptr;
    if (task.done) post_(std::move(task.done));
    lock.lock();
  }
}

}  // namespace quorate::server
