// The servers of a scenario, the network between them, the clients' calls, and time. Everything happens because a
// command says so: a message is delivered, an alarm rings, a write completes; only run() and stabilize() let things
// take their course. Invariants are checked after each of these, and the first one that does not hold is a Failure.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "consensus/coverage.hpp"
#include "consensus/exactly_once.hpp"
#include "tests/scenarios/invariants.hpp"
#include "tests/scenarios/network.hpp"
#include "tests/scenarios/server.hpp"

namespace quorate::scenario {

/// What a server's disk holds before the scenario begins.
struct Given {
  std::vector<std::string> log;  ///< terms; term:(members) is a configuration; empty: the founding entry alone
  std::optional<Term> term;      ///< that of the last entry if not said
  NodeId voted_for;
  std::optional<Index> commit;  ///< as far as the snapshot reaches if not said
  Index snapshot;               ///< the state machine's checkpoint covers the log up to here,
  Index base;                   ///< and the log up to here is gone
};

struct Setup {
  Configuration founders;
  std::vector<NodeId> spares;  ///< servers that belong to no cluster yet
  CoreOptions core;
  std::size_t chunk_bytes = 32;
  SessionLimits sessions;
  Duration latency = std::chrono::milliseconds(1);
  std::map<NodeId, Given> given;
  bool is_on_files = false;  ///< the disks are files with a real write-ahead log on them
};

/// A client's request, by the name that the scenario gives it.
struct Call {
  std::string outcome = "open";
  LogId id;            ///< of the entry, where there is one
  Index read_index;    ///< of a read
  std::string result;  ///< what the state machine answered
  NodeId server;
  Index floor;  ///< what any client knew to be committed when the call was made
};

class Cluster {
 public:
  Cluster(const Setup& setup, Coverage* coverage);

  // Servers.
  [[nodiscard]] Server& server(NodeId node);
  [[nodiscard]] Servers& servers() { return servers_; }
  [[nodiscard]] std::set<NodeId> nodes() const;
  void crash(NodeId node, std::size_t atoms, UnsyncedWrites fate = UnsyncedWrites::kDropped);
  void start(NodeId node);
  void wipe(NodeId node);
  [[nodiscard]] Invariants& invariants() { return invariants_; }

  // Time. A single server's clock may be ahead of the others': tick() moves it to its next alarm.
  void tick(NodeId node);
  /// The alarm rings now, however late.
  void ring(NodeId node);
  void run(Duration duration);
  /// Runs until the condition holds; false if it does not within the limit.
  bool run_until(const std::function<bool()>& condition, Duration limit);

  // Messages.
  [[nodiscard]] Network& network() { return network_; }
  void deliver(Message message);
  /// Delivers everything between these servers until nothing moves any more; no time passes.
  void stabilize(const std::set<NodeId>& among);

  // Clients. `expect_call` names a call; what it returns is to be given to the node as the callback.
  ProposalCallback expect_call(const std::string& name, NodeId server);
  ReadCallback expect_read(const std::string& name, NodeId server);
  [[nodiscard]] const Call& call(const std::string& name) const;
  [[nodiscard]] const std::map<std::string, Call>& calls() const { return calls_; }
  /// Opened sessions by name.
  std::map<std::string, SessionId> sessions;

  /// Where to tell what happens, for whoever looks for the cause of a failure; null: nowhere.
  std::ostream* trace = nullptr;

  /// After anything was done to a server: completes what is not stalled, then checks the invariants.
  void settle(NodeId node);

  /// The leader that a quorum of its configuration follows.
  [[nodiscard]] std::optional<NodeId> leader() const;
  /// Whether all members agree on a leader, on its log and on what is applied, and nobody waits for an answer.
  [[nodiscard]] bool has_converged() const;
  /// Why has_converged() is false, for a person.
  [[nodiscard]] std::string obstacle() const;

 private:
  void check();
  void finish_call(const std::string& name, const ProposalResult& result);
  void fill(Server& server, const Setup& setup, NodeId node);
  /// The next message or alarm, and when; nothing before `limit`.
  bool step_until(Instant limit);
  [[nodiscard]] std::set<NodeId> listening() const;

  Instant now_{std::chrono::seconds(1)};
  Duration latency_;
  Network network_;
  Invariants invariants_;
  Servers servers_;
  std::map<std::string, Call> calls_;
  Index acknowledged_;  ///< some client knows that everything up to here is committed
};

}  // namespace quorate::scenario
