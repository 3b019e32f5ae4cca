// A node inside a program: a member of a cluster like those that `quorate node` runs, with the same data directory, the
// same flags as fields of NodeConfig, and the same HTTP interface beside it - and SQL for the program itself, as values
// instead of JSON, on any node: what only the leader can do is passed on to it.
//
// Threads: the node has threads of its own. Everything here may be called from any other thread, by several at once,
// and blocks until it is done. Ownership: whoever holds it; the node stops with it, and hands leadership over first if
// it has it. Errors: starting and stopping say why they could not; a request ends as database.hpp says, and never with
// a guess. Durability: a request that ended with kDone is on the disks of a majority.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "consensus/result.hpp"
#include "consensus/types.hpp"
#include "server/config.hpp"
#include "server/database.hpp"
#include "server/sql_outcome.hpp"
#include "statemachine/sqlite/request.hpp"

namespace quorate::server {

class EmbeddedNode {
 public:
  /// Returns when the node listens. Several nodes may run in one program, each with a directory of its own.
  static Result<std::unique_ptr<EmbeddedNode>> start(const NodeConfig& config);
  ~EmbeddedNode();
  EmbeddedNode(const EmbeddedNode&) = delete;
  EmbeddedNode& operator=(const EmbeddedNode&) = delete;

  /// Until a leader is known and all that this node had is applied: an error says what was missing at the end.
  Result<void> wait_until_ready(Duration timeout);

  /// Runs statements. While there is no leader, what needs one is tried again until options.timeout is over.
  SqlOutcome run(const sqlite::Request& request, const SqlOptions& options = {});
  /// One statement that may write, with parameters by position.
  SqlOutcome execute(std::string sql, std::vector<sqlite::Value> parameters = {}, const SqlOptions& options = {});
  /// One statement that only reads.
  SqlOutcome query(std::string sql, std::vector<sqlite::Value> parameters = {}, const SqlOptions& options = {});

  /// Stops in good order; the reason if it had ended for another one before. Afterwards requests are refused.
  Result<void> stop();

 private:
  struct Parts;
  explicit EmbeddedNode(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace quorate::server
