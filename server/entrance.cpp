#include "server/entrance.hpp"

#include <algorithm>
#include <chrono>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "server/log.hpp"
#include "server/member_address.hpp"

namespace quorate::server {

using transport::AsioRuntime;
using transport::CallEnd;
using transport::CallResult;

namespace {

constexpr Duration kQuestionTimeout = std::chrono::seconds(2);
/// Longer than the leader's own patience with a change.
constexpr Duration kJoinTimeout = std::chrono::seconds(10);
/// Nodes that wait for each other look more often than one that waits for a cluster.
constexpr Duration kBootstrapPause = std::chrono::milliseconds(200);
/// And where every look costs others something.
constexpr Duration kLookUpPause = std::chrono::seconds(1);
/// A leader that was named is asked at once; but not in a circle.
constexpr Duration kHintPause = std::chrono::milliseconds(50);

}  // namespace

// --- Looking for a cluster ---

void Entrance::look_for_cluster() {
  begun_ = AsioRuntime::now();
  look_up();
}

void Entrance::look_up() {
  if (discovery_ == nullptr) return ask_around();
  const auto founding = config_.is_read_replica ? discovery::Founding::kForbidden : discovery::Founding::kAllowed;
  discovery_->find(founding, [this](const Result<discovery::Whereabouts>& found) { found_out(found); });
}

void Entrance::found_out(const Result<discovery::Whereabouts>& found) {
  if (!found)
    return nobody_to_ask("cannot look up where the others are: " + found.error().message, look_up_pause_.next());
  look_up_pause_.reset();
  if (found->is_founder) return events_.found();
  if (found->addresses.empty()) return nobody_to_ask(found->note, kLookUpPause);
  addresses_ = found->addresses;
  ask_around();
}

/// That counts for no attempt: whoever could be asked does not exist yet, or is not known because something else does
/// not work, which may take any time. Said once.
void Entrance::nobody_to_ask(std::string why, Duration pause) {
  last_problem_ = std::move(why);
  if (is_too_late()) return pause_or_give_up();
  if (std::exchange(logged_problem_, last_problem_) != last_problem_) log_warn(last_problem_ + "; trying again");
  alarms_.after(pause, [this] { look_up(); });
}

void Entrance::ask_around() {
  heard_.clear();
  round_begun_ = AsioRuntime::now();
  std::vector<std::string> others = addresses_;
  std::erase(others, config_.raft_advertised);
  unanswered_ = others.size();
  if (others.empty()) {
    alarms_.after({}, [this] { everybody_asked(); });
    return;
  }
  for (const std::string& address : others)
    transport_.call(address, describe_request(), kQuestionTimeout,
                    [this, address](const CallResult& result) { heard(address, result); });
}

void Entrance::heard(const std::string& address, const CallResult& result) {
  if (result.end == CallEnd::kAnswered) {
    if (auto description = decode_description(result.answer))
      heard_.emplace(address, std::move(*description));
    else
      last_problem_ = address + ": " + description.error().message;
  } else {
    last_problem_ = address + ": " + result.error;
  }
  if (--unanswered_ == 0) alarms_.after({}, [this] { everybody_asked(); });
}

void Entrance::everybody_asked() {
  std::vector<discovery::FounderChoice::Heard> without_cluster;
  for (const auto& [address, node] : heard_) {
    if (node.cluster != ClusterId{}) return events_.joins(node.cluster);
    if (node.name == name_ && node.address == config_.raft_advertised) continue;  // itself, by another address
    last_problem_ = address + (node.name == name_ ? " has the same -node-id" : " belongs to no cluster yet");
    if (node.name != name_) without_cluster.push_back({node.name, node.address, node.leader_address});
  }
  if (config_.bootstrap_expect > 0 && is_founder(without_cluster)) return events_.found();
  pause_or_give_up();
}

/// By the list that all have, or by what all have chosen.
bool Entrance::is_founder(const std::vector<discovery::FounderChoice::Heard>& without_cluster) {
  if (discovery_ != nullptr) {
    const bool is_chosen = choice_.weigh(round_begun_, AsioRuntime::now(), without_cluster);
    events_.expects(choice_.choice());
    return is_chosen;
  }
  std::set<std::string> names{name_};
  for (const auto& node : without_cluster) names.insert(node.name);
  return addresses_.front() == config_.raft_advertised && names.size() >= config_.bootstrap_expect;
}

bool Entrance::is_too_late() const {
  return config_.bootstrap_expect > 0 && AsioRuntime::now() - begun_ >= config_.bootstrap_expect_timeout;
}

void Entrance::pause_or_give_up() {
  ++attempts_;
  if (config_.bootstrap_expect > 0) {
    if (is_too_late())
      return events_.refused(fmt::format("no cluster of {} nodes has come about in time; the last problem was: {}",
                                         config_.bootstrap_expect, last_problem_));
    alarms_.after(discovery_ != nullptr ? kLookUpPause : kBootstrapPause, [this] { look_up(); });
    return;
  }
  if (attempts_ >= config_.join_attempts)
    return events_.refused(
        fmt::format("found no cluster to join in {} attempts; the last problem was: {}", attempts_, last_problem_));
  log_warn(fmt::format("found no cluster to join yet ({}); trying again", last_problem_));
  alarms_.after(config_.join_interval, [this] { look_up(); });
}

// --- Becoming known ---

void Entrance::make_known(Replica& replica, AskSelf ask_self) {
  replica_ = &replica;
  ask_self_ = std::move(ask_self);
  attempt_begun_ = AsioRuntime::now();
  attempts_ = 0;
  asked_ = 0;
  alarms_.after({}, [this] { ask_to_join(); });
}

JoinRequest Entrance::wish() const {
  return {.name = name_,
          .address = config_.raft_advertised,
          .incarnation = replica_->identity().incarnation,
          .is_read_replica = config_.is_read_replica,
          .feature_level = config_.feature_level};
}

Payload Entrance::wish_in_writing() const {
  if (!login_) return encode(wish());
  return encode(JoinAsRequest{.user = login_->name, .password = login_->password, .join = wish()});
}

bool Entrance::is_known() const {
  const Member* self = replica_->core().configuration().find(replica_->core().id());
  // Only who is still a member hears of a leader.
  if (self == nullptr || replica_->core().leader() == kNoNode) return false;
  if (self->incarnation != replica_->identity().incarnation) return false;
  const bool is_replica = !self->votes() && self->priority == 0;
  return endpoint_in(self->address) == config_.raft_advertised && is_replica == config_.is_read_replica &&
         level_in(self->address) == config_.feature_level;
}

/// The leader, if one is known; else whoever was named: the one that somebody took for the leader, then the others in
/// turn.
void Entrance::ask_to_join() {
  if (is_known()) return events_.entered();
  const Core& core = replica_->core();
  if (core.leader() == core.id()) {
    return ask_self_(wish(), [this](const JoinAnswer& answer) { judge(name_, answer); });
  }
  if (core.leader() != kNoNode) return ask_member(core.leader());
  std::string address = std::exchange(hint_, {});
  if (address.empty()) {
    const std::vector<std::string> candidates = whom_to_ask();
    if (asked_ >= candidates.size()) return next_to_ask();
    address = candidates[asked_++];
  }
  // A member is asked over the link that there is to it: a second connection would be taken for its successor.
  for (const Member& member : core.configuration().members)
    if (endpoint_in(member.address) == address && member.id != core.id()) return ask_member(member.id);
  transport_.call(address, wish_in_writing(), kJoinTimeout,
                  [this, address](const CallResult& result) { answered(address, result); });
}

/// Those on the command line, or that were looked up; and, if what is known of this node is wrong, all members.
std::vector<std::string> Entrance::whom_to_ask() const {
  const Configuration& configuration = replica_->core().configuration();
  std::vector<std::string> addresses = addresses_;
  const Member* self = configuration.find(replica_->core().id());
  if (self != nullptr && endpoint_in(self->address) != config_.raft_advertised)
    for (const Member& member : configuration.members) addresses.push_back(endpoint_in(member.address));
  std::erase(addresses, config_.raft_advertised);
  if (self != nullptr) std::erase(addresses, endpoint_in(self->address));
  return addresses;
}

void Entrance::ask_member(NodeId node) {
  const Member* member = replica_->core().configuration().find(node);
  const std::string name = member != nullptr ? name_in(member->address) : "the leader";
  transport_.call(node, wish_in_writing(), kJoinTimeout,
                  [this, name](const CallResult& result) { answered(name, result); });
}

void Entrance::answered(const std::string& by, const CallResult& result) {
  if (result.end == CallEnd::kAnswered) {
    auto answer = decode_join_answer(result.answer);
    if (answer) return judge(by, *answer);
    last_problem_ = by + ": " + answer.error().message;
  } else {
    was_answered_ = was_answered_ || result.end == CallEnd::kUnknown;
    last_problem_ = by + ": " + result.error;
  }
  alarms_.after(kHintPause, [this] { ask_to_join(); });
}

void Entrance::judge(const std::string& by, const JoinAnswer& answer) {
  if (answer.kind == JoinAnswer::Kind::kAccepted) return alarms_.after({}, [this] { events_.entered(); }), void();
  if (answer.kind == JoinAnswer::Kind::kRefused)
    return alarms_.after(
               {}, [this, why = answer.error] { events_.refused("the cluster does not take this node: " + why); }),
           void();
  was_answered_ = true;
  last_problem_ = by + ": " + answer.error;
  if (answer.kind == JoinAnswer::Kind::kNotLeader && answer.leader_address != config_.raft_advertised)
    hint_ = answer.leader_address;
  alarms_.after(kHintPause, [this] { ask_to_join(); });
}

/// All were asked in vain. A member that comes back just waits for the others: they are its cluster. As long as
/// somebody of the cluster answers, a leader will be there soon.
void Entrance::next_to_ask() {
  asked_ = 0;
  const Instant now = AsioRuntime::now();
  const bool is_member = replica_->core().configuration().contains(replica_->core().id());
  const bool is_close = std::exchange(was_answered_, false) && now - attempt_begun_ < config_.join_interval;
  const bool can_only_wait = is_member || (config_.join.empty() && discovery_ == nullptr);
  if (can_only_wait || is_close) return alarms_.after(kBootstrapPause, [this] { ask_to_join(); }), void();
  attempt_begun_ = now;
  if (++attempts_ >= config_.join_attempts)
    return events_.refused(
        fmt::format("could not join in {} attempts; the last problem was: {}", attempts_, last_problem_));
  log_warn(fmt::format("could not join yet ({}); trying again", last_problem_));
  alarms_.after(config_.join_interval, [this] { look_up_again(); });
}

/// The cluster is known, and may have moved.
void Entrance::look_up_again() {
  if (discovery_ == nullptr) return ask_to_join();
  discovery_->find(discovery::Founding::kForbidden, [this](const Result<discovery::Whereabouts>& found) {
    if (found && !found->addresses.empty()) addresses_ = found->addresses;
    if (!found) last_problem_ = found.error().message;
    ask_to_join();
  });
}

}  // namespace quorate::server
