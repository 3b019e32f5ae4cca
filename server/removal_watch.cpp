#include "server/removal_watch.hpp"

#include <chrono>
#include <utility>

namespace quorate::server {

using transport::CallEnd;
using transport::CallResult;

namespace {

/// An election is over by then, so that the members are asked only by whoever is really alone.
constexpr Duration kLookInterval = std::chrono::seconds(1);
constexpr Duration kMembershipTimeout = std::chrono::seconds(1);

}  // namespace

void RemovalWatch::watch(const Replica& replica) {
  if (std::exchange(replica_, &replica) == nullptr) look_regularly();
}

void RemovalWatch::look_regularly() {
  look();
  const bool is_alone = replica_->core().leader() == kNoNode;
  if (is_alone && was_alone_ && !is_removed_) ask();
  was_alone_ = is_alone;
  alarms_.after(kLookInterval, [this] { look_regularly(); });
}

void RemovalWatch::look() {
  if (replica_ == nullptr) return;
  const Core& core = replica_->core();
  const bool is_member = core.configuration().contains(core.id());
  if (is_member && core.leader() != kNoNode) decide(false);
  // It has learnt it from the log, which goes on as far as its own removal for whoever is there to take it.
  if (was_member_ && !is_member) decide(true);
  was_member_ = is_member;
}

void RemovalWatch::ask() {
  const Core& core = replica_->core();
  for (const Member& member : core.configuration().members) {
    if (member.id == core.id()) continue;
    transport_.call(member.id, encode(MembershipQuestion{name_, replica_->identity().incarnation}), kMembershipTimeout,
                    [this](const CallResult& result) {
                      if (result.end != CallEnd::kAnswered || replica_->core().leader() != kNoNode) return;
                      const auto verdict = decode_membership_verdict(result.answer);
                      if (verdict && *verdict == MembershipVerdict::kNoMember) decide(true);
                    });
  }
}

void RemovalWatch::decide(bool is_removed) {
  if (std::exchange(is_removed_, is_removed) != is_removed) changed_();
}

}  // namespace quorate::server
