// The auth file: what is read from one, and what is refused, in which words.
#include "server/security/credentials.hpp"

#include <string>

#include <gtest/gtest.h>

namespace quorate::security {
namespace {

constexpr const char* kSecretHash = "$2b$04$GWkeu4drzN.PCbSSD55zPeGi0zeemC5GfNzhRiYHI3W2.TSTd5Q.e";

TEST(Credentials, AreUsersWithTheirPermissions) {
  const auto credentials = Credentials::parse(R"([
    {"username": "bob", "password": "secret", "perms": ["query", "status", "join-read-replica"]},
    {"username": "anna", "password": "secret2", "perms": ["all"]},
    {"username": "*", "perms": ["ready"]}
  ])",
                                              "auth.json");
  ASSERT_TRUE(credentials) << credentials.error().message;
  const User* const bob = credentials->find("bob");
  ASSERT_NE(bob, nullptr);
  EXPECT_EQ(bob->secret, "secret");
  EXPECT_EQ(bob->permissions, (Permissions{Permission::kQuery, Permission::kStatus, Permission::kJoinReadOnly}));
  EXPECT_FALSE(bob->permissions.grant({Permission::kExecute}));
  EXPECT_FALSE(bob->permissions.grant({Permission::kQuery, Permission::kExecute})) << "all of them are needed";
  EXPECT_TRUE(credentials->find("anna")->permissions.grant({Permission::kQuery, Permission::kExecute}));
  EXPECT_EQ(credentials->everybody(), Permissions{Permission::kReady});
  EXPECT_EQ(credentials->find("*"), nullptr);
  EXPECT_EQ(credentials->find("carl"), nullptr);
}

TEST(Credentials, AnEntryWithoutPermissionsHasNone) {
  const auto credentials = Credentials::parse(
      R"([{"username":"a","password":"x","perms":["all"]},{"username":"b","password":"y"}])", "auth.json");
  ASSERT_TRUE(credentials);
  EXPECT_TRUE(credentials->find("b")->permissions.empty()) << "and never those of the entry before";
}

TEST(Credentials, HashesAreTold) {
  const auto credentials = Credentials::parse(
      R"([{"username":"a","password":")" + std::string(kSecretHash) + R"("},{"username":"b","password":"$6$x"}])", "f");
  ASSERT_TRUE(credentials) << credentials.error().message;
  EXPECT_EQ(credentials->find("a")->form, SecretForm::kBcrypt);
  EXPECT_EQ(credentials->find("b")->form, SecretForm::kPlainText) << "only bcrypt is";
  EXPECT_TRUE(matches_bcrypt(kSecretHash, "secret"));
  EXPECT_FALSE(matches_bcrypt(kSecretHash, "Secret"));
  EXPECT_FALSE(matches_bcrypt(kSecretHash, ""));
}

TEST(Credentials, EveryLetterOfBcryptIsTheSame) {
  for (const char letter : {'a', 'b', 'y'}) {
    std::string hash = kSecretHash;
    hash[2] = letter;
    EXPECT_TRUE(matches_bcrypt(hash, "secret")) << hash;
  }
}

TEST(Credentials, AnEmptyListLetsNobodyIn) {
  const auto credentials = Credentials::parse(" [] \n", "auth.json");
  ASSERT_TRUE(credentials);
  EXPECT_TRUE(credentials->users().empty());
  EXPECT_TRUE(credentials->everybody().empty());
}

struct Mistake {
  const char* name;
  std::string text;
  const char* words;
};

class CredentialsMistake : public testing::TestWithParam<Mistake> {};

TEST_P(CredentialsMistake, IsRefusedByItsPlace) {
  const auto credentials = Credentials::parse(GetParam().text, "auth.json");
  ASSERT_FALSE(credentials);
  EXPECT_NE(credentials.error().message.find(GetParam().words), std::string::npos) << credentials.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    AuthFile, CredentialsMistake,
    testing::Values(
        Mistake{"Nothing", "", "auth.json:1:1: no JSON"},  //
        Mistake{"Json", "[\n  {\"username\": bob}]", "auth.json:2:16: no JSON"},
        Mistake{"End", R"([{"username":"a","password":"b"})", "incomplete"},
        Mistake{"Rest", "[]\n[]", "auth.json:2:1: something follows"},
        Mistake{"Object", R"({"username":"a"})", "expected is [{"},  //
        Mistake{"Entry", R"(["a"])", "auth.json: entry 1: it is no object"},
        Mistake{"Name", R"([{"password":"b"}])", R"(entry 1: "username")"},
        Mistake{"EmptyName", R"([{"username":"","password":"b"}])", R"(entry 1: "username")"},
        Mistake{"Password", R"([{"username":"a"}])", R"(entry 1 (user "a"): there is no "password")"},
        Mistake{"PasswordKind", R"([{"username":"a","password":1}])", R"("password" must be a text)"},
        Mistake{"Colon", R"([{"username":"a:b","password":"x"}])", "colon"},
        Mistake{"Key", R"([{"username":"a","password":"b","perm":["all"]}])", R"(unknown key "perm")"},
        Mistake{"Perms", R"([{"username":"a","password":"b","perms":"all"}])", "list of texts"},
        Mistake{"PermsKind", R"([{"username":"a","password":"b","perms":[1]}])", "list of texts"},
        Mistake{"Permission", R"([{"username":"a","password":"b","perms":["exec"]}])",
                R"(unknown permission "exec"; known are all, execute)"},
        Mistake{"Twice", R"([{"username":"a","password":"b"},{"username":"a","password":"c"}])", "there twice"},
        Mistake{"EverybodyTwice", R"([{"username":"*"},{"username":"*"}])", "there twice"},
        Mistake{"ShortHash", R"([{"username":"a","password":"$2b$10$abc"}])", "60 letters"},
        Mistake{"HashX", R"([{"username":"a","password":"$2x$04$GWkeu4drzN"}])", "$2x$"},
        Mistake{"Cost",
                R"([{"username":"a","password":"$2b$31$GWkeu4drzN.PCbSSD55zPeGi0zeemC5GfNzhRiYHI3W2.TSTd5Q.e"}])",
                "cost"},
        Mistake{"Large", std::string(kAuthFileBytesMax + 1, ' '), "larger than"}),
    [](const auto& mistake) { return mistake.param.name; });

TEST(Credentials, AFileThatIsNotThereIsNamed) {
  const auto credentials = Credentials::load("/nonexistent/auth.json");
  ASSERT_FALSE(credentials);
  EXPECT_NE(credentials.error().message.find("/nonexistent/auth.json"), std::string::npos);
}

}  // namespace
}  // namespace quorate::security
