// One node's copy of what is replicated: the log on its disk, the database, the executor that a leader runs requests
// with, and the driver (Node) between them and the transport, with the threads that their blocking work needs.
//
//   loop            everything here that is called, the engine, the transport, HTTP
//   quorate-log     writes and syncs of the log
//   quorate-sql     what the leader executes
//   quorate-disk    folds and snapshots
//   quorate-read    readers (sql_reader.hpp), several
//
// Threads: loop only, the destructor included, which ends the other threads. The runtime and the transport outlive it.
// Failure: when the log, the disk or the engine fail, the replica stops for good, and `stopped` says why: the process
// must end, because what it would answer from then on could not be relied on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "consensus/core.hpp"
#include "consensus/node.hpp"
#include "consensus/result.hpp"
#include "server/alarms.hpp"
#include "server/cluster.hpp"
#include "server/config.hpp"
#include "server/data_directory.hpp"
#include "statemachine/sqlite/executor.hpp"
#include "statemachine/sqlite/loader.hpp"
#include "statemachine/sqlite/page_keeper.hpp"
#include "statemachine/sqlite/page_store.hpp"
#include "transport/asio_runtime.hpp"
#include "transport/asio_transport.hpp"

namespace quorate::server {

class SqlReader;

class Replica {
 public:
  struct Surroundings {
    transport::AsioRuntime& runtime;
    transport::AsioTransport& transport;
    Alarms& alarms;
    std::optional<sqlite::CaptureOptions> capture = {};  ///< of the change feed, if there is one
  };
  struct Events {
    /// It cannot go on. Called once, from the loop, not from within a call.
    std::function<void(std::string why)> stopped;
    /// Another leader, another role, another term, or other members, in force or committed.
    std::function<void()> changed;
    /// Something that this node has executed is committed. May be null.
    std::function<void()> committed = {};
  };

  /// Opens what the directory holds, or begins with nothing; `advertised` is how the others reach a founder. Nothing
  /// happens on the network before start().
  static Result<std::unique_ptr<Replica>> open(DataDirectory& directory, const NodeRecord& record,
                                               const NodeConfig& config, Surroundings surroundings, Events events);
  ~Replica();
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  /// The transport must have adopted the identity before.
  void start();
  [[nodiscard]] const transport::PeerIdentity& identity() const;

  // What the transport has for it.
  void receive(Message message);
  void peer_lost(NodeId peer);

  [[nodiscard]] const Core& core() const;
  [[nodiscard]] bool is_leader() const { return core().role() == Role::kLeader; }
  /// This node leads and has applied everything that was acknowledged before it did.
  [[nodiscard]] bool is_serving_leader() const;
  /// All that the log was known to have committed when the process began is applied.
  [[nodiscard]] bool has_replayed() const;
  /// How long ago the leader was heard of: 0 on the leader itself; nothing if never.
  [[nodiscard]] std::optional<Duration> since_contact() const;

  /// As the driver has them; a wait ends by its deadline with Refusal::kTimedOut, or at once with kOverloaded if too
  /// many are still remembered that nobody waits for any more.
  void read(Instant deadline, ReadCallback done);
  void wait_applied(Index index, Instant deadline, ReadCallback done);
  void change_membership(ConfigurationChange change, ProposalCallback done);
  void transfer_leadership(NodeId target, ProposalCallback done);

  /// Makes what is applied now durable apart from the log.
  void checkpoint(Instant deadline, std::function<void(SnapshotEnd)> done);
  /// How many there have been, others' snapshots that were installed here among them.
  [[nodiscard]] std::uint64_t checkpoints() const;
  /// Others' snapshots that were installed here.
  [[nodiscard]] std::uint64_t snapshots_installed() const;
  /// It was opened with a database, of its last checkpoint.
  [[nodiscard]] bool has_begun_with_data() const;

  /// Calls back as soon as the executor takes requests, this node does not lead any more, or it is too late: a leader
  /// begins by committing what it has inherited.
  void await_executor(Instant deadline, std::function<void()> done);
  /// Brings files to all replicas, through the executor.
  [[nodiscard]] sqlite::Loader& loader();
  /// After every use of it: watch_executor().
  [[nodiscard]] sqlite::Executor& executor();
  /// Sees to it that the executor's deadlines are kept.
  void watch_executor();
  [[nodiscard]] SqlReader& reader();
  [[nodiscard]] sqlite::PageStore& store();

  /// Answers another member that asks for a page that is damaged there.
  void supply_page(std::span<const std::byte> request, std::function<void(const Payload&)> done);
  [[nodiscard]] const sqlite::PageKeeperReport& page_care() const;
  [[nodiscard]] std::size_t damaged_pages() const;

  /// Ends the engine in good order: open calls are answered. Nothing else is to be called after it.
  void stop(const std::string& why);

 private:
  struct Parts;
  explicit Replica(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace quorate::server
