// Nodes inside this very process: a cluster of them, used as a program would.
#include "server/embedded_node.hpp"

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/scratch_directory.hpp"

namespace quorate::server {
namespace {

using namespace std::chrono_literals;

std::string free_address() {
  const int probe = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(probe, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(probe, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(probe);
  return "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

/// What a node answers over HTTP, which it serves as any other; empty if it does not.
std::string get(const std::string& http_address, const std::string& path) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(http_address.substr(http_address.find(':') + 1))));
  const int connection = socket(AF_INET, SOCK_STREAM, 0);
  std::string answer;
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: node\r\nConnection: close\r\n\r\n";
  if (connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 &&
      send(connection, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    char piece[4096];
    for (ssize_t size = 0; (size = recv(connection, piece, sizeof(piece), 0)) > 0;)
      answer.append(piece, static_cast<std::size_t>(size));
  }
  close(connection);
  return answer;
}

class EmbeddedNodeTest : public ::testing::Test {
 protected:
  NodeConfig config_of(const std::string& name) const {
    NodeConfig config;
    config.node_id = name;
    config.data_directory = directory.below(name);
    config.http_address = free_address();
    config.raft_address = free_address();
    config.election_timeout = 1s;  // the machine may be short of time
    config.log_level = LogLevel::kWarn;
    return config;
  }
  static std::unique_ptr<EmbeddedNode> start(const NodeConfig& config) {
    auto node = EmbeddedNode::start(config);
    if (!node) ADD_FAILURE() << node.error().message;
    if (!node) return nullptr;
    const auto ready = (*node)->wait_until_ready(30s);
    EXPECT_TRUE(ready) << ready.error().message;
    return std::move(*node);
  }
  static std::int64_t count(EmbeddedNode& node, ReadLevel level = ReadLevel::kLinearizable) {
    const SqlOutcome outcome = node.query("SELECT count(*) FROM t", {}, {.level = level});
    EXPECT_EQ(outcome.error(), "");
    return outcome.error().empty() ? std::get<std::int64_t>(outcome.results.at(0).rows.at(0).at(0)) : -1;
  }

  const quorate::testing::ScratchDirectory directory;
};

TEST_F(EmbeddedNodeTest, SpeaksSqlWithValues) {
  const auto node = start(config_of("a"));
  ASSERT_NE(node, nullptr);
  EXPECT_EQ(node->execute("CREATE TABLE t(id INTEGER PRIMARY KEY, r REAL, s TEXT, b BLOB)").error(), "");
  const sqlite::Blob blob{std::byte{0}, std::byte{255}};
  const SqlOutcome written =
      node->execute("INSERT INTO t(r, s, b) VALUES(?, ?, ?)", {1.5, std::string("x\0y", 3), blob});
  ASSERT_TRUE(written.is_done()) << written.error();
  EXPECT_EQ(written.results.at(0).last_insert_rowid, 1);
  const SqlOutcome read = node->query("SELECT id, r, s, b, NULL FROM t");
  ASSERT_EQ(read.error(), "");
  const std::vector<sqlite::Value> expected{std::int64_t{1}, 1.5, std::string("x\0y", 3), blob, std::monostate{}};
  EXPECT_EQ(read.results.at(0).rows, std::vector<std::vector<sqlite::Value>>{expected});
  EXPECT_EQ(read.results.at(0).columns.at(1).name, "r");

  EXPECT_EQ(node->execute("INSERT INTO nowhere VALUES(1)").error(), "no such table: nowhere");
  EXPECT_NE(node->query("DELETE FROM t").error(), "");
  sqlite::Request both{.atomicity = sqlite::Atomicity::kTransaction};
  both.statements = {{.sql = "DELETE FROM t", .parameters = {}}, {.sql = "nonsense", .parameters = {}}};
  EXPECT_NE(node->run(both).error(), "");
  EXPECT_EQ(count(*node), 1) << "all or nothing";
  EXPECT_TRUE(node->stop());
  EXPECT_FALSE(node->execute("DELETE FROM t").is_done());
}

TEST_F(EmbeddedNodeTest, AnyMemberTakesRequestsAndTheyOutliveTheLeader) {
  const NodeConfig first = config_of("a");
  std::vector<std::unique_ptr<EmbeddedNode>> nodes;
  nodes.push_back(start(first));
  for (const char* name : {"b", "c"}) {
    NodeConfig config = config_of(name);
    config.join = {first.raft_address};
    nodes.push_back(start(config));
  }
  for (const auto& node : nodes) ASSERT_NE(node, nullptr);
  // A newcomer votes as soon as it has caught up; before, the first one must not go.
  const auto all_vote = [&] {
    const std::string answer = get(first.http_address, "/nodes");
    return answer.find("\"b\"") != std::string::npos && answer.find("\"c\"") != std::string::npos;
  };
  for (const auto deadline = std::chrono::steady_clock::now() + 60s; !all_vote();) {
    ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    std::this_thread::yield();
  }
  EXPECT_EQ(nodes[1]->execute("CREATE TABLE t(id INTEGER PRIMARY KEY, thread INTEGER)").error(), "");

  // From several threads, while the leader goes.
  constexpr int kWrites = 40;
  std::vector<std::thread> threads;
  for (int i = 1; i < 3; ++i) {
    threads.emplace_back([&node = *nodes[static_cast<std::size_t>(i)], i] {
      for (int n = 0; n < kWrites; ++n) {
        SqlOptions options;
        options.idempotency_key = std::to_string(i) + "-" + std::to_string(n);
        const auto write = [&] { return node.execute("INSERT INTO t(thread) VALUES(?)", {std::int64_t{i}}, options); };
        SqlOutcome outcome = write();
        while (outcome.end.kind == SqlEnd::Kind::kUnknown) outcome = write();
        EXPECT_EQ(outcome.error(), "");
      }
    });
  }
  EXPECT_TRUE(nodes[0]->stop());
  for (std::thread& thread : threads) thread.join();
  for (int i = 1; i < 3; ++i) EXPECT_EQ(count(*nodes[static_cast<std::size_t>(i)]), 2 * kWrites);

  // It comes back with its directory.
  nodes[0].reset();
  nodes[0] = start(first);
  ASSERT_NE(nodes[0], nullptr);
  EXPECT_EQ(count(*nodes[0]), 2 * kWrites);
}

TEST_F(EmbeddedNodeTest, SaysWhyItDoesNotStart) {
  NodeConfig config = config_of("a");
  config.data_directory.clear();
  EXPECT_EQ(EmbeddedNode::start(config).error().message, "no data directory is named");
  config = config_of("a");
  const auto node = start(config);
  const auto second = EmbeddedNode::start(config);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("another process uses the data directory"), std::string::npos)
      << second.error().message;
}

TEST_F(EmbeddedNodeTest, SaysWhyItIsNotReady) {
  NodeConfig config = config_of("a");
  config.join = {free_address()};
  config.join_attempts = 1;
  auto node = EmbeddedNode::start(config);
  ASSERT_TRUE(node);
  const auto ready = (*node)->wait_until_ready(30s);
  ASSERT_FALSE(ready);
  EXPECT_NE(ready.error().message.find("found no cluster to join"), std::string::npos) << ready.error().message;
  EXPECT_FALSE((*node)->stop());
}

}  // namespace
}  // namespace quorate::server
