#include "server/security/permissions.hpp"

#include <algorithm>
#include <array>

namespace quorate::security {

namespace {

struct Name {
  std::string_view name;
  Permission permission;
};

/// The last one is another name for the one before.
constexpr std::array kNames = {
    Name{"all", Permission::kAll},
    Name{"execute", Permission::kExecute},
    Name{"query", Permission::kQuery},
    Name{"load", Permission::kLoad},
    Name{"backup", Permission::kBackup},
    Name{"snapshot", Permission::kSnapshot},
    Name{"status", Permission::kStatus},
    Name{"ready", Permission::kReady},
    Name{"remove", Permission::kRemove},
    Name{"leader-ops", Permission::kLeaderOps},
    Name{"ui", Permission::kUi},
    Name{"join", Permission::kJoin},
    Name{"join-read-only", Permission::kJoinReadOnly},
    Name{"join-read-replica", Permission::kJoinReadOnly},
};

}  // namespace

std::optional<Permission> permission_named(std::string_view name) {
  const auto found = std::ranges::find(kNames, name, &Name::name);
  if (found == kNames.end()) return std::nullopt;
  return found->permission;
}

std::string permission_names() {
  std::string names;
  for (const Name& known : kNames) names.append(names.empty() ? "" : ", ").append(known.name);
  return names;
}

}  // namespace quorate::security
