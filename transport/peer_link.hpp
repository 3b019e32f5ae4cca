// The way from this node to one peer: dials, says hello, sends messages and calls, and dials again when the connection
// breaks. The way back is the peer's own link to this node; so each of the two can be repaired by the side that needs
// it.
//
// Messages sent while the peer is not connected are dropped: by the time it is, the protocol has newer ones to say.
//
// Loop thread only. Destroying the link ends its calls with kUnknown or kRefused, as the case may be.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "consensus/message.hpp"
#include "consensus/payload.hpp"
#include "consensus/wire/codec.hpp"
#include "transport/asio_runtime.hpp"
#include "transport/peer_identity.hpp"
#include "transport/pending_calls.hpp"
#include "transport/tls.hpp"

namespace quorate::transport {

/// What becomes of a call while there is no connection.
enum class WhenDown : std::uint8_t {
  kRefuse,
  kWait,  ///< for a connection, until the call's own timeout
};

struct PeerLinkStatus {
  bool is_connected = false;
  std::optional<wire::Hello> hello;  ///< what the peer said of itself when it was last connected
  std::uint64_t connects = 0;
  std::uint64_t dropped_urgent = 0;
  std::uint64_t dropped_bulk = 0;
  std::uint64_t bytes_sent = 0;
  std::string last_error;  ///< why the last connection ended or could not be made
};

class PeerLink {
 public:
  struct Options {
    PeerIdentity identity;
    NodeId peer;          ///< kNoNode: whoever is there
    std::string address;  ///< host:port
    std::uint64_t seed = 0;
    std::shared_ptr<TlsContext> tls;  ///< null: plain
  };
  struct Events {
    std::function<void()> connected;
    std::function<void()> lost;  ///< a connection that was established has broken
  };

  /// Dials at once.
  PeerLink(AsioRuntime& runtime, Options options, Events events);
  ~PeerLink();
  PeerLink(const PeerLink&) = delete;
  PeerLink& operator=(const PeerLink&) = delete;

  void send(Message message);
  void call(Payload request, Duration timeout, WhenDown when_down, CallDone done);
  /// The peer is known to be there: if this is a pause between two attempts, it ends.
  void hurry();
  [[nodiscard]] const std::string& address() const;
  [[nodiscard]] PeerLinkStatus status() const;

 private:
  class Core;
  std::shared_ptr<Core> core_;
};

}  // namespace quorate::transport
