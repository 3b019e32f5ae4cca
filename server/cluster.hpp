// The cluster as its front ends see it: who leads, who belongs to it, how they are, and what an operator can change.
// The counterpart of database.hpp, implemented by the node and imitated by tests.
//
// Threads: as in database.hpp: everything on the loop, every `done` exactly once.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "consensus/payload.hpp"
#include "consensus/types.hpp"

namespace quorate::server {

/// One member, as far as it can be known from here.
struct NodeView {
  std::string id;
  std::string address;  ///< for nodes, host:port
  std::string api_url;  ///< for clients, http://host:port; empty if the node could not be asked
  std::string version;  ///< empty likewise
  bool is_voter = true;
  bool is_leader = false;
  bool is_reachable = true;
  Duration response_time{};
  std::string error;  ///< why it is not reachable

  /// How far it is, at the moment of its answer; the state is empty if it does not say.
  std::string state;
  Term term;
  Index commit;
  Index applied;
};

enum class Members : std::uint8_t { kVoters, kAll };

/// Of a request that was passed on to the leader.
struct ForwardEnd {
  enum class Kind : std::uint8_t {
    kAnswered,
    kNoLeader,  ///< nobody is known to lead; it had no effect
    kRefused,   ///< the leader could not be reached, or did nothing; it had no effect
    kUnknown,   ///< the leader may have done it
  };
  Kind kind = Kind::kUnknown;
  std::vector<std::byte> answer;
  std::string error;
};

/// Of a change of the cluster.
struct ChangeEnd {
  enum class Kind : std::uint8_t { kDone, kNotLeader, kInvalid, kRefused, kUnknown };
  Kind kind = Kind::kDone;
  std::string error;
};

struct ReadyQuestion {
  bool needs_leader = true;
  bool needs_sync = false;  ///< everything that the leader has committed by now is applied here
  Duration timeout{};
};
struct Readiness {
  bool has_leader = true;
  bool is_removed = false;   ///< from the cluster: no leader will ever speak to this node
  std::string leader_error;  ///< the leader is known, but does not answer
  bool is_store_ready = true;
  std::string sync_error;
  std::string database_error;
};

enum class SnapshotEnd : std::uint8_t {
  kTaken,
  kNothingNew,  ///< since the last one
  kTimedOut,    ///< it may still be taken
};

/// What has happened on this node since its process began.
struct ClusterCounts {
  std::uint64_t joins = 0;          ///< requests to be taken in
  std::uint64_t joins_ignored = 0;  ///< of those that were members already, just as they wished
  std::uint64_t removed_before_joins =
      0;                        ///< members that came back without their disk: their former selves were removed
  std::uint64_t snapshots = 0;  ///< checkpoints of this node, taken here or received
};

class Cluster {
 public:
  virtual ~Cluster() = default;

  [[nodiscard]] virtual bool is_leader() const = 0;
  [[nodiscard]] virtual bool is_voter() const = 0;
  /// Whether somebody is known to lead.
  [[nodiscard]] virtual bool has_leader() const = 0;
  /// Opaque bytes to the leader's counterpart of whoever asks.
  virtual void forward(Payload request, Duration timeout, std::function<void(ForwardEnd)> done) = 0;

  /// The leader as it is known here, asked for what else there is to know of it.
  virtual void find_leader(Duration timeout, std::function<void(std::optional<NodeView>)> done) = 0;
  /// All members, each asked whether it is there.
  virtual void probe(Members members, Duration timeout, std::function<void(std::vector<NodeView>)> done) = 0;
  virtual void check_ready(const ReadyQuestion& question, std::function<void(Readiness)> done) = 0;

  /// An id that is no member's is removed already. Guarded, it is refused if too few voters would be left in contact
  /// for a majority.
  enum class RemovalGuard : std::uint8_t { kOn, kOff };
  virtual void remove(std::string id, RemovalGuard guard, Duration timeout, std::function<void(ChangeEnd)> done) = 0;
  /// Of what is applied on this node, so that its log can be cut.
  virtual void take_snapshot(Duration timeout, std::function<void(SnapshotEnd)> done) = 0;
  /// To the best voter if `target` is empty. Done as soon as the transfer has begun, or, if `wait`, has ended.
  enum class TransferWait : std::uint8_t { kUntilBegun, kUntilEnded };
  virtual void transfer_leadership(std::string target, TransferWait wait, Duration timeout,
                                   std::function<void(ChangeEnd)> done) = 0;
};

}  // namespace quorate::server
