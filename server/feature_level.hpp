// What the builds in a cluster have in common. A build knows everything up to its feature level; whatever came with a
// level, in what is stored or sent, is used only once that level is in force: when every member knows it. So nodes of
// the released and of the next version work together while a cluster is upgraded one node at a time, and each of them
// can still go back until the last one was upgraded. A level in force stays in force: whoever knows less is not taken
// in, and does not start.
//
// A member's level is part of its address in the replicated configuration (member_address.hpp): every node knows the
// level in force, agrees on the log index at which it rose, and finds it again after a restart. Pure functions.
#pragma once

#include <algorithm>

#include "consensus/configuration.hpp"
#include "consensus/types.hpp"
#include "server/member_address.hpp"

namespace quorate::server {

/// Of this build. Raised with every release that stores or sends something new; docs/formats/versions.md says what came
/// with which.
inline constexpr FeatureLevel kFeatureLevel{1};

/// The highest that all members know, also those that are about to leave.
[[nodiscard]] inline FeatureLevel level_in_force(const Configuration& configuration) {
  if (configuration.members.empty()) return kFirstFeatureLevel;
  FeatureLevel level{~std::uint64_t{0}};
  for (const Member& member : configuration.members) level = std::min(level, level_in(member.address));
  for (const Member& member : configuration.outgoing) level = std::min(level, level_in(member.address));
  return level;
}

}  // namespace quorate::server
