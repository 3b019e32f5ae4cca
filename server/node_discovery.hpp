// A node's discovery (discovery/discovery.hpp) with the thread that it asks others on. Loop thread only.
#pragma once

#include <memory>

#include "consensus/result.hpp"
#include "server/alarms.hpp"
#include "server/config.hpp"
#include "server/discovery/discovery.hpp"
#include "server/peer_protocol.hpp"
#include "server/thread_executor.hpp"

namespace quorate::server {

class NodeDiscovery {
 public:
  /// Null if the configuration wants none. The error names the flag. The alarms outlive it.
  static Result<std::unique_ptr<NodeDiscovery>> open(const NodeConfig& config, const NodeDescription& self,
                                                     const ThreadExecutor::Post& post, Alarms& alarms);

  [[nodiscard]] discovery::Discovery& operator*() { return *discovery_; }
  [[nodiscard]] discovery::Discovery* operator->() { return discovery_.get(); }

 private:
  explicit NodeDiscovery(const ThreadExecutor::Post& post) : thread_("quorate-disco", post) {}

  ThreadExecutor thread_;
  std::unique_ptr<discovery::Discovery> discovery_;  ///< first to go: what the thread waits for then ends
};

}  // namespace quorate::server
