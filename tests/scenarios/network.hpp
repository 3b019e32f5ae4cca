// The links between servers: one queue per direction, in the order of sending, from which a scenario delivers, drops,
// copies and sets aside whatever it likes. Nothing moves by itself.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "consensus/message.hpp"
#include "consensus/types.hpp"

namespace quorate::scenario {

struct Link {
  NodeId from;
  NodeId to;
  friend auto operator<=>(const Link&, const Link&) = default;
};

/// Which messages a command means: kind, fields, and how many of them.
struct MessageFilter {
  std::string kind = "*";
  std::map<std::string, std::string> fields;

  [[nodiscard]] bool accepts(const Message& message) const;
};

class Network {
 public:
  struct InFlight {
    Message message;
    Instant due;  ///< when it arrives if nobody interferes
  };

  /// Queues the message, or loses it if the link is cut.
  void post(Message message, Instant due);

  /// Takes messages off the links, in order; `last` takes from the end.
  std::vector<Message> take(const std::vector<Link>& links, const MessageFilter& filter, std::size_t count, bool last);
  /// Copies them instead; the copies stay where they are.
  void duplicate(const std::vector<Link>& links, const MessageFilter& filter);

  void cut(Link link);
  void heal(Link link) { cut_.erase(link); }
  void heal_all() { cut_.clear(); }

  /// The message that arrives next on any link to one of `to`, if there is one.
  [[nodiscard]] std::optional<Link> next(const std::set<NodeId>& to) const;
  [[nodiscard]] const InFlight& front(Link link) const { return links_.at(link).front(); }
  Message pop(Link link);
  [[nodiscard]] const std::deque<InFlight>& queue(Link link) { return links_[link]; }

  /// Everything that any node handed to the network since the last forget().
  [[nodiscard]] const std::vector<Message>& sent() const { return sent_; }
  void forget() { sent_.clear(); }
  /// One number for everything ever sent, in order.
  [[nodiscard]] std::uint64_t digest() const { return digest_; }

 private:
  std::map<Link, std::deque<InFlight>> links_;
  std::set<Link> cut_;
  std::vector<Message> sent_;
  std::uint64_t digest_ = 0;
};

/// `1->2`, `1-2` (both directions), `*->2`, `1->*`, `*-*`; `nodes` are all there are.
[[nodiscard]] std::vector<Link> parse_links(const std::string& text, const std::set<NodeId>& nodes);

/// What is left of a message when one bit of its frame is turned over on the way: nothing, if the checksum is worth it.
[[nodiscard]] std::optional<Message> corrupted(const Message& message, std::size_t bit);

}  // namespace quorate::scenario
