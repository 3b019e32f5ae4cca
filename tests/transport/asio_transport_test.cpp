// Nodes that talk over real sockets. All of them live on one loop, which is a thread of its own; the test looks at them
// only from there.
#include "transport/asio_transport.hpp"

#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include "consensus/wire/frame.hpp"
#include "tests/transport/http_client.hpp"
#include "tests/transport/loop_fixture.hpp"
#include "transport/peer_limits.hpp"

namespace quorate::transport {
namespace {

using namespace std::chrono_literals;
using http::test::Client;

constexpr ClusterId kCluster{42};

struct Peer {
  NodeId id;
  std::unique_ptr<AsioTransport> transport;
  std::vector<Message> received;
  std::vector<PeerCall> calls;
  std::vector<NodeId> lost;
};

class AsioTransportTest : public test::LoopFixture {
 protected:
  ~AsioTransportTest() override {
    on_loop([this] {
      for (auto& peer : peers_) peer->transport.reset();
    });
    stop_loop();
  }

  static PeerIdentity identity(NodeId id, ClusterId cluster = kCluster) {
    return {.cluster = cluster, .node = id, .incarnation = Incarnation{id.value * 10}, .boot = Boot{1}};
  }
  void listen(Peer& peer, std::uint16_t port, const PeerIdentity& as) {
    AsioTransport::Events events{
        .received = [&peer](Message message) { peer.received.push_back(std::move(message)); },
        .called = [&peer](PeerCall call) { peer.calls.push_back(std::move(call)); },
        .lost = [&peer](NodeId node) { peer.lost.push_back(node); },
    };
    on_loop([&] {
      auto started = AsioTransport::start(
          runtime_, {.listen = {.host = "127.0.0.1", .port = port}, .identity = as, .seed = as.node.value},
          std::move(events));
      ASSERT_TRUE(started) << started.error().message;
      peer.transport = std::move(*started);
    });
  }
  Peer& add(const PeerIdentity& as) {
    peers_.push_back(std::make_unique<Peer>());
    peers_.back()->id = as.node;
    listen(*peers_.back(), 0, as);
    return *peers_.back();
  }
  Peer& add(std::uint64_t id) { return add(identity(NodeId{id})); }
  static std::uint16_t port_of(const Peer& peer) { return peer.transport->endpoint().port; }
  static std::string address_of(const Peer& peer) { return to_string(peer.transport->endpoint()); }

  /// All of them, as members of one cluster, connected to each other.
  void connect_all() {
    on_loop([this] {
      Configuration configuration;
      for (const auto& peer : peers_) configuration.members.push_back({.id = peer->id, .address = address_of(*peer)});
      for (const auto& peer : peers_) peer->transport->reconfigure(configuration);
    });
    for (const auto& peer : peers_) {
      ASSERT_TRUE(eventually([&] { return connected(*peer) == peers_.size() - 1; }));
    }
  }
  static std::size_t connected(const Peer& peer) {
    return static_cast<std::size_t>(
        std::ranges::count_if(peer.transport->peers(), [](const auto& status) { return status.link.is_connected; }));
  }
  static Message heartbeat(const Peer& from, const Peer& to, std::uint64_t round) {
    return {.from = from.id, .to = to.id, .body = Heartbeat{.round = round}};
  }
  std::vector<CallResult>& call(Peer& from, NodeId to, Payload request, Duration timeout = 20s) {
    on_loop([&] {
      from.transport->call(to, std::move(request), timeout,
                           [this](CallResult result) { results_.push_back(std::move(result)); });
    });
    return results_;
  }

