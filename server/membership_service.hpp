// The members of the cluster as this node sees them, and every change of them. Answers the HTTP handlers (cluster.hpp)
// on any node; carries out changes on the leader.
//
// How members are written into the configuration: by name, address and feature level (member_address.hpp). A newcomer
// is added as a learner, and the leader, whoever that is, makes it a voter as soon as it has caught up. A read replica
// is a learner of priority 0, which stays one.
//
// A node is taken in again under its name when it has moved, when its role changes, and when it has lost its disk: then
// it is another incarnation, whose former self is removed first. It is not, as long as a member of that name answers.
//
// Loop thread only. Transport and alarms outlive it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "server/alarms.hpp"
#include "server/cluster.hpp"
#include "server/feature_level.hpp"
#include "server/peer_protocol.hpp"
#include "server/replica.hpp"
#include "transport/asio_transport.hpp"

namespace quorate::server {

/// Of a member that the leader shall not make a voter.
inline constexpr std::uint32_t kReplicaPriority = 0;

/// A member as the leader sees it.
struct MemberContact {
  NodeId id;
  std::string name;
  bool is_read_replica = false;
  bool is_in_contact = false;
};

class MembershipService final : public Cluster {
 public:
  struct Self {
    std::string name;
    std::string address;
    std::string api_url;
    std::string version;
    FeatureLevel feature_level;
  };

  MembershipService(transport::AsioTransport& transport, Alarms& alarms, Self self)
      : transport_(transport), alarms_(alarms), self_(std::move(self)) {}

  /// Null while there is none.
  void serve(Replica* replica) { replica_ = replica; }
  /// Something may have changed that gives the leader work.
  void look_around();
  /// While this node belongs to no cluster: the address of the node that it takes for the one that begins it.
  void expect_founder(std::string address) { expected_founder_ = std::move(address); }
  /// Whether this node was a member and is none any more.
  void mark_removed(bool is_removed) { is_removed_ = is_removed; }
  /// Whether what it will serve is still being put in place.
  void mark_restoring(bool is_restoring) { is_restoring_ = is_restoring; }

  [[nodiscard]] NodeDescription describe_self() const;
  [[nodiscard]] ClusterCounts counts() const;
  /// Of somebody who wants to belong to the cluster, or to be another kind of member. `done` is called once.
  void take_in(const JoinRequest& request, std::function<void(JoinAnswer)> done);

  /// Of all but this node itself, which leads.
  [[nodiscard]] std::vector<MemberContact> contacts() const;
  /// Guarded, and only as long as it is silent: a member that has come back stays.
  void remove_silent(NodeId id, Duration timeout, std::function<void(ChangeEnd)> done);

  [[nodiscard]] MembershipVerdict judge(const MembershipQuestion& question) const;

  /// A request of peer_protocol.hpp to the leader.
  void pass_on(const Payload& request, Duration timeout, std::function<void(ForwardEnd)> done);

  [[nodiscard]] bool is_leader() const override;
  [[nodiscard]] bool is_voter() const override;
  [[nodiscard]] bool has_leader() const override;
  void forward(Payload request, Duration timeout, std::function<void(ForwardEnd)> done) override;
  void find_leader(Duration timeout, std::function<void(std::optional<NodeView>)> done) override;
  void probe(Members members, Duration timeout, std::function<void(std::vector<NodeView>)> done) override;
  void check_ready(const ReadyQuestion& question, std::function<void(Readiness)> done) override;
  void remove(std::string id, RemovalGuard guard, Duration timeout, std::function<void(ChangeEnd)> done) override;
  void take_snapshot(Duration timeout, std::function<void(SnapshotEnd)> done) override;
  void transfer_leadership(std::string target, TransferWait wait, Duration timeout,
                           std::function<void(ChangeEnd)> done) override;

 private:
  /// What is still to be changed for a wish to come true: nothing if it has, or an error if it cannot.
  using Wish = std::function<Result<std::optional<ConfigurationChange>>()>;

  void fulfil(Wish wish, Instant deadline, std::function<void(ChangeEnd)> done);
  Result<std::optional<ConfigurationChange>> change_to_admit(const JoinRequest& request) const;
  Result<std::optional<ConfigurationChange>> change_to_remove(const std::string& name, RemovalGuard guard) const;
  [[nodiscard]] bool is_in_contact(NodeId member) const;
  [[nodiscard]] bool keeps_quorum_without(NodeId member) const;
  void promote_who_has_caught_up();
  [[nodiscard]] NodeView view_of(const Member& member) const;
  void ask(const Member& member, Duration timeout, std::function<void(NodeView)> done);

  transport::AsioTransport& transport_;
  Alarms& alarms_;
  Self self_;
  Replica* replica_ = nullptr;
  bool is_promoting_ = false;
  bool is_removed_ = false;
  std::string expected_founder_;
  bool is_restoring_ = false;
  ClusterCounts counts_;
};

}  // namespace quorate::server
