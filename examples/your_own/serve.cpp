// Three real nodes of the lock service in one process: TCP between them, a log and snapshots each below DIRECTORY.
// Commands come from standard input, one per line, go through the log of whichever node leads, and are executed once.
//
//   serve DIRECTORY [FIRST_PORT]
//
// Run it again in the same directory (and with the same port: a member's address is part of the membership), and the
// locks are still there. In earnest each node would be a process of its own
// on a machine of its own; nothing below LockNode would change.
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <transport/asio_runtime.hpp>
#include <transport/timer.hpp>

#include "lock_node.hpp"

namespace {

using namespace std::chrono_literals;
using example::LockNode;
using example::LockService;
using quorate::transport::AsioRuntime;

/// A client of the service: numbers its requests within a session, finds the leader, and repeats what is not answered.
class Client {
 public:
  Client(AsioRuntime& loop, std::vector<std::unique_ptr<LockNode>>& nodes) : loop_(loop), retry_(loop), nodes_(nodes) {}

  void execute(std::string line) {
    waiting_.push_back(std::move(line));
    if (waiting_.size() == 1) begin();
  }
  /// Once everything before is answered.
  void when_done(std::function<void()> action) {
    when_done_ = std::move(action);
    if (waiting_.empty()) when_done_();
  }

 private:
  void begin() {
    if (session_ == quorate::SessionId{}) {
      request_ = quorate::encode(quorate::SessionCommand(quorate::OpenSession{}));
    } else {
      ++sequence_.value;
      const quorate::RequestId id{session_, sequence_, sequence_};
      request_ =
          quorate::encode(quorate::SessionCommand(quorate::Execute{id, std::as_bytes(std::span(waiting_.front()))}));
    }
    attempt();
  }

  /// The same bytes every time: however often they are committed, they count once.
  void attempt() {
    for (const auto& node : nodes_) {
      if (node->node().core().role() != quorate::Role::kLeader) continue;
      node->node().propose(request_, [this](const quorate::ProposalResult& result) { end(result); });
      node->node().flush();
      return;
    }
    retry_.arm_after(50ms, [this] { attempt(); });
  }

  void end(const quorate::ProposalResult& result) {
    if (result.outcome != quorate::Outcome::kCommitted) {
      retry_.arm_after(50ms, [this] { attempt(); });
      return;
    }
    const auto reply = quorate::decode_session_reply(result.result.bytes());
    if (!reply) return finish(reply.error().message);
    switch (reply->status) {
      case quorate::SessionStatus::kOpened:
        session_ = reply->session;
        loop_.post([this] { begin(); });
        return;
      case quorate::SessionStatus::kExecuted:
        return finish(std::string(reinterpret_cast<const char*>(reply->body.data()), reply->body.size()));
      default: return finish(describe(reply->status));
    }
  }

  void finish(const std::string& answer) {
    std::cout << answer << std::endl;
    waiting_.pop_front();
    if (!waiting_.empty()) loop_.post([this] { begin(); });
    if (waiting_.empty() && when_done_) when_done_();
  }

  AsioRuntime& loop_;
  quorate::transport::Timer retry_;
  std::vector<std::unique_ptr<LockNode>>& nodes_;
  quorate::SessionId session_;
  quorate::Sequence sequence_;
  quorate::Payload request_;
  std::deque<std::string> waiting_;
  std::function<void()> when_done_;
};

quorate::Result<std::vector<std::unique_ptr<LockNode>>> start_three(AsioRuntime& loop, const std::string& directory,
                                                                    std::uint64_t first_port) {
  std::vector<LockNode::Options> options;
  quorate::Configuration founders;
  for (std::uint64_t id = 1; id <= 3; ++id) {
    const std::string own = directory + "/" + std::to_string(id);
    std::filesystem::create_directories(own);
    options.push_back({quorate::NodeId{id}, own, "127.0.0.1:" + std::to_string(first_port + id - 1)});
    auto member = LockNode::prepare(options.back());
    if (!member) return tl::unexpected(member.error());
    founders.members.push_back(std::move(*member));
  }
  for (const auto& one : options) {
    if (auto founded = LockNode::found(one, founders); !founded) return tl::unexpected(founded.error());
  }
  std::vector<std::unique_ptr<LockNode>> nodes;
  for (const auto& one : options) {
    auto node = LockNode::start(loop, one);
    if (!node) return tl::unexpected(node.error());
    nodes.push_back(std::move(*node));
  }
  return nodes;
}

}  // namespace

int main(int count, char** words) {
  const std::uint64_t first_port = count > 2 ? std::strtoull(words[2], nullptr, 10) : 7101;
  if (count < 2 || count > 3 || first_port == 0) {
    std::cerr << "usage: serve DIRECTORY [FIRST_PORT]\n";
    return 2;
  }
  AsioRuntime loop;
  auto nodes = start_three(loop, words[1], first_port);
  if (!nodes) {
    std::cerr << nodes.error().message << '\n';
    return 1;
  }
  Client client(loop, *nodes);
  std::thread input([&] {
    for (std::string line; std::getline(std::cin, line);) loop.post([&client, line] { client.execute(line); });
    loop.post([&] { client.when_done([&loop] { loop.stop(); }); });
  });
  loop.run();
  input.join();
}
