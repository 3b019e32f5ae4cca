#include "server/membership_service.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "server/log.hpp"
#include "server/member_address.hpp"
#include "server/read_probe.hpp"
#include "server/sql_reader.hpp"

namespace quorate::server {

using transport::AsioRuntime;
using transport::CallEnd;
using transport::CallResult;

namespace {

/// Between two attempts to change the configuration while another change is under way.
constexpr Duration kChangePause = std::chrono::milliseconds(20);
/// Between two looks at learners that catch up.
constexpr Duration kPromotionPause = std::chrono::milliseconds(50);
constexpr Duration kAdmissionPatience = std::chrono::seconds(8);

bool is_worth_another_try(Refusal refusal) {
  return refusal == Refusal::kChangePending || refusal == Refusal::kNotYetCommitted ||
         refusal == Refusal::kTransferring || refusal == Refusal::kNotCaughtUp || refusal == Refusal::kOverloaded;
}

/// Of the configuration in force; while it is joint, also those that are leaving.
std::vector<Member> all_members(const Configuration& configuration) {
  std::vector<Member> members = configuration.members;
  for (const Member& member : configuration.outgoing)
    if (Configuration::find_in(configuration.members, member.id) == nullptr) members.push_back(member);
  return members;
}

Standing standing_of(Role role) {
  switch (role) {
    case Role::kLeader: return Standing::kLeader;
    case Role::kCandidate:
    case Role::kPreCandidate: return Standing::kCandidate;
    case Role::kFollower: break;
  }
  return Standing::kFollower;
}

std::string_view name_of(Standing standing) {
  switch (standing) {
    case Standing::kLeader: return "Leader";
    case Standing::kCandidate: return "Candidate";
    case Standing::kFollower: return "Follower";
    case Standing::kUnknown: break;
  }
  return "";
}

/// Adds what the node says of itself.
void add_description(NodeView& view, const NodeDescription& description) {
  view.api_url = description.api_url;
  view.version = description.version;
  view.state = name_of(description.standing);
  view.term = description.term;
  view.commit = description.commit;
  view.applied = description.applied;
}

bool awaits_promotion(const Member& member) {
  return member.kind == MemberKind::kLearner && member.priority != kReplicaPriority;
}

}  // namespace

NodeDescription MembershipService::describe_self() const {
  NodeDescription description{
      .name = self_.name, .address = self_.address, .api_url = self_.api_url, .version = self_.version};
  if (replica_ == nullptr) {
    description.leader_address = expected_founder_;
    return description;
  }
  const Core& core = replica_->core();
  description.cluster = replica_->identity().cluster;
  description.leader = core.leader();
  if (const Member* leader = core.configuration().find(core.leader()))
    description.leader_address = endpoint_in(leader->address);
  description.commit = core.commit();
  description.applied = core.applied();
  description.is_ready = replica_->has_replayed();
  description.term = core.term();
  description.standing = standing_of(core.role());
  return description;
}

// --- What this node knows ---

bool MembershipService::is_leader() const { return replica_ != nullptr && replica_->is_leader(); }

bool MembershipService::has_leader() const { return replica_ != nullptr && replica_->core().leader() != kNoNode; }

bool MembershipService::is_voter() const {
  return replica_ != nullptr && replica_->core().configuration().is_voter(replica_->core().id());
}

NodeView MembershipService::view_of(const Member& member) const {
  NodeView view{.id = name_in(member.address),
                .address = endpoint_in(member.address),
                .is_voter = member.votes(),
                .is_leader = member.id == replica_->core().leader()};
  if (member.id == replica_->core().id()) add_description(view, describe_self());
  return view;
}

void MembershipService::ask(const Member& member, Duration timeout, std::function<void(NodeView)> done) {
  NodeView view = view_of(member);
  if (member.id == replica_->core().id()) return done(std::move(view));
  const Instant asked = AsioRuntime::now();
  transport_.call(member.id, describe_request(), timeout,
                  [view = std::move(view), asked, done = std::move(done)](const CallResult& result) mutable {
                    view.response_time = AsioRuntime::now() - asked;
                    const auto answer = result.end == CallEnd::kAnswered ? decode_description(result.answer)
                                                                         : fail(ErrorKind::kUnavailable, result.error);
                    view.is_reachable = answer.has_value();
                    if (answer)
                      add_description(view, *answer);
                    else
                      view.error = answer.error().message;
                    done(std::move(view));
                  });
}

void MembershipService::find_leader(Duration timeout, std::function<void(std::optional<NodeView>)> done) {
  const Member* leader =
      replica_ == nullptr ? nullptr : replica_->core().configuration().find(replica_->core().leader());
  if (leader == nullptr) return done(std::nullopt);
  ask(*leader, timeout, std::move(done));
}

void MembershipService::probe(Members members, Duration timeout, std::function<void(std::vector<NodeView>)> done) {
  if (replica_ == nullptr) return done({});
  std::vector<Member> asked = all_members(replica_->core().configuration());
  if (members == Members::kVoters) std::erase_if(asked, [](const Member& member) { return !member.votes(); });
  struct Gathering {
    std::vector<NodeView> views;
    std::size_t open;
    std::function<void(std::vector<NodeView>)> done;
  };
  if (asked.empty()) return done({});
  const auto gathering = std::make_shared<Gathering>(Gathering{{}, asked.size(), std::move(done)});
  for (const Member& member : asked) {
    ask(member, timeout, [gathering](NodeView view) {
      gathering->views.push_back(std::move(view));
      if (--gathering->open == 0) gathering->done(std::move(gathering->views));
    });
  }
}

void MembershipService::forward(Payload request, Duration timeout, std::function<void(ForwardEnd)> done) {
  pass_on(forwarded_request(request), timeout, std::move(done));
}

void MembershipService::pass_on(const Payload& request, Duration timeout, std::function<void(ForwardEnd)> done) {
  using Kind = ForwardEnd::Kind;
  if (replica_ == nullptr) return done({.kind = Kind::kNoLeader});
  const NodeId leader = replica_->core().leader();
  if (leader == kNoNode) return done({.kind = Kind::kNoLeader});
  if (leader == replica_->core().id())
    return done({.kind = Kind::kRefused, .error = "this node has just become the leader; try again"});
  transport_.call(leader, request, timeout, [done = std::move(done)](CallResult result) {
    const Kind kind = result.end == CallEnd::kAnswered  ? Kind::kAnswered
                      : result.end == CallEnd::kRefused ? Kind::kRefused
                                                        : Kind::kUnknown;
    done({kind, std::move(result.answer), std::move(result.error)});
  });
}

void MembershipService::check_ready(const ReadyQuestion& question, std::function<void(Readiness)> done) {
  if (!question.needs_leader) return done({});
  const Member* leader =
      replica_ == nullptr ? nullptr : replica_->core().configuration().find(replica_->core().leader());
  if (leader == nullptr) return done({.has_leader = false, .is_removed = is_removed_});
  const Instant deadline = AsioRuntime::now() + question.timeout;
  const bool needs_sync = question.needs_sync;

  const auto judge = [this, deadline, needs_sync, done = std::move(done)](Result<NodeDescription> answer) {
    if (!answer) return done({.leader_error = answer.error().message});
    if (!replica_->has_replayed() || is_restoring_) return done({.is_store_ready = false});
    const auto read = [this, deadline, done] {
      probe_reader(replica_->reader(), alarms_, deadline,
                   [done](std::string error) { done({.database_error = std::move(error)}); });
    };
    if (!needs_sync) return read();
    replica_->wait_applied(answer->commit, deadline, [read, done](ReadResult result) {
      if (result.refusal == Refusal::kNone) return read();
      done({.sync_error = "what the leader has committed is not applied here in time"});
    });
  };
  if (leader->id == replica_->core().id()) return judge(describe_self());
  transport_.call(leader->id, describe_request(), question.timeout, [judge](const CallResult& result) {
    judge(result.end == CallEnd::kAnswered ? decode_description(result.answer)
                                           : fail(ErrorKind::kUnavailable, result.error));
  });
}

// --- Changes, on the leader ---

/// Changes step by step, each upon what the one before has led to, until nothing is left to do.
void MembershipService::fulfil(Wish wish, Instant deadline, std::function<void(ChangeEnd)> done) {
  using Kind = ChangeEnd::Kind;
  auto change = wish();
  // A leader that was to be removed has gone by now.
  const bool is_fulfilled = change && !*change;
  if (is_fulfilled) return done({});
  if (!is_leader()) return done({Kind::kNotLeader, "this node is not the leader"});
  if (!change) {
    const bool may_pass = change.error().kind == ErrorKind::kUnavailable;
    return done({may_pass ? Kind::kRefused : Kind::kInvalid, change.error().message});
  }
  replica_->change_membership(
      std::move(**change), [this, wish = std::move(wish), deadline, done = std::move(done)](const ProposalResult& end) {
        if (end.outcome == Outcome::kUnknown)
          return done({Kind::kUnknown, "it is not known whether the change will be committed"});
        if (end.outcome == Outcome::kCommitted) return fulfil(wish, deadline, done);
        if (end.refusal == Refusal::kNotLeader) return done({Kind::kNotLeader, describe(end.refusal)});
        if (!is_worth_another_try(end.refusal)) return done({Kind::kInvalid, describe(end.refusal)});
        if (AsioRuntime::now() >= deadline) return done({Kind::kRefused, describe(end.refusal)});
        alarms_.after(kChangePause, [this, wish, deadline, done] { fulfil(wish, deadline, done); });
      });
}

void MembershipService::take_in(const JoinRequest& request, std::function<void(JoinAnswer)> done) {
  using Kind = JoinAnswer::Kind;
  if (!is_leader()) {
    const NodeDescription self = describe_self();
    return done({.kind = Kind::kNotLeader,
                 .error = "node " + self_.name + " is not the leader",
                 .leader_address = self.leader_address,
                 .leader = self.leader});
  }
  ++counts_.joins;
  const Member* known = replica_->core().configuration().find(id_of(request.name));
  if (const auto change = change_to_admit(request); known != nullptr && change) {
    if (!*change) ++counts_.joins_ignored;
    if (known->incarnation != request.incarnation) ++counts_.removed_before_joins;
  }
  if (known == nullptr) log_info(fmt::format("node {} at {} wants to join", request.name, request.address));
  fulfil([this, request] { return change_to_admit(request); }, AsioRuntime::now() + kAdmissionPatience,
         [this, done = std::move(done)](const ChangeEnd& end) {
           switch (end.kind) {
             case ChangeEnd::Kind::kDone: done({.kind = Kind::kAccepted}); break;
             case ChangeEnd::Kind::kInvalid: done({.kind = Kind::kRefused, .error = end.error}); break;
             case ChangeEnd::Kind::kNotLeader:
             case ChangeEnd::Kind::kRefused:
             case ChangeEnd::Kind::kUnknown: done({.kind = Kind::kNotNow, .error = end.error}); break;
           }
           look_around();
         });
}

Result<std::optional<ConfigurationChange>> MembershipService::change_to_admit(const JoinRequest& request) const {
  const auto refuse = [](std::string why) { return fail(ErrorKind::kInvalidArgument, std::move(why)); };
  const Configuration& configuration = replica_->core().configuration();
  Member wanted{.id = id_of(request.name),
                .incarnation = request.incarnation,
                .kind = MemberKind::kLearner,
                .priority = request.is_read_replica ? kReplicaPriority : 1,
                .address = member_address(request.name, request.address, request.feature_level)};
  const FeatureLevel in_force = level_in_force(configuration);
  if (request.feature_level < in_force)
    return refuse(fmt::format("feature level {} is in force, and the node knows no more than {}; start a newer version",
                              in_force.value, request.feature_level.value));
  for (const Member& member : all_members(configuration)) {
    if (member.id == wanted.id && name_in(member.address) != request.name)
      return refuse("the name cannot be told from that of member " + name_in(member.address) + "; choose another");
    if (member.id != wanted.id && endpoint_in(member.address) == request.address)
      return refuse("member " + name_in(member.address) + " is known at " + request.address + "; remove it first");
  }
  const Member* present = configuration.find(wanted.id);
  if (present == nullptr) return ConfigurationChange{.set = {std::move(wanted)}};
  if (present->incarnation != wanted.incarnation) {
    // It may have been there a moment ago, and stopped since.
    if (is_in_contact(present->id))
      return fail(ErrorKind::kUnavailable, "member " + request.name + " is there and well, with another data " +
                                               "directory; choose another -node-id");
    if (present->votes()) return ConfigurationChange{.remove = {present->id}};
    return ConfigurationChange{.set = {std::move(wanted)}};
  }
  if (present->votes() && !request.is_read_replica) wanted.kind = present->kind;
  if (*present == wanted) return std::optional<ConfigurationChange>();
  if (present->votes() && request.is_read_replica && !keeps_quorum_without(present->id))
    return refuse("without the vote of " + request.name + " there would be no majority");
  return ConfigurationChange{.set = {std::move(wanted)}};
}

/// Whether the member was heard of lately. Only the leader knows, of itself and of the others.
bool MembershipService::is_in_contact(NodeId member) const {
  const Core& core = replica_->core();
  if (member == core.id()) return true;
  const LeaderState* leading = core.leading();
  if (leading == nullptr) return false;
  const auto progress = leading->progress.find(member);
  if (progress == leading->progress.end() || progress->second.boot == Boot{}) return false;
  if (!transport_.is_connected(member)) return false;
  return AsioRuntime::now() - progress->second.last_contact <= 2 * core.options().election_timeout;
}

bool MembershipService::keeps_quorum_without(NodeId member) const {
  std::size_t voters = 0;
  std::size_t alive = 0;
  for (const Member& other : replica_->core().configuration().members) {
    if (!other.votes() || other.id == member) continue;
    ++voters;
    if (is_in_contact(other.id)) ++alive;
  }
  return 2 * alive > voters;
}

void MembershipService::remove(std::string id, RemovalGuard guard, Duration timeout,
                               std::function<void(ChangeEnd)> done) {
  fulfil([this, id = std::move(id), guard] { return change_to_remove(id, guard); }, AsioRuntime::now() + timeout,
         std::move(done));
}

std::vector<MemberContact> MembershipService::contacts() const {
  std::vector<MemberContact> contacts;
  for (const Member& member : replica_->core().configuration().members) {
    if (member.id == replica_->core().id()) continue;
    contacts.push_back({.id = member.id,
                        .name = name_in(member.address),
                        .is_read_replica = !member.votes() && member.priority == kReplicaPriority,
                        .is_in_contact = is_in_contact(member.id)});
  }
  return contacts;
}

void MembershipService::remove_silent(NodeId id, Duration timeout, std::function<void(ChangeEnd)> done) {
  fulfil(
      [this, id]() -> Result<std::optional<ConfigurationChange>> {
        const Member* member = replica_->core().configuration().find(id);
        if (member == nullptr) return std::optional<ConfigurationChange>();
        if (is_in_contact(id)) return fail(ErrorKind::kUnavailable, "it has come back");
        return change_to_remove(name_in(member->address), RemovalGuard::kOn);
      },
      AsioRuntime::now() + timeout, std::move(done));
}

Result<std::optional<ConfigurationChange>> MembershipService::change_to_remove(const std::string& name,
                                                                               RemovalGuard guard) const {
  const Member* member = replica_->core().configuration().find(id_of(name));
  if (member == nullptr) return std::optional<ConfigurationChange>();
  const bool has_other_voters = std::ranges::any_of(replica_->core().configuration().members, [&](const Member& other) {
    return other.votes() && other.id != member->id;
  });
  if (member->votes() && !has_other_voters)
    return fail(ErrorKind::kInvalidArgument, "it is the only voter; nothing would be left");
  if (guard == RemovalGuard::kOn && member->votes() && !keeps_quorum_without(member->id))
    return fail(ErrorKind::kInvalidArgument,
                "too few of the other voters are reachable: the cluster would lose its majority; bring them back or "
                "remove them first, or say force");
  return ConfigurationChange{.remove = {member->id}};
}

void MembershipService::take_snapshot(Duration timeout, std::function<void(SnapshotEnd)> done) {
  if (replica_ == nullptr) return done(SnapshotEnd::kNothingNew);
  replica_->checkpoint(AsioRuntime::now() + timeout, std::move(done));
}

ClusterCounts MembershipService::counts() const {
  ClusterCounts counts = counts_;
  if (replica_ != nullptr) counts.snapshots = replica_->checkpoints();
  return counts;
}

void MembershipService::transfer_leadership(std::string target, TransferWait wait, Duration,
                                            std::function<void(ChangeEnd)> done) {
  using Kind = ChangeEnd::Kind;
  if (!is_leader()) return done({Kind::kNotLeader, "this node is not the leader"});
  NodeId to = kNoNode;
  if (!target.empty()) {
    to = id_of(target);
    const Member* member = replica_->core().configuration().find(to);
    if (member == nullptr || !member->votes()) return done({Kind::kInvalid, "there is no voter " + target});
    if (to == replica_->core().id()) return done({});
  }
  const auto answer = std::make_shared<std::function<void(ChangeEnd)>>(std::move(done));
  replica_->transfer_leadership(to, [answer](const ProposalResult& end) {
    const auto tell = std::exchange(*answer, nullptr);
    if (!tell) return;
    if (end.outcome == Outcome::kCommitted) return tell({});
    const Kind kind = end.outcome == Outcome::kUnknown   ? Kind::kUnknown
                      : end.refusal == Refusal::kInvalid ? Kind::kInvalid
                                                         : Kind::kRefused;
    tell({kind, end.refusal == Refusal::kInvalid ? "there is no other voter that could lead" : describe(end.refusal)});
  });
  // What was refused at once has been said already.
  if (wait == TransferWait::kUntilEnded || !*answer) return;
  if (const auto tell = std::exchange(*answer, nullptr)) tell({});
}

MembershipVerdict MembershipService::judge(const MembershipQuestion& question) const {
  const bool is_certain = replica_ != nullptr && replica_->is_serving_leader() &&
                          replica_->core().configuration_index() <= replica_->core().commit();
  if (!is_certain) return MembershipVerdict::kNotLeader;
  const Member* member = replica_->core().configuration().find(id_of(question.name));
  const bool is_member = member != nullptr && member->incarnation == question.incarnation;
  return is_member ? MembershipVerdict::kMember : MembershipVerdict::kNoMember;
}

// --- Promotion ---

void MembershipService::look_around() {
  if (is_promoting_ || !is_leader()) return;
  if (std::ranges::none_of(replica_->core().configuration().members, awaits_promotion)) return;
  is_promoting_ = true;
  promote_who_has_caught_up();
}

/// One after the other: every change needs the one before to be committed. A voter that does not answer would only be
/// in the way of a majority.
void MembershipService::promote_who_has_caught_up() {
  const auto look_again = [this] {
    alarms_.after(kPromotionPause, [this] {
      is_promoting_ = false;
      look_around();
    });
  };
  for (const Member& member : replica_->core().configuration().members) {
    if (!awaits_promotion(member) || !is_in_contact(member.id)) continue;
    Member voter = member;
    voter.kind = MemberKind::kVoter;
    return replica_->change_membership({.set = {voter}}, [look_again, voter](const ProposalResult& end) {
      if (end.outcome == Outcome::kCommitted)
        log_info(fmt::format("node {} has caught up and is a voter now", name_in(voter.address)));
      look_again();
    });
  }
  look_again();
}

}  // namespace quorate::server
