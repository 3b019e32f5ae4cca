#include "server/node_process.hpp"

#include <csignal>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <utility>

#include <sys/resource.h>

#include "server/log.hpp"
#include "server/node_server.hpp"
#include "server/offline/recovery_file.hpp"
#include "server/signals.hpp"

namespace quorate::server {

namespace {

/// Every connection needs a descriptor; the limit that a shell sets is for other programs.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

Result<void> run_node_process(const NodeConfig& config) {
  raise_descriptor_limit();
  std::mutex mutex;  // of what the thread of the signals shares with this one
  NodeServer* serving = nullptr;
  bool is_stopping = false;
  const Signals signals([&](int signal) {
    const std::lock_guard lock(mutex);
    // Without files to read again, a terminal that is closed ends the node like any other process.
    if (signal == SIGHUP && config.has_security_files() && !is_stopping) {
      if (serving != nullptr) serving->reload();
      return;
    }
    if (std::exchange(is_stopping, true)) {
      log_warn("told to stop once more: stopping at once");
      std::_Exit(EXIT_FAILURE);
    }
    if (serving != nullptr) serving->stop();
  });
  if (auto recovered = recover_as_the_file_says(config); !recovered) return recovered;
  auto server = NodeServer::open(config);
  if (!server) return tl::unexpected(server.error());
  {
    const std::lock_guard lock(mutex);
    if (is_stopping) return {};
    serving = server->get();
  }
  Result<void> ended = (*server)->run();
  const std::lock_guard lock(mutex);
  serving = nullptr;
  return ended;
}

}  // namespace quorate::server