  std::vector<std::unique_ptr<Peer>> peers_;
  std::vector<CallResult> results_;
};

TEST_F(AsioTransportTest, CarriesMessagesBothWaysInOrder) {
  Peer& one = add(1);
  Peer& two = add(2);
  connect_all();
  on_loop([&] {
    for (std::uint64_t i = 0; i < 1000; ++i) {
      one.transport->send(heartbeat(one, two, i));
      two.transport->send(heartbeat(two, one, i));
    }
  });
  ASSERT_TRUE(eventually([&] { return one.received.size() == 1000 && two.received.size() == 1000; }));
  on_loop([&] {
    for (std::uint64_t i = 0; i < 1000; ++i) {
      EXPECT_EQ(one.received[i], heartbeat(two, one, i));
      EXPECT_EQ(two.received[i], heartbeat(one, two, i));
    }
  });
}

// A leader that joined while this node was away is in no configuration that this node knows.
TEST_F(AsioTransportTest, AnswersWhoIsNoMemberYet) {
  Peer& leader = add(1);
  Peer& follower = add(2);
  on_loop([&] {
    PeerIdentity named = leader.transport->identity();
    named.address = address_of(leader);
    leader.transport->adopt(named);
    leader.transport->reconfigure({.members = {{.id = follower.id, .address = "two@" + address_of(follower)}}});
    follower.transport->reconfigure({});
  });
  ASSERT_TRUE(eventually([&] { return connected(leader) == 1; }));
  ASSERT_TRUE(eventually([&] {
    leader.transport->send(heartbeat(leader, follower, 6));
    follower.transport->send(heartbeat(follower, leader, 7));
    return !leader.received.empty();
  }));
  on_loop([&] { leader.transport->reconfigure({}); });
  ASSERT_TRUE(eventually([&] { return std::ranges::find(follower.lost, leader.id) != follower.lost.end(); }));
}

// The acknowledgement of the very entry that removes a leader is what it waits for.
TEST_F(AsioTransportTest, AnswersWhoIsBeingRemoved) {
  Peer& leader = add(1);
  Peer& follower = add(2);
  connect_all();
  ASSERT_TRUE(eventually([&] { return connected(follower) == 1; }));
  on_loop([&] {
    follower.transport->reconfigure({.members = {{.id = follower.id, .address = address_of(follower)}}});
    follower.transport->send(heartbeat(follower, leader, 7));
  });
  ASSERT_TRUE(eventually([&] { return leader.received.size() == 1; }));
  on_loop([&] { leader.transport->reconfigure({}); });
}

TEST_F(AsioTransportTest, CarriesTheLargestEntry) {
  Peer& one = add(1);
  Peer& two = add(2);
  connect_all();
  AppendRequest request;
  request.entries.push_back(
      {.term = Term{1}, .index = Index{1}, .payload = Payload::copy_of(std::string(kEntryBytesMax, 'x'))});
  const Message message{.from = one.id, .to = two.id, .body = request};
  on_loop([&] { one.transport->send(message); });
  ASSERT_TRUE(eventually([&] { return two.received.size() == 1; }));
  on_loop([&] { EXPECT_EQ(two.received[0], message); });
}

TEST_F(AsioTransportTest, TellsWhenAPeerDiesAndConnectsAnewWhenItIsBack) {
  Peer& one = add(1);
  Peer& two = add(2);
  connect_all();
  std::uint16_t port = 0;
  on_loop([&] {
    port = port_of(two);
    two.transport.reset();
  });
  ASSERT_TRUE(eventually([&] { return !one.lost.empty(); }));
  on_loop([&] { EXPECT_EQ(one.lost.front(), NodeId{2}); });
  ASSERT_TRUE(eventually([&] { return connected(one) == 0; }));
  on_loop([&] { one.transport->send(heartbeat(one, two, 1)); });  // into the void

  listen(two, port, identity(NodeId{2}));
  ASSERT_TRUE(eventually([&] { return connected(one) == 1; }));
  on_loop([&] { one.transport->send(heartbeat(one, two, 2)); });
  ASSERT_TRUE(eventually([&] { return two.received.size() == 1; }));
  on_loop([&] {
    EXPECT_EQ(two.received[0], heartbeat(one, two, 2)) << "what was sent to a dead peer must not come late";
    EXPECT_EQ(one.transport->peers()[0].link.connects, 2U);
  });
}

TEST_F(AsioTransportTest, KnowsWhoIsThere) {
  add(1);
  Peer& two = add(PeerIdentity{kCluster, NodeId{2}, Incarnation{5}, Boot{6}, 7});
  connect_all();
  on_loop([&] {
    const auto hello = peers_[0]->transport->peers().at(0).link.hello;
    ASSERT_TRUE(hello);
    EXPECT_EQ(*hello, two.transport->identity().hello_to(NodeId{1}));
  });
}

TEST_F(AsioTransportTest, StopsTalkingToWhoeverIsNoMemberAnyMore) {
  Peer& one = add(1);
  add(2);
  connect_all();
  on_loop([&] { one.transport->reconfigure({.members = {{.id = NodeId{1}}}}); });
  on_loop([&] { EXPECT_TRUE(one.transport->peers().empty()); });
  ASSERT_TRUE(eventually([&] { return peers_[1]->lost.size() == 1; }));
}

TEST_F(AsioTransportTest, DoesNotTalkToAnotherCluster) {
  Peer& one = add(1);
  Peer& foreign = add(identity(NodeId{2}, ClusterId{43}));
  on_loop([&] { one.transport->reconfigure({.members = {{.id = NodeId{2}, .address = address_of(foreign)}}}); });
  ASSERT_TRUE(eventually([&] { return foreign.transport->listener_stats().refused > 0; }));
  on_loop([&] {
    EXPECT_NE(foreign.transport->listener_stats().last_refusal.find("cluster"), std::string::npos)
        << foreign.transport->listener_stats().last_refusal;
    EXPECT_EQ(connected(one), 0U);
  });
}

TEST_F(AsioTransportTest, DoesNotTalkToAnotherNodeThanItLooksFor) {
  Peer& one = add(1);
  Peer& other = add(3);
  on_loop([&] { one.transport->reconfigure({.members = {{.id = NodeId{2}, .address = address_of(other)}}}); });
  ASSERT_TRUE(eventually([&] { return other.transport->listener_stats().refused > 0; }));
  on_loop([&] { EXPECT_EQ(connected(one), 0U); });
}

// --- calls ---

TEST_F(AsioTransportTest, CallsAreAnswered) {
  Peer& one = add(1);
  Peer& two = add(2);
  connect_all();
  const std::string large(3 * kWriteBatchBytes + 5, 'q');
  const auto& results = call(one, NodeId{2}, Payload::copy_of(large));
  ASSERT_TRUE(eventually([&] { return two.calls.size() == 1; }));
  on_loop([&] {
    EXPECT_EQ(two.calls[0].from, NodeId{1});
    EXPECT_EQ(two.calls[0].cluster, kCluster);
    EXPECT_EQ(Payload::copy_of(two.calls[0].request).text(), large);
    two.calls[0].reply(CallVerdict::kServed, Payload::copy_of(large + "answer"));
  });
  ASSERT_TRUE(eventually([&] { return results.size() == 1; }));
  on_loop([&] {
    EXPECT_EQ(results[0].end, CallEnd::kAnswered);
    EXPECT_EQ(Payload::copy_of(results[0].answer).text(), large + "answer");
  });
}

TEST_F(AsioTransportTest, ACallThatWasRefusedHadNoEffect) {
  Peer& one = add(1);
  Peer& two = add(2);
  connect_all();
  const auto& results = call(one, NodeId{2}, Payload());
  ASSERT_TRUE(eventually([&] { return two.calls.size() == 1; }));
  on_loop([&] { two.calls[0].reply(CallVerdict::kRefused, {}); });
  ASSERT_TRUE(eventually([&] { return results.size() == 1; }));
  on_loop([&] { EXPECT_EQ(results[0].end, CallEnd::kRefused); });
}

TEST_F(AsioTransportTest, ACallToSomebodyWhoIsNotThereIsRefused) {
  Peer& one = add(1);
  const auto& results = call(one, NodeId{2}, Payload());
  EXPECT_EQ(results.at(0).end, CallEnd::kRefused);
  on_loop([&] { one.transport->reconfigure({.members = {{.id = NodeId{2}, .address = "127.0.0.1:1"}}}); });
  call(one, NodeId{2}, Payload());
  EXPECT_EQ(results.at(1).end, CallEnd::kRefused);
}

TEST_F(AsioTransportTest, ACallWhoseAnswerIsLostHasAnUnknownEnd) {
  Peer& one = add(1);
  Peer& two = add(2);
  connect_all();
  const auto& results = call(one, NodeId{2}, Payload());
  ASSERT_TRUE(eventually([&] { return two.calls.size() == 1; }));
  on_loop([&] {
    two.transport.reset();
    two.calls[0].reply(CallVerdict::kServed, {});  // too late
  });
  ASSERT_TRUE(eventually([&] { return results.size() == 1; }));
  on_loop([&] { EXPECT_EQ(results[0].end, CallEnd::kUnknown); });
}

TEST_F(AsioTransportTest, ACallThatTimesOutHasAnUnknownEnd) {
  Peer& one = add(1);
  Peer& two = add(2);
  connect_all();
  const auto& results = call(one, NodeId{2}, Payload(), 20ms);
  ASSERT_TRUE(eventually([&] { return results.size() == 1; }));
  on_loop([&] {
    EXPECT_EQ(results[0].end, CallEnd::kUnknown);
    two.calls.at(0).reply(CallVerdict::kServed, {});
  });
  call(one, NodeId{2}, Payload::copy_of("next"));
  ASSERT_TRUE(eventually([&] { return two.calls.size() == 2; }));
  on_loop([&] { two.calls[1].reply(CallVerdict::kServed, Payload::copy_of("answer")); });
  ASSERT_TRUE(eventually([&] { return results.size() == 2; }));
  on_loop([&] { EXPECT_EQ(Payload::copy_of(results[1].answer).text(), "answer") << "a late answer is nobody else's"; });
}

TEST_F(AsioTransportTest, WhoeverHasNoClusterYetMayCallAndNothingElse) {
  Peer& member = add(1);
  Peer& stranger = add(PeerIdentity{});
  std::vector<CallResult> results;
  on_loop([&] {
    stranger.transport->call(address_of(member), Payload::copy_of("may I join?"), 20s,
                             [&](CallResult result) { results.push_back(std::move(result)); });
  });
  ASSERT_TRUE(eventually([&] { return member.calls.size() == 1; }));
  on_loop([&] {
    EXPECT_EQ(member.calls[0].from, kNoNode);
    EXPECT_EQ(member.calls[0].cluster, ClusterId{});
    member.calls[0].reply(CallVerdict::kServed, Payload::copy_of("yes"));
  });
  ASSERT_TRUE(eventually([&] { return results.size() == 1; }));
  on_loop([&] {
    EXPECT_EQ(Payload::copy_of(results[0].answer).text(), "yes");
    stranger.transport->adopt(identity(NodeId{2}));
    stranger.id = NodeId{2};
  });
  connect_all();
}

TEST_F(AsioTransportTest, ACallToAnAddressWaitsForSomebodyToBeThere) {
  Peer& one = add(1);
  Peer& two = add(2);
  std::uint16_t port = 0;
  on_loop([&] {
    port = port_of(two);
    two.transport.reset();
    one.transport->call("127.0.0.1:" + std::to_string(port), Payload(), 20s,
                        [&](CallResult result) { results_.push_back(std::move(result)); });
    one.transport->call("127.0.0.1:" + std::to_string(port), Payload(), 30ms,
                        [&](CallResult result) { results_.push_back(std::move(result)); });
  });
  ASSERT_TRUE(eventually([&] { return results_.size() == 1; }));
  on_loop([&] { EXPECT_EQ(results_[0].end, CallEnd::kRefused) << "nobody can have got it"; });
  listen(two, port, identity(NodeId{2}));
  ASSERT_TRUE(eventually([&] { return two.calls.size() == 1; }));
}

// --- hostile bytes ---

std::string text_of(const std::vector<std::byte>& bytes) { return std::string(Payload::copy_of(bytes).text()); }

std::string hello(std::uint64_t from, std::uint64_t to) {
  std::vector<std::byte> bytes;
  wire::append_frame(kCluster, wire::Hello{.from = NodeId{from}, .to = NodeId{to}}, bytes);
  return text_of(bytes);
}
std::string message(std::uint64_t from, std::uint64_t to) {
  std::vector<std::byte> bytes;
  wire::append_frame(kCluster, Message{.from = NodeId{from}, .to = NodeId{to}, .body = TimeoutNow{}}, bytes);
  return text_of(bytes);
}
std::string frame(wire::FrameType type, const std::string& body, ClusterId cluster = kCluster) {
  std::vector<std::byte> bytes;
  wire::append_frame(cluster, type, std::as_bytes(std::span(body)), {}, bytes);
  return text_of(bytes);
}

std::string stranger_hello() {
  std::vector<std::byte> bytes;
  wire::append_frame(ClusterId{}, wire::Hello{}, bytes);
  return text_of(bytes);
}
std::string large_call_of_a_stranger() {
  const std::string piece =
      frame(wire::FrameType::kCall, std::string(9, '\0') + std::string(kStrangerCallBytesMax / 2, 'x'), ClusterId{});
  return stranger_hello() + piece + piece + piece;
}

struct Hostility {
  const char* what;
  std::string bytes;

