#include "server/signals.hpp"

#include <csignal>
#include <utility>

#include <pthread.h>

namespace quorate::server {

Signals::Signals(std::function<void(int signal)> arrived) {
  std::signal(SIGPIPE, SIG_IGN);  // whoever writes to a pipe that is gone gets an error, which is enough
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  thread_ = std::thread([this, set, arrived = std::move(arrived)] {
    int signal = 0;
    while (sigwait(&set, &signal) == 0 && !is_ending_) arrived(signal);
  });
  pthread_setname_np(thread_.native_handle(), "quorate-signal");
}

Signals::~Signals() {
  is_ending_ = true;
  pthread_kill(thread_.native_handle(), SIGTERM);
  thread_.join();
}

}  // namespace quorate::server
