// The simulated network: every ordered pair of nodes has a link with a law of its own, and faults lie over the links
// for as long as they last, several at a time. In the plain law a link is first in, first out, as a TCP connection is.
//
// Each link draws from its own generator, so that what happens on one does not change what happens on another: a fault
// schedule can be cut down and the rest of the run stays much as it was.
//
// For scenarios every message on its way has an id, and can be held back under a name, released, dropped, repeated,
// damaged or delivered by hand; see "by hand" below.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/message.hpp"
#include "sim/node_set.hpp"
#include "sim/world.hpp"

namespace quorate::sim {

/// Drawn per message: at least `shortest`, up to `spread` more, and with probability `slow` up to `slow_spread` on top.
struct DelayLaw {
  Duration shortest{};
  Duration spread{};
  PartsPerMillion slow{};
  Duration slow_spread{};

  [[nodiscard]] Duration draw(Random& random) const;
  friend bool operator==(const DelayLaw&, const DelayLaw&) = default;
};

/// What one fault does to the links it lies over. Faults add up: delays are summed, of probabilities the highest
/// counts.
struct LinkFault {
  enum class Passage : std::uint8_t {
    kOpen,
    kCut,     ///< what is sent or on its way vanishes
    kJammed,  ///< what is sent waits, and arrives all at once when the fault ends
  };
  Passage passage = Passage::kOpen;
  DelayLaw delay;
  PartsPerMillion loss{};
  PartsPerMillion duplication{};
  PartsPerMillion reordering{};        ///< of a message to overtake what was sent before it
  PartsPerMillion corruption{};        ///< of a bit flip on the way
  std::uint64_t bytes_per_second = 0;  ///< 0: unlimited

  friend bool operator==(const LinkFault&, const LinkFault&) = default;
};

/// Names a fault that lies over the network, chosen by whoever lays it.
using FaultId = StrongNumber<struct FaultIdTag>;
/// Names one copy of one message on its way.
using MessageId = StrongNumber<struct MessageIdTag>;

/// What became of messages, for traces, statistics and the proof that a fault had an effect.
enum class Fate : std::uint8_t {
  kSent,
  kDelivered,
  kCut,
  kLost,
  kDuplicated,
  kReordered,
  kCorrupted,  ///< damaged on the way; the receiver reads it through the real codec, and breaks the connection
  kJammed,
  kForged,  ///< damaged on the way and taken for another message: the codec has failed
  kCount,
};
[[nodiscard]] const char* name_of(Fate fate);
using FateCounts = std::array<std::uint64_t, static_cast<std::size_t>(Fate::kCount)>;

/// Told about every message; may look, not touch.
class NetworkObserver {
 public:
  virtual void on_message(MessageId id, Fate fate, const Message& message) = 0;

 protected:
  ~NetworkObserver() = default;
};

/// Where messages arrive.
class NetworkReceiver {
 public:
  virtual void deliver(Message message) = 0;
  /// The connection to `peer` broke: a damaged frame arrived on it, or the peer's process ended.
  virtual void disconnected(NodeId peer) = 0;
  /// Another node's application asks; `reply` may be called once, later, or never.
  virtual void called(NodeId from, Payload request, std::function<void(Payload)> reply) = 0;

 protected:
  ~NetworkReceiver() = default;
};

class Network final : private Handler {
 public:
  Network(World& world, std::uint64_t nodes, DelayLaw law);
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;

  void attach(NodeId node, NetworkReceiver& receiver);
  void observe(NetworkObserver& observer) { observer_ = &observer; }

  /// From the node that message.from names. Messages to unknown nodes vanish.
  void send(Message message);
  /// What applications ask each other besides replicating. Request and answer take the way of a message, but that they
  /// are not seen by the observer and cannot be taken in hand; either may vanish.
  void call(NodeId from, NodeId to, Payload request, std::function<void(Payload)> done);
  /// Tells everyone who can be reached that the node's connections broke, as the kernel of a machine whose process
  /// ended does.
  void break_connections(NodeId node);

