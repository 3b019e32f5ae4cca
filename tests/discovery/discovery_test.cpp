// Who claims the key, who waits, who joins; and the leader that keeps it up to date. With a store in memory, and work
// that is done when the test says so.
#include "server/discovery/discovery.hpp"

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace quorate::discovery {
namespace {

struct Shared {
  std::optional<std::string> value;
  std::optional<Error> error;
  bool loses_races = false;  ///< somebody else creates the key in the moment before
  int writes = 0;
};

class FakeStore final : public KeyValueStore {
 public:
  explicit FakeStore(Shared& shared) : shared_(shared) {}
  Result<std::optional<std::string>> read() override {
    if (shared_.error) return tl::unexpected(*shared_.error);
    return shared_.value;
  }
  Result<bool> create(const std::string& value) override {
    if (shared_.error) return tl::unexpected(*shared_.error);
    if (std::exchange(shared_.loses_races, false))
      shared_.value = R"({"id":"z","api_addr":"","addr":"z:1","founding":true})";
    if (shared_.value) return false;
    shared_.value = value;
    return true;
  }
  Result<void> write(const std::string& value) override {
    if (shared_.error) return tl::unexpected(*shared_.error);
    ++shared_.writes;
    shared_.value = value;
    return {};
  }
  [[nodiscard]] const std::string& key() const override { return key_; }

 private:
  Shared& shared_;
  std::string key_ = "k/leader";
};

class DiscoveryTest : public ::testing::Test {
 protected:
  std::unique_ptr<Discovery> node(const std::string& id) {
    Discovery::Surroundings surroundings{
        .run =
            [](const std::function<void()>& job, const std::function<void()>& done) {
              job();
              done();
            },
        .after = [this](Duration delay, std::function<void()> task) { due_.emplace_back(delay, std::move(task)); },
        .inform = [this](const std::string& what) { said_.push_back(what); },
        .warn = [this](const std::string& what) { said_.push_back("warning: " + what); },
        .environment = nullptr};
    return std::make_unique<Discovery>(Mode::kEtcd, std::make_unique<FakeStore>(shared_),
                                       LeaderRecord{.id = id, .api_addr = "http://" + id, .addr = id + ":1"},
                                       std::move(surroundings));
  }
  static Result<Whereabouts> find(Discovery& node, Founding founding = Founding::kAllowed) {
    Result<Whereabouts> answer = fail(ErrorKind::kTimeout, "no answer");
    node.find(founding, [&answer](Result<Whereabouts> found) { answer = std::move(found); });
    return answer;
  }
  Duration run_next() {
    auto [delay, task] = std::move(due_.front());
    due_.pop_front();
    task();
    return delay;
  }

  Shared shared_;
  std::deque<std::pair<Duration, std::function<void()>>> due_;
  std::vector<std::string> said_;
};

TEST_F(DiscoveryTest, TheFirstBeginsAndTheOthersWaitUntilItHas) {
  const auto a = node("a");
  const auto b = node("b");
  EXPECT_TRUE(find(*a)->is_founder);
  const auto waiting = find(*b);
  ASSERT_TRUE(waiting);
  EXPECT_FALSE(waiting->is_founder);
  EXPECT_TRUE(waiting->addresses.empty());
  EXPECT_NE(waiting->note.find("node a at a:1 has claimed k/leader"), std::string::npos);
  a->lead(true);
  EXPECT_EQ(find(*b)->addresses, std::vector<std::string>{"a:1"});
}

TEST_F(DiscoveryTest, WhoeverClaimedMayBeginAgainButNotWhoHasLed) {
  EXPECT_TRUE(find(*node("a"))->is_founder);
  EXPECT_TRUE(find(*node("a"))->is_founder) << "it fell before it began";
  node("a")->lead(true);
  const auto without_data = find(*node("a"));
  EXPECT_FALSE(without_data->is_founder);
  EXPECT_NE(without_data->note.find("which has no data"), std::string::npos);
}

TEST_F(DiscoveryTest, WhoMayNotBeginDoesNotClaim) {
  const auto found = find(*node("replica"), Founding::kForbidden);
  EXPECT_FALSE(found->is_founder);
  EXPECT_FALSE(found->note.empty());
  EXPECT_FALSE(shared_.value);
}

TEST_F(DiscoveryTest, ARaceThatIsLost) {
  shared_.loses_races = true;
  const auto found = find(*node("a"));
  EXPECT_FALSE(found->is_founder);
  EXPECT_NE(found->note.find("node z"), std::string::npos);
}

TEST_F(DiscoveryTest, AnotherProgramsKeyIsLeftAlone) {
  shared_.value = "hello";
  const auto found = find(*node("a"));
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().message.find("choose another -disco-key"), std::string::npos);
  EXPECT_EQ(shared_.value, "hello");
}

TEST_F(DiscoveryTest, TheLeaderWritesWhatIsNotThereYet) {
  const auto a = node("a");
  a->lead(true);
  EXPECT_EQ(shared_.writes, 1);
  EXPECT_EQ(run_next(), kReportInterval);
  EXPECT_EQ(shared_.writes, 1) << "it is there";
  shared_.value.reset();
  run_next();
  EXPECT_EQ(shared_.writes, 2);
  a->lead(false);
  shared_.value.reset();
  run_next();
  EXPECT_EQ(shared_.writes, 2) << "others lead";
  EXPECT_TRUE(due_.empty());
  EXPECT_EQ(said_.size(), 1) << "once";
}

TEST_F(DiscoveryTest, AProblemIsToldOnceAndWhenItIsOver) {
  const auto a = node("a");
  shared_.error = Error{ErrorKind::kUnavailable, "down"};
  a->lead(true);
  for (int i = 0; i < 10; ++i) run_next();
  EXPECT_EQ(run_next(), kLongestPause) << "longer and longer";
  ASSERT_EQ(said_.size(), 1);
  EXPECT_NE(said_[0].find("down"), std::string::npos);
  shared_.error.reset();
  run_next();
  ASSERT_EQ(said_.size(), 2);
  EXPECT_EQ(run_next(), kReportInterval);
  EXPECT_EQ(said_.size(), 2);
}

TEST_F(DiscoveryTest, WhatIsGoneIsNotCalledBack) {
  auto a = node("a");
  a->lead(true);
  a.reset();
  run_next();
  EXPECT_EQ(shared_.writes, 1);
}

Result<std::unique_ptr<Discovery>> open(const DiscoveryOptions& options, std::map<std::string, std::string> variables) {
  return Discovery::open(
      options, {.id = "a", .api_addr = "", .addr = "a:1"},
      {.run =
           [](const std::function<void()>& job, const std::function<void()>& done) {
             job();
             done();
           },
       .after = [](Duration, const std::function<void()>&) {},
       .inform = [](const std::string&) {},
       .warn = [](const std::string&) {},
       .environment = [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
         const auto found = variables.find(name);
         return found != variables.end() ? std::optional(found->second) : std::nullopt;
       }});
}

TEST(DiscoveryOpen, TheEnvironmentMayNameTheNodes) {
  for (const char* variable : {"RQLITE_DISCO_DNS_HOSTS", "QUORATE_DISCO_DNS_HOSTS"}) {
    const auto made = open({.mode = "dns", .config = "{\"name\":\"n\"}"}, {{variable, "b:2,a:1,b:2"}});
    ASSERT_TRUE(made) << made.error().message;
    std::vector<std::string> found;
    (*made)->find(Founding::kAllowed, [&found](const Result<Whereabouts>& answer) { found = answer->addresses; });
    EXPECT_EQ(found, (std::vector<std::string>{"a:1", "b:2"}));
  }
}

TEST(DiscoveryOpen, WhatIsWrongIsSaidWithTheFlag) {
  const auto says = [](const DiscoveryOptions& options, const std::string& part,
                       std::map<std::string, std::string> variables = {}) {
    const auto made = open(options, std::move(variables));
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().message.find(part), std::string::npos) << made.error().message;
  };
  says({.mode = "zookeeper"}, "-disco-mode");
  says({.mode = "etcd-kv", .key = ""}, "-disco-key");
  says({.mode = "etcd-kv", .config = "{\"a\":1}"}, "-disco-config: unknown key");
  says({.mode = "dns", .config = "{\"name\":\"$X\"}"}, "environment variable X");
  says({.mode = "dns", .config = "nowhere.json"}, "cannot open nowhere.json");
  says({.mode = "dns"}, "RQLITE_DISCO_DNS_HOSTS: ", {{"RQLITE_DISCO_DNS_HOSTS", "a"}});
  says({.mode = "consul-kv", .config = R"({"token_file":"nowhere"})"}, "\"token_file\": cannot open");
  says({.mode = "consul-kv", .config = R"({"scheme":"https","tls_config":{"ca_file":"nowhere"}})"}, "\"tls_config\"");
}

}  // namespace
}  // namespace quorate::discovery
