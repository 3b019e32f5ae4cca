// raft/peers.json: what it may say, and that everything else is refused with the place where it stands.
#include "server/settings/peers_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quorate::settings {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string refusal_of(const std::string& text) {
  const auto peers = parse_peers(text, "peers.json");
  EXPECT_FALSE(peers) << text;
  if (peers) return {};
  EXPECT_TRUE(peers.error().message.starts_with("peers.json")) << peers.error().message;
  return peers.error().message;
}

TEST(PeersFile, IsAListOfNodes) {
  const auto peers = parse_peers(R"([{"id": "n1", "address": "10.0.0.1:4002", "non_voter": false},
                                     {"id": "n2", "address": "host:4002", "non_voter": true},
                                     {"address": "[::1]:4002", "id": "n3"}])",
                                 "peers.json");
  ASSERT_TRUE(peers) << peers.error().message;
  EXPECT_THAT(*peers, ElementsAre(Peer{"n1", "10.0.0.1:4002", false}, Peer{"n2", "host:4002", true},
                                  Peer{"n3", "[::1]:4002", false}));
}

TEST(PeersFile, IsRefusedWithWhatIsWrong) {
  EXPECT_THAT(refusal_of(""), HasSubstr("no JSON"));
  EXPECT_THAT(refusal_of("[{\"id\": \"n1\",\n \"address\" }]"), HasSubstr("peers.json:2:"));
  EXPECT_THAT(refusal_of("[] []"), HasSubstr("something follows"));
  for (const char* text : {"[]", "{}", "7", "null"}) EXPECT_THAT(refusal_of(text), HasSubstr("expected is [{")) << text;
  EXPECT_THAT(refusal_of(R"([7])"), HasSubstr("entry 1: it is no object"));
  EXPECT_THAT(refusal_of(R"([{"id":"n1","address":"a:1"},{"address":"a:2"}])"),
              HasSubstr("entry 2: \"id\" is missing"));
  EXPECT_THAT(refusal_of(R"([{"id":"","address":"a:1"}])"), HasSubstr("\"id\" must be a text that is not empty"));
  EXPECT_THAT(refusal_of(R"([{"id":"a\nb","address":"a:1"}])"), HasSubstr("control characters"));
  EXPECT_THAT(refusal_of(R"([{"id":"n1","address":"a"}])"), HasSubstr("\"address\" must be host:port"));
  EXPECT_THAT(refusal_of(R"([{"id":"n1","address":"a:1","non_voter":1}])"), HasSubstr("true or false"));
  EXPECT_THAT(refusal_of(R"([{"id":"n1","address":"a:1","voter":true}])"),
              HasSubstr("unknown key \"voter\"; known are address, id, non_voter"));
  EXPECT_THAT(refusal_of(R"([{"id":"n1","address":"a:1"},{"id":"n1","address":"a:2"}])"),
              HasSubstr("node n1 is there twice"));
  EXPECT_THAT(refusal_of(R"([{"id":"n1","address":"a:1"},{"id":"n2","address":"a:1"}])"),
              HasSubstr("the address a:1 is there twice"));
  EXPECT_THAT(refusal_of(R"([{"id":"n1","address":"a:1","non_voter":true}])"), HasSubstr("non-voters"));
  EXPECT_THAT(refusal_of(R"([{"id":")" + std::string(600, 'n') + R"(","address":"a:1"}])"), HasSubstr("too long"));
}

TEST(PeersFile, IsBounded) {
  std::string text = "[";
  for (int i = 0; i < 100; ++i)
    text += std::string(i > 0 ? "," : "") + R"({"id":"n)" + std::to_string(i) + R"(","address":"h:)" +
            std::to_string(i + 1) + "\"}";
  EXPECT_THAT(refusal_of(text + "]"), HasSubstr("more than"));
}

}  // namespace
}  // namespace quorate::settings
