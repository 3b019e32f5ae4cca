// A name and a password, as somebody presents them. Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace quorate::security {

struct Login {
  std::string name;
  std::string password;

  friend bool operator==(const Login&, const Login&) = default;
};

/// What the value of an Authorization header says (RFC 7617). Nothing if it is of another scheme or malformed, or has a
/// zero byte in it, which no password can have: the functions that check hashes would take it for the end.
[[nodiscard]] std::optional<Login> login_in(std::string_view authorization);

}  // namespace quorate::security
