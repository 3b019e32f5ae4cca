// A handful of bare cores wired together by hand, for tests of the protocol alone: messages wait in a queue until they
// are delivered, writes until they are completed, and time moves only when told to. Disks never fail here; faults of
// disks and processes belong to the simulator.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include <gtest/gtest.h>

#include "consensus/core.hpp"

namespace quorate::testing {

struct CoreHost {
  explicit CoreHost(Core c) : core(std::move(c)) {}

  Core core;
  std::deque<PersistBatch> writes;
  std::deque<effect::Send> held;
  Ticket durable;
  std::vector<effect::Reply> replies;
  std::vector<effect::ReadReady> reads;
  std::vector<effect::ReadFailed> reads_failed;
  std::vector<Epoch> epochs;
  std::vector<Entry> applied;
  std::optional<std::string> fatal;
  bool disk_stalled = false;
};

class CoreCluster {
 public:
  explicit CoreCluster(std::uint64_t voters, const std::function<void(CoreOptions&)>& tune = {}) : tune_(tune) {
    for (std::uint64_t id = 1; id <= voters; ++id) initial_.members.push_back(member(id));
    for (std::uint64_t id = 1; id <= voters; ++id) add(id, initial_);
  }

  static Member member(std::uint64_t id, MemberKind kind = MemberKind::kVoter) {
    return {NodeId{id}, Incarnation{100 + id}, kind, 1, {}};
  }

  void add(std::uint64_t id, const Configuration& configuration) {
    CoreOptions options;
    options.id = NodeId{id};
    options.seed = 7;
    options.coverage = &coverage;
    if (tune_) tune_(options);
    Recovered recovered;
    recovered.incarnation = Incarnation{100 + id};
    recovered.boot = Boot{1};
    hosts_.emplace(id, CoreHost(Core(options, recovered, {{}, {}, configuration}, now)));
  }

  CoreHost& operator[](std::uint64_t id) { return hosts_.at(id); }
  Core& core(std::uint64_t id) { return hosts_.at(id).core; }

  void step(std::uint64_t id, EventBody body) {
    CoreHost& host = hosts_.at(id);
    Effects effects;
    host.core.step({now, std::move(body)}, effects);
    for (Effect& effect : effects) execute(host, effect);
  }

  void propose(std::uint64_t id, std::string_view text, std::uint64_t proposal) {
    step(id, event::Propose{{{ProposalId{proposal}, Payload::copy_of(text), Epoch{}, 0}}});
  }

  /// Completes the oldest write of a node.
  void complete_write(std::uint64_t id) {
    CoreHost& host = hosts_.at(id);
    const PersistBatch batch = host.writes.front();
    host.writes.pop_front();
    host.durable = batch.ticket;
    while (!host.held.empty() && host.held.front().after <= host.durable) {
      post(std::move(host.held.front().message));
      host.held.pop_front();
    }
    step(id, event::Persisted{batch.ticket, {}});
  }

  void deliver(Message message) {
    const std::uint64_t to = message.to.value;
    if (hosts_.contains(to)) step(to, event::Received{std::move(message)});
  }

  /// Delivers and completes everything until nothing moves.
  void settle() {
    for (bool moved = true; moved;) {
      moved = false;
      for (auto& [id, host] : hosts_) {
        while (!host.writes.empty() && !host.disk_stalled) {
          complete_write(id);
          moved = true;
        }
      }
      while (!network.empty()) {
        Message message = std::move(network.front());
        network.pop_front();
        deliver(std::move(message));
        moved = true;
      }
    }
  }

  /// Lets time pass, with everything delivered at once.
  void run(Duration duration) {
    const Instant end = now + duration;
    while (now < end) {
      settle();
      Instant next = end;
      for (auto& [id, host] : hosts_) next = std::min(next, std::max(host.core.deadline(), now));
      now = std::max(next, now + std::chrono::milliseconds(1));
      for (auto& [id, host] : hosts_) {
        if (host.core.deadline() <= now) step(id, event::Tick{});
      }
    }
    settle();
  }

  /// Elects `id`: nobody else's timer runs.
  void elect(std::uint64_t id) {
    for (int attempt = 0; attempt < 20 && core(id).role() != Role::kLeader; ++attempt) {
      now = std::max(now + std::chrono::milliseconds(1), core(id).deadline());
      step(id, event::Tick{});
      settle();
    }
    ASSERT_EQ(core(id).role(), Role::kLeader);
  }

  std::vector<std::uint64_t> leaders() {
    std::vector<std::uint64_t> found;
    for (auto& [id, host] : hosts_) {
      if (host.core.role() == Role::kLeader) found.push_back(id);
    }
    return found;
  }

  /// Drops what does not satisfy this; by default everything passes.
  std::function<bool(const Message&)> passes = [](const Message&) { return true; };
  std::deque<Message> network;
  std::vector<Message> sent;
  Coverage coverage;
  Instant now{std::chrono::seconds(1)};
  std::map<std::uint64_t, CoreHost>& hosts() { return hosts_; }

 private:
  void post(Message message) {
    sent.push_back(message);
    if (passes(message)) network.push_back(std::move(message));
  }

  void execute(CoreHost& host, Effect& effect) {
    if (auto* persist = std::get_if<effect::Persist>(&effect)) {
      host.writes.push_back(std::move(persist->batch));
    } else if (auto* send = std::get_if<effect::Send>(&effect)) {
      if (send->after > host.durable) {
        host.held.push_back(std::move(*send));
      } else {
        post(std::move(send->message));
      }
    } else if (auto* apply = std::get_if<effect::Apply>(&effect)) {
      for (Index index = host.core.applied() + 1; index <= apply->through; ++index) {
        host.applied.push_back(host.core.log().at(index));
      }
      step(host.core.id().value, event::Applied{apply->through});
    } else if (auto* reply = std::get_if<effect::Reply>(&effect)) {
      host.replies.push_back(*reply);
    } else if (auto* ready = std::get_if<effect::ReadReady>(&effect)) {
      host.reads.push_back(*ready);
    } else if (auto* failed = std::get_if<effect::ReadFailed>(&effect)) {
      host.reads_failed.push_back(*failed);
    } else if (auto* epoch = std::get_if<effect::EpochChanged>(&effect)) {
      host.epochs.push_back(epoch->epoch);
    } else if (auto* fatal = std::get_if<effect::Fatal>(&effect)) {
      host.fatal = fatal->reason;
    }
  }

  std::function<void(CoreOptions&)> tune_;
  Configuration initial_;
  std::map<std::uint64_t, CoreHost> hosts_;
};

}  // namespace quorate::testing
