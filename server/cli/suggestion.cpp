#include "server/cli/suggestion.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace quorate::cli {
namespace {

/// The optimal string alignment distance.
std::size_t distance(std::string_view from, std::string_view to) {
  std::vector<std::vector<std::size_t>> cost(from.size() + 1, std::vector<std::size_t>(to.size() + 1));
  for (std::size_t i = 0; i <= from.size(); ++i) cost[i][0] = i;
  for (std::size_t j = 0; j <= to.size(); ++j) cost[0][j] = j;
  for (std::size_t i = 1; i <= from.size(); ++i) {
    for (std::size_t j = 1; j <= to.size(); ++j) {
      const std::size_t change = from[i - 1] == to[j - 1] ? 0 : 1;
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + change});
      const bool swapped = i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1];
      if (swapped) cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  }
  return cost[from.size()][to.size()];
}

}  // namespace

std::optional<std::string> closest(std::string_view word, std::span<const std::string> candidates) {
  std::optional<std::string> best;
  std::size_t best_distance = word.size() / 3 + 1;  // one slip in a short word, about one for every three letters
  for (const std::string& candidate : candidates) {
    const std::size_t this_distance = distance(word, candidate);
    const bool better = best.has_value() ? this_distance < best_distance : this_distance <= best_distance;
    if (!better) continue;
    best = candidate;
    best_distance = this_distance;
  }
  return best;
}

}  // namespace quorate::cli
