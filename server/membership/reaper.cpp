#include "server/membership/reaper.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

#include <fmt/format.h>

#include "server/http/go_text.hpp"
#include "server/log.hpp"

namespace quorate::server {

namespace {

constexpr Duration kLookIntervalMin = std::chrono::milliseconds(50);
constexpr Duration kLookIntervalMax = std::chrono::seconds(5);
/// Looks that are late by more than this were not made: the process stood still.
constexpr Duration kDelayMax = std::chrono::seconds(1);
constexpr Duration kRemovalTimeout = std::chrono::seconds(5);

/// Some looks within the shorter of the timeouts.
Duration look_interval(const SilenceRecord::Limits& limits) {
  Duration shortest = kLookIntervalMax * 4;
  for (const Duration limit : {limits.voter, limits.read_replica})
    if (limit > Duration::zero()) shortest = std::min(shortest, limit);
  return std::clamp(shortest / 4, kLookIntervalMin, kLookIntervalMax);
}

}  // namespace

Reaper::Reaper(MembershipService& membership, Alarms& alarms, const NodeConfig& config)
    : membership_(membership),
      alarms_(alarms),
      limits_{.voter = config.reap_timeout, .read_replica = config.reap_read_only_timeout},
      interval_(look_interval(limits_)),
      silence_(limits_, interval_ + kDelayMax) {}

void Reaper::start() {
  if (limits_.voter > Duration::zero() || limits_.read_replica > Duration::zero()) look_later();
}

void Reaper::look_later() {
  alarms_.after(interval_, [this, life = std::weak_ptr(life_)] {
    if (life.expired()) return;
    look();
    look_later();
  });
}

void Reaper::look() {
  if (!membership_.is_leader()) return silence_.forget();
  const std::vector<MemberContact> members = membership_.contacts();
  std::vector<SilenceRecord::Seen> seen;
  for (const MemberContact& member : members) seen.push_back({member.id, member.is_read_replica, member.is_in_contact});
  const std::vector<NodeId> overdue = silence_.look(transport::AsioRuntime::now(), seen);
  if (overdue.empty() || is_reaping_) return;
  const auto member = std::ranges::find(members, overdue.front(), &MemberContact::id);
  reap(*member, member->is_read_replica ? limits_.read_replica : limits_.voter);
}

void Reaper::reap(const MemberContact& member, Duration limit) {
  is_reaping_ = true;
  log_warn(fmt::format("nothing was heard of {} {} for {}: removing it from the cluster",
                       member.is_read_replica ? "read replica" : "node", member.name, http::format_duration(limit)));
  membership_.remove_silent(member.id, kRemovalTimeout,
                            [this, name = member.name, life = std::weak_ptr(life_)](const ChangeEnd& end) {
                              if (life.expired()) return;
                              is_reaping_ = false;
                              if (end.kind == ChangeEnd::Kind::kDone) {
                                ++counts_.ok;
                                return;
                              }
                              ++counts_.failed;
                              // Once more only after as long again.
                              silence_.forget();
                              log_warn(fmt::format("node {} was not removed: {}", name, end.error));
                            });
}

}  // namespace quorate::server
