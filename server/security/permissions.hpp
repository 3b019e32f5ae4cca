// What a user may be allowed to do, by the names that auth files have for it. Values; any thread.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace quorate::security {

enum class Permission : std::uint8_t {
  kAll,  ///< every other one
  kExecute,
  kQuery,
  kLoad,
  kBackup,
  kSnapshot,
  kStatus,
  kReady,
  kRemove,
  kLeaderOps,
  kUi,
  kJoin,          ///< as a voter or as a read replica
  kJoinReadOnly,  ///< as a read replica
};

/// "execute", "leader-ops", ...
[[nodiscard]] std::optional<Permission> permission_named(std::string_view name);
/// All names, as a sentence lists them.
[[nodiscard]] std::string permission_names();

/// A set of them.
class Permissions {
 public:
  constexpr Permissions() = default;
  constexpr Permissions(std::initializer_list<Permission> permissions) {
    for (const Permission permission : permissions) add(permission);
  }

  constexpr void add(Permission permission) { bits_ |= bit(permission); }
  [[nodiscard]] constexpr bool has(Permission permission) const { return (bits_ & bit(permission)) != 0; }
  [[nodiscard]] constexpr bool empty() const { return bits_ == 0; }
  /// Whether whoever has these may do what needs all of `needed`.
  [[nodiscard]] constexpr bool grant(Permissions needed) const {
    return has(Permission::kAll) || (needed.bits_ & ~bits_) == 0;
  }
  friend constexpr Permissions operator|(Permissions left, Permissions right) {
    left.bits_ |= right.bits_;
    return left;
  }
  friend constexpr bool operator==(Permissions, Permissions) = default;

 private:
  static constexpr std::uint32_t bit(Permission permission) {
    return std::uint32_t{1} << static_cast<std::uint32_t>(permission);
  }
  std::uint32_t bits_ = 0;
};

}  // namespace quorate::security
