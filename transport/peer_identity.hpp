// Who a node is to its peers: what it says first on every connection. A value.
#pragma once

#include <cstdint>
#include <string>

#include "consensus/types.hpp"
#include "consensus/wire/codec.hpp"

namespace quorate::transport {

struct PeerIdentity {
  /// 0: belongs to no cluster yet, and may only call.
  ClusterId cluster;
  NodeId node;
  Incarnation incarnation;
  Boot boot;
  std::uint32_t feature_level = 0;
  /// Where others reach it: host:port. Whoever does not know it as a member yet answers there.
  std::string address;

  [[nodiscard]] wire::Hello hello_to(NodeId peer) const {
    return {node, peer, incarnation, boot, feature_level, address};
  }
};

}  // namespace quorate::transport
