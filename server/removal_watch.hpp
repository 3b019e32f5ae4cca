// Finds out that this node was removed from its cluster. The members stop speaking to whoever is removed, often before
// it has learnt why; and a node that nobody speaks to cannot tell that from a partition. So it asks: the leader, and
// nobody else, can say for certain that it is no member any more.
//
// Loop thread only. Everything referred to outlives the watch.
#pragma once

#include <functional>
#include <string>

#include "server/alarms.hpp"
#include "server/peer_protocol.hpp"
#include "server/replica.hpp"
#include "transport/asio_transport.hpp"

namespace quorate::server {

class RemovalWatch {
 public:
  /// `changed` is called when is_removed() has changed.
  RemovalWatch(transport::AsioTransport& transport, Alarms& alarms, std::string name, std::function<void()> changed)
      : transport_(transport), alarms_(alarms), name_(std::move(name)), changed_(std::move(changed)) {}

  /// Begins, once: this node is, or was, a member.
  void watch(const Replica& replica);
  /// Something may have changed.
  void look();

  /// This node was a member and is none. It may be taken in again.
  [[nodiscard]] bool is_removed() const { return is_removed_; }

 private:
  void look_regularly();
  void ask();
  void decide(bool is_removed);

  transport::AsioTransport& transport_;
  Alarms& alarms_;
  std::string name_;
  std::function<void()> changed_;
  const Replica* replica_ = nullptr;
  bool was_member_ = false;
  bool was_alone_ = false;  ///< at the last regular look
  bool is_removed_ = false;
};

}  // namespace quorate::server
