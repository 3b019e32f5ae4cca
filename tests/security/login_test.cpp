// Authorization headers.
#include "server/security/login.hpp"

#include <string>

#include <gtest/gtest.h>

namespace quorate::security {
namespace {

TEST(Login, IsWhatTheHeaderSays) {
  EXPECT_EQ(login_in("Basic Ym9iOnNlY3JldA=="), (Login{"bob", "secret"}));
  EXPECT_EQ(login_in("basic   Ym9iOnNlY3JldA=="), (Login{"bob", "secret"})) << "schemes have no case";
  EXPECT_EQ(login_in("Basic Ym9iOmE6Yg=="), (Login{"bob", "a:b"})) << "only the first colon separates";
  EXPECT_EQ(login_in("Basic Og=="), (Login{"", ""}));
  EXPECT_EQ(login_in("Basic w7xzZXI6cMOkc3M="), (Login{"\xC3\xBCser", "p\xC3\xA4ss"}));
}

TEST(Login, IsNothingIfTheHeaderIsMalformed) {
  const std::string malformed[] = {
      "",
      "Basic",
      "Basic ",
      "Bearer Ym9iOnNlY3JldA==",
      "Basic Ym9i",             // no colon
      "Basic Ym9iOnNlY3JldA",   // no padding
      "Basic Ym9iOnNlY3JldA=",  // not enough
      "Basic Ym9iOnNlY3JldA= =",
      "Basic Ym9i*nNlY3JldA==",  // not in the alphabet
      "Basic ====",
      "Basic Ym9iOnNlAGNyZXQ=",  // a zero byte
  };
  for (const std::string& header : malformed) EXPECT_EQ(login_in(header), std::nullopt) << header;
}

}  // namespace
}  // namespace quorate::security
