// Cuts a failing plan down to what is needed to fail: first its faults, then its clients' operations, then the nodes
// and links that single faults concern. What is left fails in the same property; it need not be the smallest such plan.
//
// A run that draws less at random elsewhere is a somewhat different run, so a cut may lose the failure without being
// wrong; the search takes only cuts that keep it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "sim/run.hpp"
#include "sim/schedule.hpp"

namespace quorate::sim {

/// Delta debugging (Zeller and Hildebrandt 2002): a subset of `items`, in order, that `fails` and of which no single
/// part of the finest division can be left out. `fails(items)` must hold. Stops early when `is_exhausted()` says so.
template <class T, class Fails, class IsExhausted>
[[nodiscard]] std::vector<T> minimize(std::vector<T> items, Fails&& fails, IsExhausted&& is_exhausted) {
  std::size_t parts = 2;
  while (!items.empty() && !is_exhausted()) {
    parts = std::min(parts, items.size());
    bool was_cut = false;
    for (std::size_t part = 0; part < parts && !was_cut && !is_exhausted(); ++part) {
      const auto begin = static_cast<std::ptrdiff_t>(items.size() * part / parts);
      const auto end = static_cast<std::ptrdiff_t>(items.size() * (part + 1) / parts);
      std::vector<T> rest(items.begin(), items.begin() + begin);
      rest.insert(rest.end(), items.begin() + end, items.end());
      if (!fails(rest)) continue;
      items = std::move(rest);
      parts = std::max<std::size_t>(parts - 1, 2);
      was_cut = true;
    }
    if (was_cut) continue;
    if (parts == items.size()) break;
    parts *= 2;
  }
  return items;
}

struct ShrinkOptions {
  std::uint64_t runs_max = 3000;
  RunOptions run;
  /// Told after each cut that was kept.
  std::function<void(const Plan&, std::uint64_t runs)> progress;
};

struct Shrunk {
  Plan plan;
  RunReport report;  ///< of the shrunk plan
  std::uint64_t runs = 0;
};

/// `plan` must fail; how, is found out first.
[[nodiscard]] Shrunk shrink(const Plan& plan, const Subject& subject, const ShrinkOptions& options);

}  // namespace quorate::sim
