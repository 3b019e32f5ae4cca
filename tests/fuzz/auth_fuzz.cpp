// Any bytes as an auth file, and as an Authorization header. What is accepted keeps to the rules; what is refused says
// why.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "consensus/assert.hpp"
#include "server/security/credentials.hpp"
#include "server/security/login.hpp"

using namespace quorate;
using namespace quorate::security;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto credentials = Credentials::parse(text, "auth.json");
  if (!credentials) QUORATE_ASSERT(credentials.error().message.starts_with("auth.json"));
  if (credentials) {
    QUORATE_ASSERT(credentials->users().size() <= size);
    for (const User& user : credentials->users()) {
      QUORATE_ASSERT(!user.name.empty());
      QUORATE_ASSERT(user.name != "*");
      QUORATE_ASSERT(user.name.size() + user.secret.size() <= kLoginBytesMax);
      QUORATE_ASSERT(credentials->find(user.name) == &user);
    }
  }
  if (const auto login = login_in(text)) {
    QUORATE_ASSERT(login->name.size() + login->password.size() < size);
    QUORATE_ASSERT(login->name.find(':') == std::string::npos);
  }
  return 0;
}
