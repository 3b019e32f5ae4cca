#include "sim/network.hpp"

#include <functional>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace quorate::sim {
namespace {

using namespace std::chrono_literals;

constexpr NodeId kOne{1};
constexpr NodeId kTwo{2};
constexpr NodeId kThree{3};

struct Inbox final : NetworkReceiver {
  explicit Inbox(World& w) : world(w) {}
  void deliver(Message message) override {
    terms.push_back(message.term.value);
    times.push_back(world.now());
  }
  void disconnected(NodeId peer) override { broken.push_back(peer); }
  void called(NodeId from, Payload request, std::function<void(Payload)> reply) override {
    callers.push_back(from);
    reply(std::move(request));
  }

  World& world;
  std::vector<std::uint64_t> terms;  ///< the tests number their messages by term
  std::vector<WorldTime> times;
  std::vector<NodeId> broken;
  std::vector<NodeId> callers;
};

struct NetworkTest : testing::Test {
  World world{42};
  Network network{world, 3, DelayLaw{.shortest = 1ms}};
  Inbox one{world};
  Inbox two{world};
  Inbox three{world};

  void SetUp() override {
    network.attach(kOne, one);
    network.attach(kTwo, two);
    network.attach(kThree, three);
  }
  void send(NodeId from, NodeId to, std::uint64_t number, MessageBody body = Heartbeat{}) {
    network.send(Message{.from = from, .to = to, .term = Term{number}, .body = std::move(body)});
  }
  void run_for(Duration duration) { world.run_until(world.now() + duration); }
  static std::vector<std::uint64_t> numbers(std::uint64_t first, std::uint64_t last) {
    std::vector<std::uint64_t> result;
    for (; first <= last; ++first) result.push_back(first);
    return result;
  }
};

TEST_F(NetworkTest, DeliversInOrderAfterTheDelay) {
  network.lay(FaultId{1}, {kOne}, {kTwo}, LinkFault{.delay = {.spread = 20ms}});
  std::vector<WorldTime> sent;
  for (std::uint64_t number = 1; number <= 100; ++number) {
    sent.push_back(world.now());
    send(kOne, kTwo, number);
    run_for(1ms);
  }
  run_for(1s);
  EXPECT_EQ(two.terms, numbers(1, 100));
  for (std::size_t at = 0; at < sent.size(); ++at) {
    EXPECT_GE(two.times[at], sent[at] + 1ms);
    EXPECT_LE(two.times[at], sent[at] + 21ms);
  }
}

TEST_F(NetworkTest, CallsAndTheirAnswersTakeTheirTimeOrVanish) {
  std::vector<WorldTime> answered;
  const auto call = [&](NodeId from, NodeId to) {
    network.call(from, to, Payload(), [&](const Payload&) { answered.push_back(world.now()); });
  };
  call(kOne, kTwo);
  run_for(1s);
  EXPECT_EQ(two.callers, std::vector{kOne});
  EXPECT_EQ(answered, std::vector{WorldTime{} + 2ms});

  network.lay(FaultId{1}, {kOne}, {kTwo}, LinkFault{.passage = LinkFault::Passage::kCut});
  call(kOne, kTwo);  // the request does not arrive
  call(kTwo, kOne);  // it does; its answer does not
  run_for(1s);
  EXPECT_EQ(two.callers.size(), 1u);
  EXPECT_EQ(one.callers, std::vector{kTwo});
  EXPECT_EQ(answered.size(), 1u);
}

TEST_F(NetworkTest, ACutIsOneWayAndTakesWhatIsOnItsWay) {
  send(kOne, kTwo, 1);
  network.lay(FaultId{1}, {kOne}, {kTwo}, LinkFault{.passage = LinkFault::Passage::kCut});
  send(kOne, kTwo, 2);
  send(kTwo, kOne, 3);
  send(kOne, kThree, 4);
  run_for(1s);
  EXPECT_TRUE(two.terms.empty());
  EXPECT_EQ(one.terms, numbers(3, 3));
  EXPECT_EQ(three.terms, numbers(4, 4));
  EXPECT_EQ(network.count(Fate::kCut), 2u);

  network.lift(FaultId{1});
  send(kOne, kTwo, 5);
  run_for(1s);
  EXPECT_EQ(two.terms, numbers(5, 5));
}

TEST_F(NetworkTest, OverlappingFaultsAreLiftedOneByOne) {
  const LinkFault cut{.passage = LinkFault::Passage::kCut};
  network.lay(FaultId{1}, {kOne}, {kTwo, kThree}, cut);
  network.lay(FaultId{2}, {kOne}, {kTwo}, cut);
  network.lift(FaultId{1});
  EXPECT_FALSE(network.is_open(kOne, kTwo));
  EXPECT_TRUE(network.is_open(kOne, kThree));
  network.lift(FaultId{2});
  EXPECT_TRUE(network.is_open(kOne, kTwo));
}

TEST_F(NetworkTest, AJamKeepsEverythingAndLetsItGoAtOnceInOrder) {
  network.lay(FaultId{1}, {kOne}, {kTwo}, LinkFault{.passage = LinkFault::Passage::kJammed});
  for (std::uint64_t number = 1; number <= 20; ++number) {
    send(kOne, kTwo, number);
    run_for(3ms);
  }
  run_for(5s);
  EXPECT_TRUE(two.terms.empty());
  EXPECT_EQ(network.count(Fate::kJammed), 20u);
  network.lift(FaultId{1});
  run_for(0ms);
  EXPECT_EQ(two.terms, numbers(1, 20));
}

TEST_F(NetworkTest, ACutUnderAJamTakesWhatTheJamKept) {
  network.lay(FaultId{1}, {kOne}, {kTwo}, LinkFault{.passage = LinkFault::Passage::kJammed});
  send(kOne, kTwo, 1);
  run_for(10ms);
  network.lay(FaultId{2}, {kOne}, {kTwo}, LinkFault{.passage = LinkFault::Passage::kCut});
  network.lift(FaultId{1});
  run_for(1s);
  network.lift(FaultId{2});
  run_for(1s);
  EXPECT_TRUE(two.terms.empty());
}

TEST_F(NetworkTest, LosesAboutAsManyAsAsked) {
  network.lay(FaultId{1}, {kOne}, {kTwo}, LinkFault{.loss = percent(30)});
  for (std::uint64_t number = 1; number <= 2000; ++number) send(kOne, kTwo, number);
  run_for(1s);
  EXPECT_NEAR(static_cast<double>(network.count(Fate::kLost)), 600.0, 80.0);
  EXPECT_EQ(two.terms.size() + network.count(Fate::kLost), 2000u);
}

TEST_F(NetworkTest, DuplicatesArriveTwice) {
  network.lay(FaultId{1}, {kOne}, {kTwo}, LinkFault{.duplication = percent(100)});
  send(kOne, kTwo, 1);
  run_for(1s);
  EXPECT_EQ(two.terms, (std::vector<std::uint64_t>{1, 1}));
  EXPECT_EQ(network.count(Fate::kDuplicated), 1u);
}

TEST_F(NetworkTest, ReorderingLetsMessagesOvertake) {
  network.lay(FaultId{1}, {kOne}, {kTwo}, LinkFault{.delay = {.spread = 20ms}, .reordering = percent(50)});
  for (std::uint64_t number = 1; number <= 100; ++number) send(kOne, kTwo, number);
  run_for(1s);
  EXPECT_EQ(two.terms.size(), 100u);
  EXPECT_NE(two.terms, numbers(1, 100));
  EXPECT_GT(network.count(Fate::kReordered), 0u);
}

TEST_F(NetworkTest, ANarrowLinkTakesItsTime) {
  network.lay(FaultId{1}, {kOne}, {kTwo}, LinkFault{.bytes_per_second = 100'000});
  SnapshotChunk chunk;
  chunk.bytes = Payload::build(100'000, [](std::span<std::byte> out) { std::ranges::fill(out, std::byte{1}); });
  send(kOne, kTwo, 1, chunk);
  send(kOne, kTwo, 2);
  run_for(900ms);
  EXPECT_TRUE(two.terms.empty());
  run_for(200ms);
  EXPECT_EQ(two.terms, numbers(1, 2));
}

TEST_F(NetworkTest, ADamagedFrameIsRejectedAndBreaksTheConnection) {
  network.lay(FaultId{1}, {kOne}, {kTwo}, LinkFault{.corruption = percent(100)});
  for (std::uint64_t number = 1; number <= 500; ++number) {
    send(kOne, kTwo, number,
         AppendRequest{.previous = {Term{1}, Index{number - 1}},
                       .entries = {{Term{1}, Index{number}, EntryKind::kCommand, {}, {}}}});
  }
  run_for(1s);
  EXPECT_TRUE(two.terms.empty());
  EXPECT_EQ(two.broken, std::vector(500, kOne));
  EXPECT_EQ(network.count(Fate::kCorrupted), 500u);
  EXPECT_EQ(network.count(Fate::kForged), 0u);
}

TEST_F(NetworkTest, AProcessThatEndsIsNoticedByThoseWhoCanBeReached) {
  network.lay(FaultId{1}, {kOne}, {kThree}, LinkFault{.passage = LinkFault::Passage::kCut});
  network.break_connections(kOne);
  run_for(1s);
  EXPECT_EQ(two.broken, std::vector{kOne});
  EXPECT_TRUE(three.broken.empty());
}

TEST_F(NetworkTest, FaultsOnOneLinkDoNotChangeWhatHappensOnAnother) {
  const auto fates_of_three = [](bool with_other_traffic) {
    World other_world(42);
    Network other(other_world, 3, DelayLaw{.shortest = 1ms, .spread = 5ms});
    Inbox here(other_world);
    other.attach(kThree, here);
    other.lay(FaultId{1}, {kOne}, {kThree}, LinkFault{.loss = percent(50)});
    for (std::uint64_t number = 1; number <= 200; ++number) {
      if (with_other_traffic) other.send(Message{.from = kOne, .to = kTwo, .body = Heartbeat{}});
      other.send(Message{.from = kOne, .to = kThree, .term = Term{number}, .body = Heartbeat{}});
    }
    other_world.run_until(other_world.now() + 1s);
    return std::pair(here.terms, here.times);
  };
  EXPECT_EQ(fates_of_three(false), fates_of_three(true));
}

TEST_F(NetworkTest, MessagesCanBeDeliveredDroppedAndRepeatedByHand) {
  network.set_delivery(Network::Delivery::kManual);
  send(kOne, kTwo, 1);
  send(kOne, kTwo, 2, VoteRequest{});
  send(kOne, kTwo, 3);
  run_for(10s);
  EXPECT_TRUE(two.terms.empty());

  const std::vector<MessageId> votes = network.on_the_way(kOne, kTwo, "VoteRequest");
  ASSERT_EQ(votes.size(), 1u);
  network.duplicate(votes[0]);
  network.deliver(votes[0]);
  const std::vector<MessageId> rest = network.on_the_way(kOne, kTwo);
  ASSERT_EQ(rest.size(), 3u);
  network.drop(rest[0]);
  network.deliver(rest[1]);
  EXPECT_EQ(two.terms, (std::vector<std::uint64_t>{2, 3}));

  network.set_delivery(Network::Delivery::kAutomatic);
  run_for(0ms);
  EXPECT_EQ(two.terms, (std::vector<std::uint64_t>{2, 3, 2}));
}

TEST_F(NetworkTest, HeldMessagesArriveLongAfterwards) {
  send(kOne, kTwo, 1);
  send(kOne, kTwo, 2);
  for (const MessageId id : network.on_the_way(kOne, kTwo)) network.hold(id, "old");
  send(kOne, kTwo, 3);
  run_for(100s);
  EXPECT_EQ(two.terms, numbers(3, 3));
  EXPECT_EQ(network.release("old"), 2u);
  EXPECT_EQ(two.terms, (std::vector<std::uint64_t>{3, 1, 2}));
  EXPECT_EQ(network.release("old"), 0u);
}

}  // namespace
}  // namespace quorate::sim
