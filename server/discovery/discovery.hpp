// How nodes find their cluster without knowing an address of it: in a store that names the leader, or in the DNS.
//
//   consul-kv, etcd-kv   Whoever creates the key begins the cluster; all others join through the node that it names.
//   The
//                        leader keeps it up to date. A read replica never creates it.
//   dns, dns-srv         The names stand for all nodes; who begins the cluster they settle among each other
//                        (founder_choice.hpp).
//
// What blocks is done on the executor's thread, one question at a time; everything here is called on the loop and calls
// back on it. What is under way when it is destroyed is never answered; the destructor raises the stop flag, so that
// the executor's thread, which outlives it, is free soon.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "consensus/result.hpp"
#include "consensus/types.hpp"
#include "server/discovery/discovery_config.hpp"
#include "server/discovery/key_value_store.hpp"
#include "server/discovery/leader_record.hpp"
#include "server/discovery/options.hpp"
#include "server/http/status_tree.hpp"

namespace quorate::discovery {

class NodeAddresses;

/// Between two looks of the leader at the key.
inline constexpr Duration kReportInterval = std::chrono::seconds(5);
/// After a question that has failed; twice as long after the next one, up to the last.
inline constexpr Duration kFirstPause = std::chrono::seconds(1);
inline constexpr Duration kLongestPause = std::chrono::seconds(15);

/// Doubles from the first pause to the longest.
class BackOff {
 public:
  Duration next() {
    const Duration pause = pause_;
    pause_ = std::min(2 * pause_, kLongestPause);
    return pause;
  }
  void reset() { pause_ = kFirstPause; }

 private:
  Duration pause_ = kFirstPause;
};

/// May a node begin the cluster?
enum class Founding : std::uint8_t { kAllowed, kForbidden };

struct Whereabouts {
  /// Of nodes that may belong to the cluster, host:port each; none if there is nobody to ask yet.
  std::vector<std::string> addresses;
  /// This node has won: it is to begin the cluster.
  bool is_founder = false;
  /// Why there is nobody to ask yet.
  std::string note;
};

class Discovery {
 public:
  struct Surroundings {
    /// Blocking work; `done` on the loop.
    std::function<void(std::function<void()> job, std::function<void()> done)> run;
    std::function<void(Duration delay, std::function<void()> task)> after;
    std::function<void(const std::string&)> inform;
    std::function<void(const std::string&)> warn;
    Environment environment;
  };

  /// Asks nobody yet. The error names the flag, and says what is wrong.
  static Result<std::unique_ptr<Discovery>> open(const DiscoveryOptions& options, const LeaderRecord& self,
                                                 Surroundings surroundings);
  /// For tests, with a store of their own.
  Discovery(Mode mode, std::unique_ptr<KeyValueStore> store, const LeaderRecord& self, Surroundings surroundings);
  ~Discovery();
  Discovery(const Discovery&) = delete;
  Discovery& operator=(const Discovery&) = delete;

  [[nodiscard]] bool has_store() const { return store_ != nullptr; }

  /// Once. An error is one of whoever was asked, and may pass.
  void find(Founding founding, std::function<void(Result<Whereabouts>)> done);

  /// Whether this node leads the cluster. The leader writes itself into the store, again and again if need be; a
  /// problem is logged when it begins and when it is over.
  void lead(bool is_leader);

  void write_status(http::StatusTree& status) const;

 private:
  Discovery(Mode mode, const LeaderRecord& self, Surroundings surroundings);

  void report(std::uint64_t leadership);
  void reported(std::uint64_t leadership, const Result<void>& outcome);
  void note(const std::optional<Error>& error);

  Mode mode_;
  LeaderRecord self_;
  Surroundings surroundings_;
  std::shared_ptr<std::atomic<bool>> stop_ = std::make_shared<std::atomic<bool>>(false);
  // Shared with the jobs on the thread, which may outlive this.
  std::shared_ptr<KeyValueStore> store_;
  std::shared_ptr<NodeAddresses> addresses_;

  bool is_leader_ = false;
  std::uint64_t leadership_ = 0;  ///< counts: what belongs to an earlier one has no effect
  bool has_reported_ = false;
  std::string report_problem_;
  BackOff report_pause_;

  std::string last_error_;
  std::string last_contact_;
  std::vector<std::string> last_addresses_;
  std::shared_ptr<const char> life_ = std::make_shared<const char>();
};

}  // namespace quorate::discovery
