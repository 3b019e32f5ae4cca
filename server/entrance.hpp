// How a node comes to its cluster: by beginning one, by joining one through any of its members, or by being one of
// several that begin one together; and how it makes itself known again when it comes back with another address or in
// another role.
//
// Several that begin one together (-bootstrap-expect): all know the same list of addresses, and the node whose address
// is the first of it is the founder. Once so many nodes as expected have answered, and none of them belongs to a
// cluster, it begins one alone; the others join it like anybody. Only one node can ever be the founder, so there cannot
// be two clusters.
//
// Loop thread only. Transport and alarms outlive it. Calls back as told below, never from within a call.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/alarms.hpp"
#include "server/config.hpp"
#include "server/peer_protocol.hpp"
#include "server/replica.hpp"
#include "server/security/login.hpp"
#include "transport/asio_transport.hpp"

namespace quorate::server {

class Entrance {
 public:
  struct Events {
    /// There is a cluster to be founded by this node, or one to be joined.
    std::function<void()> found;
    std::function<void(ClusterId)> joins;
    /// The members know this node as it wishes to be known.
    std::function<void()> entered;
    /// There is no way in; the process must end.
    std::function<void(std::string why)> refused;
  };
  /// A request of this node to be taken in, for the leader that it is itself.
  using AskSelf = std::function<void(const JoinRequest&, std::function<void(JoinAnswer)>)>;

  /// Joins as the user of `login`, or as nobody.
  Entrance(transport::AsioTransport& transport, Alarms& alarms, const NodeConfig& config, std::string name,
           std::optional<security::Login> login, Events events)
      : transport_(transport),
        alarms_(alarms),
        config_(config),
        name_(std::move(name)),
        login_(std::move(login)),
        events_(std::move(events)) {}

  /// For a node that knows of no cluster: ends in found() or joins(), unless there is no way in.
  void look_for_cluster();
  /// For a node that has one: ends in entered(), at once if it is a member already.
  void make_known(Replica& replica, AskSelf ask_self);

 private:
  void ask_around();
  void heard(const std::string& address, const transport::CallResult& result);
  void everybody_asked();
  void pause_or_give_up();

  [[nodiscard]] bool is_known() const;
  [[nodiscard]] JoinRequest wish() const;
  [[nodiscard]] Payload wish_in_writing() const;
  void ask_to_join();
  [[nodiscard]] std::vector<std::string> whom_to_ask() const;
  void ask_member(NodeId node);
  void next_to_ask();
  void answered(const std::string& by, const transport::CallResult& result);
  void judge(const std::string& by, const JoinAnswer& answer);

  transport::AsioTransport& transport_;
  Alarms& alarms_;
  NodeConfig config_;
  std::string name_;
  std::optional<security::Login> login_;
  Events events_;

  Instant begun_;
  unsigned attempts_ = 0;
  std::string last_problem_ = "nobody has answered";

  // Looking for a cluster.
  std::map<std::string, NodeDescription> heard_;  ///< in this round, by address
  std::size_t unanswered_ = 0;

  // Becoming known.
  Replica* replica_ = nullptr;
  AskSelf ask_self_;
  Instant attempt_begun_;
  bool was_answered_ = false;  ///< in this attempt, by somebody of the cluster
  std::string hint_;           ///< where the leader is said to be
  std::size_t asked_ = 0;      ///< of config_.join, in this attempt
};

}  // namespace quorate::server
