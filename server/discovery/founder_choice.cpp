#include "server/discovery/founder_choice.hpp"

#include <algorithm>
#include <set>

namespace quorate::discovery {

bool FounderChoice::weigh(Instant asked, Instant now, const std::vector<Heard>& heard) {
  std::set<std::string> names{name_};
  std::set<std::string> in_favour{name_};
  std::string least = address_;
  for (const Heard& node : heard) {
    names.insert(node.name);
    least = std::min(least, node.address);
    if (node.choice == address_) in_favour.insert(node.name);
  }
  // With fewer there is nothing to choose yet; what was chosen stays.
  if (names.size() >= expected_) choose(least, now);
  return choice_ == address_ && in_favour.size() >= expected_ && now - asked <= kRoundMax;
}

void FounderChoice::choose(const std::string& address, Instant now) {
  if (choice_ == address || now < free_at_) return;
  if (choice_.empty()) {
    choice_ = address;
    return;
  }
  choice_.clear();
  free_at_ = now + kPromise;
}

}  // namespace quorate::discovery
