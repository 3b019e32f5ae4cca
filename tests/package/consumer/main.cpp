// Somebody else's program: uses installed headers, and functions that have to be linked.
#include <cstdio>

#include "consensus/configuration.hpp"

int main() {
  using namespace quorate;
  const Configuration alone{.members = {{.id = NodeId{1}}}};
  const auto grown = configuration_after(alone, {.set = {{.id = NodeId{2}}}});
  if (!grown.has_value() || grown->members.size() != 2) return 1;

  const auto refused = validate(Configuration{});
  if (refused.has_value()) return 1;
  std::printf("the installed package works, and says: %s\n", refused.error().message.c_str());
}