  friend std::ostream& operator<<(std::ostream& out, const Hostility& hostility) { return out << hostility.what; }
};

class HostilePeerTest : public AsioTransportTest, public testing::WithParamInterface<Hostility> {};

TEST_P(HostilePeerTest, IsCutOffAndTheNodeLives) {
  Peer& node = add(1);
  std::uint16_t port = 0;
  on_loop([&] { port = port_of(node); });
  Client client(port);
  client.send(GetParam().bytes);
  client.read_to_end();  // returns only because the node closes the connection
  on_loop([&] {
    EXPECT_TRUE(node.received.empty());
    EXPECT_TRUE(node.calls.empty());
  });
  add(2);
  connect_all();
}

std::vector<Hostility> hostilities() {
  std::string corrupt = hello(2, 1);
  corrupt.back() = static_cast<char>(corrupt.back() ^ 1);
  std::string endless = frame(wire::FrameType::kHello, std::string(kHelloBodyBytesMax + 1, 'x'));
  return {
      {"Http", "GET / HTTP/1.1\r\nHost: node\r\n\r\n"},
      {"CorruptHello", corrupt},
      {"OversizedHello", endless},
      {"MalformedHello", frame(wire::FrameType::kHello, "x")},
      {"MalformedHelloOfAStranger", frame(wire::FrameType::kHello, "x", ClusterId{})},
      {"OtherCluster", frame(wire::FrameType::kHello, "x", ClusterId{9})},
      {"OtherNode", hello(2, 9)},
      {"NoHello", message(2, 1)},
      {"TwoHellos", hello(2, 1) + hello(2, 1)},
      {"MessageOfAStranger",
       stranger_hello() + frame(wire::FrameType::kMessage, message(0, 1).substr(24), ClusterId{})},
      {"LargeCallOfAStranger", large_call_of_a_stranger()},
      {"MessageOfSomebodyElse", hello(2, 1) + message(3, 1)},
      {"MessageToSomebodyElse", hello(2, 1) + message(2, 3)},
      {"MalformedMessage", hello(2, 1) + frame(wire::FrameType::kMessage, "nonsense")},
      {"MalformedCall", hello(2, 1) + frame(wire::FrameType::kCall, "x")},
      {"AnswerToNothing", hello(2, 1) + frame(wire::FrameType::kReply, std::string(8, 'x') + '\1')},
  };
}

INSTANTIATE_TEST_SUITE_P(Bytes, HostilePeerTest, testing::ValuesIn(hostilities()),
                         [](const auto& hostility) { return hostility.param.what; });

}  // namespace
}  // namespace quorate::transport
