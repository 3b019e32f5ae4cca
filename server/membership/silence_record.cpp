#include "server/membership/silence_record.hpp"

#include <algorithm>
#include <utility>

namespace quorate::server {

std::vector<NodeId> SilenceRecord::look(Instant now, std::span<const Seen> members) {
  if (last_look_ && now - *last_look_ > interval_max_) silent_since_.clear();
  last_look_ = now;
  std::map<NodeId, Instant> silent_since;
  std::vector<std::pair<Instant, NodeId>> overdue;
  for (const Seen& member : members) {
    if (member.is_in_contact) continue;
    const auto known = silent_since_.find(member.id);
    const Instant since = known != silent_since_.end() ? known->second : now;
    silent_since.emplace(member.id, since);
    const Duration limit = member.is_read_replica ? limits_.read_replica : limits_.voter;
    if (limit > Duration::zero() && now - since >= limit) overdue.emplace_back(since, member.id);
  }
  silent_since_ = std::move(silent_since);
  std::ranges::sort(overdue);
  std::vector<NodeId> ids;
  for (const auto& [since, id] : overdue) ids.push_back(id);
  return ids;
}

void SilenceRecord::forget() {
  last_look_.reset();
  silent_since_.clear();
}

}  // namespace quorate::server
