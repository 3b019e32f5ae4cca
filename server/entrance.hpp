// How a node comes to its cluster: by beginning one, by joining one through any of its members, or by being one of
// several that begin one together; and how it makes itself known again when it comes back with another address or in
// another role.
//
// Several that begin one together (-bootstrap-expect): all know the same list of addresses, and the node whose address
// is the first of it is the founder. Once so many nodes as expected have answered, and none of them belongs to a
// cluster, it begins one alone; the others join it like anybody. Only one node can ever be the founder, so there cannot
// be two clusters.
//
// Where the list is looked up (discovery/), it may differ from node to node and change at any time: then the nodes
// agree on the founder first (discovery/founder_choice.hpp). Where a store names the leader, the store settles it.
//
// Loop thread only. Transport, alarms and discovery outlive it. Calls back as told below, never from within a call.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "server/alarms.hpp"
#include "server/config.hpp"
#include "server/discovery/discovery.hpp"
#include "server/discovery/founder_choice.hpp"
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
    /// Whom this node takes for the founder now, by address; empty: nobody.
    std::function<void(const std::string& address)> expects;
    /// The members know this node as it wishes to be known.
    std::function<void()> entered;
    /// There is no way in; the process must end.
    std::function<void(std::string why)> refused;
  };
  /// A request of this node to be taken in, for the leader that it is itself.
  using AskSelf = std::function<void(const JoinRequest&, std::function<void(JoinAnswer)>)>;

  /// Joins as the user of `login`, or as nobody; through the nodes of config.join, unless there is discovery.
  Entrance(transport::AsioTransport& transport, Alarms& alarms, discovery::Discovery* discovery,
           const NodeConfig& config, std::string name, std::optional<security::Login> login, Events events)
      : transport_(transport),
        alarms_(alarms),
        discovery_(discovery),
        config_(config),
        name_(std::move(name)),
        login_(std::move(login)),
        events_(std::move(events)),
        addresses_(config_.join),
        choice_(name_, config_.raft_advertised, config_.bootstrap_expect) {}

  /// For a node that knows of no cluster: ends in found() or joins(), unless there is no way in.
  void look_for_cluster();
  /// For a node that has one: ends in entered(), at once if it is a member already.
  void make_known(Replica& replica, AskSelf ask_self);

 private:
  void look_up();
  void found_out(const Result<discovery::Whereabouts>& found);
  void nobody_to_ask(std::string why, Duration pause);
  void ask_around();
  void heard(const std::string& address, const transport::CallResult& result);
  void everybody_asked();
  [[nodiscard]] bool is_founder(const std::vector<discovery::FounderChoice::Heard>& without_cluster);
  [[nodiscard]] bool is_too_late() const;
  void pause_or_give_up();

  [[nodiscard]] bool is_known() const;
  [[nodiscard]] JoinRequest wish() const;
  [[nodiscard]] Payload wish_in_writing() const;
  void ask_to_join();
  [[nodiscard]] std::vector<std::string> whom_to_ask() const;
  void ask_member(NodeId node);
  void next_to_ask();
  void look_up_again();
  void answered(const std::string& by, const transport::CallResult& result);
  void judge(const std::string& by, const JoinAnswer& answer);

  transport::AsioTransport& transport_;
  Alarms& alarms_;
  discovery::Discovery* discovery_;
  NodeConfig config_;
  std::string name_;
  std::optional<security::Login> login_;
  Events events_;

  Instant begun_;
  unsigned attempts_ = 0;
  std::string last_problem_ = "nobody has answered";
  std::string logged_problem_;          ///< of a look-up
  std::vector<std::string> addresses_;  ///< where somebody may be, as far as is known
  discovery::FounderChoice choice_;
  discovery::BackOff look_up_pause_;

  // Looking for a cluster.
  std::map<std::string, NodeDescription> heard_;  ///< in this round, by address
  std::size_t unanswered_ = 0;
  Instant round_begun_;

  // Becoming known.
  Replica* replica_ = nullptr;
  AskSelf ask_self_;
  Instant attempt_begun_;
  bool was_answered_ = false;  ///< in this attempt, by somebody of the cluster
  std::string hint_;           ///< where the leader is said to be
  std::size_t asked_ = 0;      ///< of whom_to_ask(), in this attempt
};

}  // namespace quorate::server
