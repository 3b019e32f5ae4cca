// The users of a cluster, what proves that somebody is one of them, and what each may do: an auth file, which is in
// rqlite's format.
//
//   [{"username": "bob", "password": "secret", "perms": ["query", "status"]}, ...]
//
// A password is a plain text or a bcrypt hash of one ($2a$, $2b$, $2y$). An entry without "perms" has none. The user
// "*" is everybody, also who gives no name, and has no password. What cannot be meant so is refused: unknown keys and
// permissions, a name that is there twice, a hash that is none.
//
// Values; any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "consensus/result.hpp"
#include "server/security/permissions.hpp"

namespace quorate::security {

inline constexpr std::size_t kAuthFileBytesMax = std::size_t{1} << 20;
inline constexpr std::size_t kUsersMax = 10'000;
/// What one user's name and password may have, in a file and in a request.
inline constexpr std::size_t kLoginBytesMax = 1024;
/// Each step of a hash's cost doubles the time of a check; this one takes some seconds.
inline constexpr unsigned kBcryptCostMax = 16;

enum class SecretForm : std::uint8_t { kPlainText, kBcrypt };

struct User {
  std::string name;
  std::string secret;  ///< the password, or its hash
  SecretForm form = SecretForm::kPlainText;
  Permissions permissions;
};

class Credentials {
 public:
  /// The error names the file, the place in it, and what is expected there.
  [[nodiscard]] static Result<Credentials> parse(std::string_view text, const std::string& file);
  [[nodiscard]] static Result<Credentials> load(const std::string& file);

  /// Without "*".
  [[nodiscard]] const std::vector<User>& users() const { return users_; }
  /// Null if there is none of that name.
  [[nodiscard]] const User* find(std::string_view name) const;
  /// What needs no login.
  [[nodiscard]] Permissions everybody() const { return everybody_; }

 private:
  std::vector<User> users_;  ///< by name
  Permissions everybody_;
};

/// Whether a password is what a hash was made of. Takes as long as the hash was made to: not for the loop.
[[nodiscard]] bool matches_bcrypt(const std::string& hash, const std::string& password);

}  // namespace quorate::security
