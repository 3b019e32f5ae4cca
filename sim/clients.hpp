// The clients of a simulated cluster: each carries out its part of a plan, one operation after the other, as a client
// library would. It asks the node that it takes for the leader, goes where that one sends it or tries the others when
// it hears nothing, and repeats a command under the same session and sequence, so that it counts once. When it gives up
// on a command that some node may have received, the outcome is unknown and it goes on under a new session.
//
// Every fourth client works without a session; it never repeats a command that may have had an effect.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "consensus/exactly_once.hpp"
#include "sim/cluster.hpp"
#include "sim/placements.hpp"
#include "sim/workload.hpp"

namespace quorate::sim {

inline constexpr std::uint64_t kClientsMax = 1000;

/// How an operation went, for traces and timelines.
struct OperationReport {
  PlannedOperation operation;
  WorldTime invoked{};
  WorldTime ended{};
  checker::Outcome outcome = checker::Outcome::kUnknown;
  NodeId node;  ///< that answered last
  std::uint32_t attempts = 0;
};

class Clients final : private Handler {
 public:
  struct Limits {
    Duration attempt_timeout = std::chrono::milliseconds(700);
    Duration operation_timeout = std::chrono::seconds(4);
    DelayLaw network{std::chrono::microseconds(100), std::chrono::microseconds(400), {}, {}};
  };
  using Reporter = std::function<void(const OperationReport&, Reply)>;

  Clients(World& world, Cluster& cluster, const Subject& subject, Workload& workload, const Limits& limits);
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;

  void report_to(Reporter reporter) { reporter_ = std::move(reporter); }
  /// Plans may be added while others are carried out; each client's operations must come by time.
  void add(std::span<const PlannedOperation> operations);
  /// Operations that are not finished, begun or not.
  [[nodiscard]] std::uint64_t open() const { return open_; }
  /// Forgets all that has not begun; what is under way goes on.
  void cancel_plans();

  struct Counts {
    std::uint64_t ok = 0;
    std::uint64_t refused = 0;
    std::uint64_t unknown = 0;
    std::uint64_t attempts = 0;
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }
  /// Tells the workload where the commands took effect.
  void place_commands(const Placements& placements);
  /// What each client waits for, for the explanation of a stall.
  [[nodiscard]] std::string describe_open() const;

 private:
  /// A command that has ended.
  struct Settled {
    std::size_t number;  ///< in the history
    SessionId session;
    Sequence sequence;
  };
  struct Client {
    std::deque<PlannedOperation> plan;
    std::optional<PlannedOperation> current;
    Random random{0};
    SessionId session;
    Sequence sequence;
    Payload command;
    Index read_at;  ///< the state that answered a read
    WorldTime invoked{};
    WorldTime deadline{};
    NodeId target;  ///< whom it takes for the leader
    std::uint64_t next_asked = 0;
    NodeId asked;
    std::uint32_t attempts = 0;
    std::uint32_t unsettled = 0;  ///< attempts at the command that may have been carried out, or still may be
    bool opening = false;         ///< the present attempt opens a session
    std::uint64_t attempt = 0;    ///< numbers all attempts; answers to older ones are ignored
  };
  enum class Alarm : std::uint8_t { kBegin, kAttempt, kTimeout, kCount };

  void fire(std::uint64_t token) override;
  void set_alarm(Client& client, Alarm alarm, WorldTime at);
  void wait_for_next(Client& client);
  void begin(Client& client);
  void attempt(Client& client);
  void send(Client& client, NodeId node);
  void call(std::size_t number, std::uint64_t attempt, NodeId node);
  void answer(std::size_t number, std::uint64_t attempt, std::function<void(Client&)> action);
  /// `leader` is whom the node took for the leader when it answered.
  void proposed(Client& client, const ProposalResult& result, NodeId leader);
  void committed(Client& client, const Payload& result);
  void read_done(Client& client, Refusal refusal, Index state, const Payload& reply);
  void retry(Client& client);
  void finish(Client& client, checker::Outcome outcome, Reply reply);
  [[nodiscard]] NodeId choose(Client& client);
  [[nodiscard]] Access access(const Client& client) const { return subject_.kinds[client.current->kind].access; }
  [[nodiscard]] bool uses_sessions(const Client& client) const;
  [[nodiscard]] std::size_t number_of(const Client& client) const {
    return static_cast<std::size_t>(&client - clients_.data());
  }

  World& world_;
  Cluster& cluster_;
  const Subject& subject_;
  Workload& workload_;
  Limits limits_;
  Reporter reporter_;
  std::vector<Client> clients_;
  std::vector<Settled> settled_;
  std::uint64_t open_ = 0;
  Counts counts_;
};

}  // namespace quorate::sim
