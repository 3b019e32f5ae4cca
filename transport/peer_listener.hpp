// Where the peers' links to this node end: accepts connections, checks who is there, and hands on what they send.
//
// Loop thread only. The runtime outlives it; nothing is called back after its destruction.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "consensus/message.hpp"
#include "consensus/payload.hpp"
#include "consensus/result.hpp"
#include "consensus/wire/codec.hpp"
#include "transport/asio_runtime.hpp"
#include "transport/call_pieces.hpp"
#include "transport/host_port.hpp"
#include "transport/peer_identity.hpp"
#include "transport/tls.hpp"

namespace quorate::transport {

/// Answers a call. At most once; without an answer the caller's timeout ends the call. Loop thread only; may be kept
/// longer than the connection lives.
using CallReply = std::function<void(CallVerdict, Payload)>;

struct PeerCall {
  NodeId from;          ///< kNoNode: somebody who has no id yet
  ClusterId cluster;    ///< the caller's; 0: it has none yet
  std::string address;  ///< where the connection comes from, for logs
  std::vector<std::byte> request;
  CallReply reply;
};

class PeerListener {
 public:
  struct Events {
    std::function<void(Message)> received;
    std::function<void(PeerCall)> called;
    /// A member, or somebody who says so, has connected.
    std::function<void(const wire::Hello&)> arrived;
    /// Its connection has broken, and there is no newer one.
    std::function<void(NodeId)> lost;
  };
  struct Stats {
    std::size_t connections = 0;
    std::uint64_t refused = 0;  ///< there were too many, or they did not speak the protocol
    std::string last_refusal;
  };

  [[nodiscard]] static Result<std::unique_ptr<PeerListener>> start(AsioRuntime& runtime, const HostPort& address,
                                                                   const PeerIdentity& identity, Events events,
                                                                   std::shared_ptr<TlsContext> tls = nullptr);
  ~PeerListener();

  [[nodiscard]] HostPort endpoint() const;
  [[nodiscard]] Stats stats() const;
  /// This node has become somebody else: existing connections are closed, new ones meet the new identity.
  void adopt(const PeerIdentity& identity);

  class Core;

 private:
  explicit PeerListener(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;
};

}  // namespace quorate::transport
