// Who is let in, at once or after a hash was computed elsewhere.
#include "server/security/access_control.hpp"

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace quorate::security {
namespace {

// Of "secret" and of "other", as cheap as they can be.
constexpr const char* kHashOfSecret = "$2b$04$GWkeu4drzN.PCbSSD55zPeGi0zeemC5GfNzhRiYHI3W2.TSTd5Q.e";
constexpr const char* kHashOfOther = "$2b$04$eFuRg7Zr5JSMoXjDeKTYp.QHaKDE57v1B2kUiGucuHeql9WGO9LFW";
constexpr Permissions kQuery{Permission::kQuery};
constexpr Permissions kExecute{Permission::kExecute};

Credentials users(const std::string& text) {
  auto credentials = Credentials::parse(text, "auth.json");
  EXPECT_TRUE(credentials) << credentials.error().message;
  return std::move(*credentials);
}

Credentials hashed(const char* hash) {
  return users(R"([{"username":"bob","password":")" + std::string(hash) + R"(","perms":["query"]}])");
}

class AccessControlTest : public testing::Test {
 protected:
  AccessControl make(Credentials credentials) {
    return AccessControl(std::move(credentials), [this](std::function<void()> job, std::function<void()> done) {
      jobs_.emplace_back(std::move(job), std::move(done));
    });
  }
  void compute() {
    while (!jobs_.empty()) {
      const auto [job, done] = std::move(jobs_.front());
      jobs_.pop_front();
      job();
      done();
    }
  }
  /// The verdict, if it has come; kept for the caller.
  std::shared_ptr<std::optional<Verdict>> ask(AccessControl& access, const std::optional<Login>& login,
                                              Permissions needed) {
    auto heard = std::make_shared<std::optional<Verdict>>();
    access.check(login, needed, [heard](Verdict verdict) { *heard = verdict; });
    return heard;
  }

  std::deque<std::pair<std::function<void()>, std::function<void()>>> jobs_;
};

TEST_F(AccessControlTest, PlainTextIsToldAtOnce) {
  AccessControl access = make(users(R"([{"username":"bob","password":"secret","perms":["query"]},
                                        {"username":"carl","password":"secret"},
                                        {"username":"*","perms":["ready"]}])"));
  EXPECT_EQ(access.known(Login{"bob", "secret"}, kQuery), Verdict::kGranted);
  EXPECT_EQ(access.known(Login{"bob", "secret"}, kExecute), Verdict::kDenied);
  EXPECT_EQ(access.known(Login{"bob", "secret"}, kQuery | kExecute), Verdict::kDenied);
  EXPECT_EQ(access.known(Login{"bob", "secre"}, kQuery), Verdict::kDenied);
  EXPECT_EQ(access.known(Login{"bob", ""}, kQuery), Verdict::kDenied);
  EXPECT_EQ(access.known(Login{"carl", "secret"}, kQuery), Verdict::kDenied) << "has no permissions";
  EXPECT_EQ(access.known(Login{"dora", "secret"}, kQuery), Verdict::kDenied);
  EXPECT_EQ(access.known(Login{"*", ""}, kQuery), Verdict::kDenied);
  EXPECT_EQ(access.known(std::nullopt, kQuery), Verdict::kDenied);
  EXPECT_EQ(access.known(std::nullopt, {Permission::kReady}), Verdict::kGranted);
  EXPECT_EQ(access.known(Login{"bob", "wrong"}, {Permission::kReady}), Verdict::kGranted) << "everybody may";
  EXPECT_EQ(access.stats().granted, 3);
  EXPECT_TRUE(jobs_.empty());
}

TEST_F(AccessControlTest, AHashIsComputedOnceAndRemembered) {
  AccessControl access = make(hashed(kHashOfSecret));
  const Login right{"bob", "secret"};
  EXPECT_EQ(access.known(right, kQuery), std::nullopt);
  const auto first = ask(access, right, kQuery);
  const auto second = ask(access, right, kQuery);
  const auto third = ask(access, right, kExecute);
  EXPECT_EQ(*first, std::nullopt);
  EXPECT_EQ(jobs_.size(), 1) << "all of them wait for the same";
  compute();
  EXPECT_EQ(*first, Verdict::kGranted);
  EXPECT_EQ(*second, Verdict::kGranted);
  EXPECT_EQ(*third, Verdict::kDenied);
  EXPECT_EQ(access.known(right, kQuery), Verdict::kGranted);
  EXPECT_EQ(access.known(right, kExecute), Verdict::kDenied);
  EXPECT_EQ(access.stats().hashes_computed, 1);
}

TEST_F(AccessControlTest, AnotherPasswordEndsWhatWasRemembered) {
  AccessControl access = make(hashed(kHashOfSecret));
  const auto verdict = ask(access, Login{"bob", "secret"}, kQuery);
  compute();
  ASSERT_EQ(*verdict, Verdict::kGranted);
  access.replace(hashed(kHashOfOther));
  const auto later = ask(access, Login{"bob", "secret"}, kQuery);
  EXPECT_EQ(*later, std::nullopt);
  compute();
  EXPECT_EQ(*later, Verdict::kDenied);
}

TEST_F(AccessControlTest, WhatIsWrongIsNotRemembered) {
  AccessControl access = make(hashed(kHashOfSecret));
  const auto wrong = ask(access, Login{"bob", "guess"}, kQuery);
  compute();
  EXPECT_EQ(*wrong, Verdict::kDenied);
  EXPECT_EQ(access.known(Login{"bob", "guess"}, kQuery), std::nullopt);
}

TEST_F(AccessControlTest, AnUnknownNameCostsAsMuch) {
  AccessControl access = make(hashed(kHashOfSecret));
  const auto unknown = ask(access, Login{"nobody", "secret"}, kQuery);
  EXPECT_EQ(jobs_.size(), 1);
  compute();
  EXPECT_EQ(*unknown, Verdict::kDenied) << "though it is the password of somebody";
}

TEST_F(AccessControlTest, NewUsersCountForWhoIsBeingChecked) {
  AccessControl access = make(hashed(kHashOfSecret));
  const auto old_password = ask(access, Login{"bob", "secret"}, kQuery);
  const auto new_password = ask(access, Login{"bob", "other"}, kQuery);
  access.replace(hashed(kHashOfOther));
  compute();
  EXPECT_EQ(*old_password, Verdict::kDenied);
  EXPECT_EQ(*new_password, Verdict::kGranted);
  access.replace(users("[]"));
  EXPECT_EQ(access.known(Login{"bob", "other"}, kQuery), Verdict::kDenied) << "nothing is remembered any more";
}

TEST_F(AccessControlTest, AUserMayGoWhileBeingChecked) {
  AccessControl access = make(hashed(kHashOfSecret));
  const auto verdict = ask(access, Login{"bob", "secret"}, kQuery);
  access.replace(users(R"([{"username":"anna","password":"x","perms":["all"]}])"));
  compute();
  EXPECT_EQ(*verdict, Verdict::kDenied);
}

TEST_F(AccessControlTest, TooManyGuessesAreRefused) {
  AccessControl access = make(hashed(kHashOfSecret));
  std::vector<std::shared_ptr<std::optional<Verdict>>> guesses;
  for (std::size_t i = 0; i <= kLoginsCheckedMax; ++i)
    guesses.push_back(ask(access, Login{"bob", "guess " + std::to_string(i)}, kQuery));
  EXPECT_EQ(*guesses.back(), Verdict::kOverloaded);
  EXPECT_EQ(jobs_.size(), kLoginsCheckedMax);
  const auto joins = ask(access, Login{"bob", "guess 1"}, kQuery);
  EXPECT_EQ(*joins, std::nullopt) << "waits for what is being checked anyway";
  compute();
  EXPECT_EQ(*joins, Verdict::kDenied);
  EXPECT_EQ(*ask(access, Login{"bob", "secret"}, kQuery), std::nullopt) << "there is room again";
  compute();
}

TEST_F(AccessControlTest, TheTableOfTheRememberedIsBounded) {
  std::string text = "[";
  for (std::size_t i = 0; i <= kLoginsRememberedMax; ++i)
    text += (i == 0 ? "" : ",") + (R"({"username":"u)" + std::to_string(i) + R"(","password":")") + kHashOfSecret +
            R"(","perms":["query"]})";
  AccessControl access = make(users(text + "]"));
  const auto login = [](std::size_t i) { return Login{"u" + std::to_string(i), "secret"}; };
  for (std::size_t i = 0; i <= kLoginsRememberedMax; ++i) {
    const auto verdict = ask(access, login(i), kQuery);
    if (i == kLoginsRememberedMax) {
      EXPECT_EQ(access.known(login(0), kQuery), Verdict::kGranted) << "used again";
    }
    compute();
    ASSERT_EQ(*verdict, Verdict::kGranted);
  }
  EXPECT_EQ(access.known(login(0), kQuery), Verdict::kGranted);
  EXPECT_EQ(access.known(login(1), kQuery), std::nullopt) << "the one that was not used for the longest time";
}

TEST_F(AccessControlTest, NobodyIsCalledAfterTheEnd) {
  bool is_called = false;
  {
    AccessControl access = make(hashed(kHashOfSecret));
    access.check(Login{"bob", "secret"}, kQuery, [&](Verdict) { is_called = true; });
  }
  compute();
  EXPECT_FALSE(is_called);
}

}  // namespace
}  // namespace quorate::security
