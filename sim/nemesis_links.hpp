// The shapes that network trouble takes among a set of nodes.
#pragma once

#include <vector>

#include "consensus/random.hpp"
#include "sim/schedule.hpp"

namespace quorate::sim {

/// One occurrence of this trouble, beginning at `at`: one fault, or several where it is made of several.
[[nodiscard]] std::vector<Fault> draw_link_trouble(Random& random, LinkTrouble trouble, NodeSet nodes, WorldTime at);

}  // namespace quorate::sim
