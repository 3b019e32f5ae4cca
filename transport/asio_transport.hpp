// The driver's transport (concept Transport, consensus/concepts.hpp) over TCP: one link to every other member of the
// configuration, one listener for their links to this node, and calls between the applications of nodes on the same
// connections.
//
// A node of the cluster that is no member, as far as it is known here, gets a link too for as long as it keeps sending:
// a leader that this node has not heard of must be answered before it can say that it is a member, and one that is
// being removed has to learn that this is so.
//
// Loop thread only. The runtime outlives it. After its destruction nothing is called back, except the ends of open
// calls, which are called from within the destructor.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "consensus/configuration.hpp"
#include "consensus/message.hpp"
#include "consensus/payload.hpp"
#include "consensus/result.hpp"
#include "transport/asio_runtime.hpp"
#include "transport/host_port.hpp"
#include "transport/peer_identity.hpp"
#include "transport/peer_link.hpp"
#include "transport/peer_listener.hpp"
#include "transport/timer.hpp"
#include "transport/tls.hpp"

namespace quorate::transport {

class AsioTransport {
 public:
  struct Options {
    HostPort listen;
    PeerIdentity identity;
    std::uint64_t seed = 0;  ///< of the pauses between attempts to connect
    PeerTls tls;
  };
  struct Events {
    std::function<void(Message)> received;
    std::function<void(PeerCall)> called;
    /// A connection from or to the peer broke: what was in flight is lost, and the peer may be dead.
    std::function<void(NodeId)> lost;
  };
  struct PeerStatus {
    NodeId node;
    std::string address;
    PeerLinkStatus link;
  };

  [[nodiscard]] static Result<std::unique_ptr<AsioTransport>> start(AsioRuntime& runtime, Options options,
                                                                    Events events);
  ~AsioTransport();
  AsioTransport(const AsioTransport&) = delete;
  AsioTransport& operator=(const AsioTransport&) = delete;

  void send(Message message);
  void reconfigure(const Configuration& configuration);

  /// Asks the application of another member. Refused at once if it is not connected.
  void call(NodeId peer, Payload request, Duration timeout, CallDone done);
  /// Asks whoever listens at an address, over a connection made for the purpose.
  void call(const std::string& address, Payload request, Duration timeout, CallDone done);

  /// This node has joined a cluster, or has got its id: all connections are made anew.
  void adopt(const PeerIdentity& identity);

  [[nodiscard]] bool is_connected(NodeId peer) const;
  [[nodiscard]] const PeerIdentity& identity() const { return options_.identity; }
  [[nodiscard]] HostPort endpoint() const { return listener_->endpoint(); }
  [[nodiscard]] PeerListener::Stats listener_stats() const { return listener_->stats(); }
  [[nodiscard]] std::vector<PeerStatus> peers() const;

 private:
  struct Guest {
    std::unique_ptr<PeerLink> link;
    Instant heard;
  };

  AsioTransport(AsioRuntime& runtime, Options options, Events events);

  Result<void> listen();
  [[nodiscard]] std::unique_ptr<PeerLink> make_link(NodeId node, const std::string& address);
  void arrived(const wire::Hello& hello);
  void received(Message message);
  void left(NodeId peer);
  void keep_as_guest(NodeId node, std::unique_ptr<PeerLink> link);
  void see_silent_guests_off();
  [[nodiscard]] PeerLink* link_to(NodeId node) const;
  [[nodiscard]] std::uint64_t next_seed();

  AsioRuntime& runtime_;
  Options options_;
  Events events_;
  std::unique_ptr<PeerListener> listener_;
  std::map<NodeId, std::unique_ptr<PeerLink>> links_;  ///< to members
  std::map<NodeId, Guest> guests_;
  Timer guests_timer_;
  std::map<NodeId, std::string> connected_;  ///< who has a connection to this node, and the address it gives
  std::map<std::uint64_t, std::unique_ptr<PeerLink>> single_calls_;
  std::uint64_t links_made_ = 0;
  bool is_ending_ = false;
};

}  // namespace quorate::transport
