// One life of a node's process, whatever application it runs: the real driver over the real log and state machine, on a
// simulated machine. Everything of one process is called on its strand, and nothing after it has ended.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "consensus/node.hpp"

namespace quorate::sim {

class Process {
 public:
  virtual ~Process() = default;

  virtual void start() = 0;
  virtual void receive(Message message) = 0;
  virtual void tick() = 0;
  virtual void peer_disconnected(NodeId peer) = 0;
  virtual void flush() = 0;
  /// Another node's application asks. Most have nothing to say.
  virtual void called(NodeId from, Payload request, std::function<void(Payload)> reply) {
    static_cast<void>(from);
    static_cast<void>(request);
    static_cast<void>(reply);
  }
  /// The disk may have room again.
  virtual void space_freed() = 0;

  virtual void propose(Payload command, ProposalCallback done) = 0;
  virtual void read(ReadCallback done) = 0;
  /// Answers a query from what is applied now.
  [[nodiscard]] virtual Result<Payload> query(std::span<const std::byte> bytes) const = 0;
  /// The last entry that the state answering queries contains.
  [[nodiscard]] virtual Index state_index() const = 0;
  virtual void change_membership(ConfigurationChange change, ProposalCallback done) = 0;
  virtual void abort_membership_change(ProposalCallback done) = 0;
  virtual void transfer_leadership(NodeId target, ProposalCallback done) = 0;
  virtual void checkpoint() = 0;

  [[nodiscard]] virtual const Core& core() const = 0;
  [[nodiscard]] virtual bool has_stopped() const = 0;
  [[nodiscard]] virtual const std::string& stop_reason() const = 0;
  [[nodiscard]] virtual std::optional<std::uint64_t> digest() const = 0;
};

class Host;

/// Starts processes of one application from what is on a machine's disk, by the path that a server takes.
class Launcher {
 public:
  virtual ~Launcher() = default;

  /// Makes an empty disk that of a new node. `entropy` is what makes its incarnation unique.
  [[nodiscard]] virtual Result<Incarnation> format(Host& host, std::uint64_t entropy) = 0;
  /// Makes the node of a disk just formatted a founding member.
  [[nodiscard]] virtual Result<void> found(Host& host, const Configuration& founders) = 0;
  /// The process may use the host until it is destroyed.
  [[nodiscard]] virtual Result<std::unique_ptr<Process>> launch(Host& host) = 0;
};

}  // namespace quorate::sim
