// What nodes ask each other as applications, as bytes and back.
#include "server/peer_protocol.hpp"

#include <cstdint>
#include <initializer_list>
#include <vector>

#include <gtest/gtest.h>

#include "server/member_address.hpp"

namespace quorate::server {
namespace {

const JoinRequest kJoin{.name = "n1",
                        .address = "host:4002",
                        .incarnation = Incarnation{7},
                        .is_read_replica = true,
                        .feature_level = FeatureLevel{3}};
const JoinAnswer kAnswer{
    .kind = JoinAnswer::Kind::kRefused, .error = "no", .leader_address = "host:4004", .leader = NodeId{9}};
const NodeDescription kDescription{.name = "n1",
                                   .address = "host:4002",
                                   .api_url = "http://host:4001",
                                   .version = "v1",
                                   .cluster = ClusterId{5},
                                   .leader = NodeId{9},
                                   .leader_address = "host:4004",
                                   .commit = Index{11},
                                   .applied = Index{10},
                                   .is_ready = true,
                                   .term = Term{3},
                                   .standing = Standing::kLeader};

Payload asked_now(const NodeDescription& description) {
  const Payload question = describe_request();
  return encode(description, parse_peer_request(question.bytes())->body);
}

TEST(PeerProtocol, SurvivesTheRoundTrip) {
  const Payload join = encode(kJoin);
  const auto request = parse_peer_request(join.bytes());
  ASSERT_TRUE(request);
  EXPECT_EQ(request->kind, PeerRequestKind::kJoin);
  EXPECT_EQ(*decode_join_request(request->body), kJoin);
  const JoinAsRequest join_as{.user = "bob", .password = "secret", .join = kJoin};
  const Payload asked_as = encode(join_as);
  ASSERT_TRUE(parse_peer_request(asked_as.bytes()));
  EXPECT_EQ(parse_peer_request(asked_as.bytes())->kind, PeerRequestKind::kJoinAs);
  EXPECT_EQ(*decode_join_as_request(parse_peer_request(asked_as.bytes())->body), join_as);
  EXPECT_EQ(*decode_join_answer(encode(kAnswer).bytes()), kAnswer);
  EXPECT_EQ(*decode_description(asked_now(kDescription).bytes()), kDescription);
  const MembershipQuestion question{"n1", Incarnation{7}};
  const Payload asked = encode(question);
  ASSERT_TRUE(parse_peer_request(asked.bytes()));
  EXPECT_EQ(parse_peer_request(asked.bytes())->kind, PeerRequestKind::kMembership);
  EXPECT_EQ(*decode_membership_question(parse_peer_request(asked.bytes())->body), question);
  for (const auto verdict : {MembershipVerdict::kNotLeader, MembershipVerdict::kMember, MembershipVerdict::kNoMember})
    EXPECT_EQ(*decode_membership_verdict(encode(verdict).bytes()), verdict);
}

TEST(PeerProtocol, DescribesItselfInTheFormOfTheQuestion) {
  const Payload first_form = encode(kDescription, {});
  EXPECT_EQ(first_form.bytes().front(), std::byte{1});
  NodeDescription without = kDescription;
  without.term = Term{};
  without.standing = Standing::kUnknown;
  EXPECT_EQ(*decode_description(first_form.bytes()), without) << "what a node of the first version answers";
  EXPECT_EQ(asked_now(kDescription).size(), first_form.size() + 9);
  std::vector<std::byte> later(first_form.bytes().begin(), first_form.bytes().end());
  later.front() = std::byte{3};
  EXPECT_EQ(decode_description(later).error().kind, ErrorKind::kUnsupported);
}

TEST(PeerProtocol, CarriesAClientsRequestAsItIs) {
  const Payload wrapped = forwarded_request(Payload::copy_of("GET /"));
  const auto request = parse_peer_request(wrapped.bytes());
  ASSERT_TRUE(request);
  EXPECT_EQ(request->kind, PeerRequestKind::kForwarded);
  EXPECT_EQ(Payload::copy_of(request->body).text(), "GET /");
}

TEST(PeerProtocol, KnowsWhatOnlyMembersMayAsk) {
  EXPECT_EQ(parse_peer_request(sql_request(Payload::copy_of("x")).bytes())->kind, PeerRequestKind::kSql);
  EXPECT_TRUE(is_for_members(PeerRequestKind::kSql));
  EXPECT_TRUE(is_for_members(PeerRequestKind::kForwarded));
  EXPECT_FALSE(is_for_members(PeerRequestKind::kJoin));
}

TEST(PeerProtocol, AnythingElseIsRefused) {
  EXPECT_FALSE(parse_peer_request({}));
  for (const std::uint8_t kind : std::initializer_list<std::uint8_t>{0, 8, 255}) {
    const std::vector<std::byte> bytes{std::byte{kind}};
    EXPECT_FALSE(parse_peer_request(bytes));
  }
  for (const Payload& whole : {encode(kAnswer), encode(kDescription, {}), asked_now(kDescription)}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_FALSE(decode_join_answer(whole.bytes().first(size)));
      EXPECT_FALSE(decode_description(whole.bytes().first(size)));
    }
  }
  const Payload answer = encode(kAnswer);
  std::vector<std::byte> other(answer.bytes().begin(), answer.bytes().end());
  other.front() = std::byte{2};
  EXPECT_EQ(decode_join_answer(other).error().kind, ErrorKind::kUnsupported);
}

TEST(MemberAddress, HoldsNameAndEndpoint) {
  const std::string address = member_address("me#1@home", "[::1]:4002", FeatureLevel{12});
  EXPECT_EQ(address, "me#1@home@[::1]:4002#12") << "it is stored: a change needs a new feature level";
  EXPECT_EQ(name_in(address), "me#1@home");
  EXPECT_EQ(endpoint_in(address), "[::1]:4002");
  EXPECT_EQ(level_in(address), FeatureLevel{12});
  EXPECT_EQ(endpoint_in("host:1"), "host:1");
  EXPECT_EQ(level_in("a#7@host:1"), kFirstFeatureLevel);
}

}  // namespace
}  // namespace quorate::server
