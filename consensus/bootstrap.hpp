// How a cluster begins: every founding member starts with the same first entry, as if a leader of term 1 had replicated
// the first configuration to all of them. So the configuration is part of the log from the start, and whoever joins
// later learns it the way it learns everything else.
#pragma once

#include "consensus/configuration.hpp"
#include "consensus/effect.hpp"
#include "consensus/entry.hpp"

namespace quorate {

/// The first write to the empty log of a founding member. The configuration must be valid and not joint, and must be
/// the same on all founding members.
[[nodiscard]] PersistBatch bootstrap_batch(const Configuration& founders);

}  // namespace quorate
