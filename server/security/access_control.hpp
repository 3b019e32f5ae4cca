// Decides whether somebody may do something. Passwords in plain text are compared at once and in constant time; a
// bcrypt hash takes as long as it was made to take, so it is computed on another thread, once for any number of
// requests that present the same login at the same time, and what was found right is remembered, in a bounded table, by
// a keyed hash. An unknown name costs as much as a known one.
//
// Loop thread only. The keeper of the other thread (Offload) outlives it or ends before it; of what is under way when
// it is destroyed, nothing is called back.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/security/credentials.hpp"
#include "server/security/login.hpp"
#include "server/security/permissions.hpp"

namespace quorate::security {

enum class Verdict : std::uint8_t {
  kGranted,
  kDenied,
  kOverloaded,  ///< too many logins are being checked; nothing is known of this one
};

/// Logins found right that are remembered, and logins that are being checked, with all who wait for them.
inline constexpr std::size_t kLoginsRememberedMax = 1024;
inline constexpr std::size_t kLoginsCheckedMax = 64;
inline constexpr std::size_t kLoginsAwaitedMax = 4096;

class AccessControl {
 public:
  /// Runs `job` on another thread, and then `done` on the loop.
  using Offload = std::function<void(std::function<void()> job, std::function<void()> done)>;

  AccessControl(const Credentials& credentials, Offload offload);
  ~AccessControl();
  AccessControl(const AccessControl&) = delete;
  AccessControl& operator=(const AccessControl&) = delete;

  /// Other users from now on; nothing that was remembered counts any more.
  void replace(const Credentials& credentials);

  /// The verdict, if it can be told without waiting. `login` may be nobody.
  [[nodiscard]] std::optional<Verdict> known(const std::optional<Login>& login, Permissions needed);
  /// The same, later if need be: `done` is called once, from within the call or from the loop.
  void check(const std::optional<Login>& login, Permissions needed, std::function<void(Verdict)> done);

  struct Stats {
    std::uint64_t granted = 0;
    std::uint64_t denied = 0;
    std::uint64_t hashes_computed = 0;
  };
  [[nodiscard]] const Stats& stats() const { return stats_; }

 private:
  using Digest = std::array<unsigned char, 32>;
  struct Known {
    Permissions permissions;
    SecretForm form = SecretForm::kPlainText;
    Digest password{};  ///< of a plain text
    std::string hash;   ///< bcrypt
  };
  struct Waiter {
    Permissions needed;
    std::function<void(Verdict)> done;
  };
  struct Checking {
    Login login;
    std::uint64_t generation;
    std::vector<Waiter> waiters;
  };

  [[nodiscard]] std::optional<Verdict> decide(const std::optional<Login>& login, Permissions needed);
  [[nodiscard]] Digest digest_of(std::string_view label, std::string_view name, std::string_view password) const;
  [[nodiscard]] bool is_remembered(const Digest& digest);
  void remember(const Digest& digest);
  void begin_checking(const Digest& digest, const Login& login);
  void checked(const Digest& digest, bool is_right);
  Verdict count(Verdict verdict);

  Offload offload_;
  std::array<unsigned char, 32> key_{};
  std::uint64_t generation_ = 0;  ///< counts replace()
  std::map<std::string, Known, std::less<>> users_;
  Permissions everybody_;
  std::string decoy_hash_;  ///< for names that nobody has; empty if no user has a hash

  std::list<Digest> remembered_;  ///< the last one used first
  std::map<Digest, std::list<Digest>::iterator> places_;
  std::map<Digest, Checking> checking_;
  std::size_t awaited_ = 0;
  Stats stats_;
  /// Whether it is still there, for what comes back from the other thread.
  std::shared_ptr<const bool> is_alive_ = std::make_shared<const bool>(true);
};

}  // namespace quorate::security