  /// Lays a fault over all links from one set to the other, in this direction.
  void lay(FaultId fault, NodeSet from, NodeSet to, const LinkFault& effect);
  /// Takes away all that was laid under this id.
  void lift(FaultId fault);
  void lift_all();
  [[nodiscard]] bool is_open(NodeId from, NodeId to) const {
    return link(from, to).effect.passage == LinkFault::Passage::kOpen;
  }

  [[nodiscard]] const FateCounts& fates() const { return fates_; }
  [[nodiscard]] std::uint64_t count(Fate fate) const { return fates_[static_cast<std::size_t>(fate)]; }

  // By hand.

  enum class Delivery : std::uint8_t { kAutomatic, kManual };
  /// Manual: what is sent from now on stays on the link until it is delivered or released by name.
  void set_delivery(Delivery delivery);
  /// What is on its way and not held, in the order of sending. `kind` as name_of(MessageBody) says; empty: all.
  [[nodiscard]] std::vector<MessageId> on_the_way(NodeId from, NodeId to, std::string_view kind = {}) const;
  [[nodiscard]] const Message& message(MessageId id) const;
  /// Arrives now, whatever lies over the link.
  void deliver(MessageId id);
  void drop(MessageId id);
  /// A second copy, on its way like the first.
  MessageId duplicate(MessageId id);
  /// Arrives now with a bit flipped.
  void corrupt(MessageId id);
  /// Keeps it, however long, until release(name).
  void hold(MessageId id, const std::string& name);
  /// Everything held under the name arrives now, in the order of holding; returns how many messages that were.
  std::size_t release(const std::string& name);

 private:
  struct Link {
    LinkFault effect;  ///< of all faults together
    Random random;
    WorldTime last_arrival{};
    WorldTime free_at{};  ///< when a narrow link has sent what it was given
  };
  struct Slot {
    enum class State : std::uint8_t { kFree, kScheduled, kWaiting, kHeld };
    State state = State::kFree;
    MessageId id;
    Message message;
    bool is_corrupt = false;
  };
  struct LaidFault {
    FaultId id;
    NodeSet from;
    NodeSet to;
    LinkFault effect;
  };

  void fire(std::uint64_t token) override;
  [[nodiscard]] Link& link(NodeId from, NodeId to) { return links_[from.value * stride_ + to.value]; }
  [[nodiscard]] const Link& link(NodeId from, NodeId to) const { return links_[from.value * stride_ + to.value]; }
  void transmit(Message message, Link& link);
  void carry(NodeId from, NodeId to, std::function<void()> arrive);
  void depart(std::size_t slot, Link& link);
  void arrive(std::size_t slot);
  void receive_damaged(const Message& message, Random& random);
  void recompute();
  void flush_unjammed_links();
  [[nodiscard]] Duration transmission(const Message& message, Link& link);
  [[nodiscard]] std::size_t take_slot(Message message);
  Message take_out(std::size_t slot);
  [[nodiscard]] std::size_t find(MessageId id) const;
  void note(MessageId id, Fate fate, const Message& message);

  World& world_;
  DelayLaw law_;
  std::uint64_t nodes_;
  std::size_t stride_;
  std::vector<Link> links_;
  Random calls_random_;  ///< apart from the links', which recorded seeds rely upon
  std::vector<NetworkReceiver*> receivers_;
  NetworkObserver* observer_ = nullptr;
  std::vector<LaidFault> faults_;
  std::vector<Slot> slots_;
  std::vector<std::size_t> free_;
  std::uint64_t next_id_ = 1;
  Delivery delivery_ = Delivery::kAutomatic;
  std::map<std::string, std::vector<MessageId>> held_;
  FateCounts fates_{};
  std::vector<std::byte> frame_;
};

/// What a message takes on the wire, about: for links of limited bandwidth.
[[nodiscard]] std::size_t approximate_bytes(const Message& message);

}  // namespace quorate::sim
