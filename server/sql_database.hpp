// The database of a node (database.hpp) over its replica: decides where a request runs and what has to be true before.
//
//   reads        the readers at what is applied here, after having waited for what the level asks for
//   everything   the executor, on the leader
//
//   level         before the read runs
//   none          nothing, or the freshness asked for
//   weak          this node leads, and has applied all that was acknowledged before it did
//   linearizable  a quorum has confirmed who leads, and what was committed by then is applied (any node)
//   strong        an entry of its own is committed (through the executor)
//
// A request of both kinds is run by the readers if all of its statements only read, as far as this node can tell.
//
// Loop thread only. Not before the replica is there: a node that still looks for its cluster refuses everything.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "server/database.hpp"
#include "server/replica.hpp"
#include "server/slow_statements.hpp"

namespace quorate::server {

struct SqlDatabaseOptions {
  Duration transaction_idle_max{};
  Duration transaction_max{};
};

class SqlDatabase final : public Database {
 public:
  SqlDatabase(SqlDatabaseOptions options, SlowStatements slow) : options_(options), slow_(std::move(slow)) {}

  /// Null while there is none; `absence` is what is said to whoever asks then.
  void serve(Replica* replica, std::string absence = "this node does not belong to a cluster yet") {
    replica_ = replica;
    absence_ = std::move(absence);
  }

  void run(SqlRequest request, std::shared_ptr<ResultSink> sink, SqlDone done) override;
  void begin(Duration timeout, std::function<void(TransactionBegun)> done) override;
  void end(std::string token, TransactionEnd how, Duration timeout, SqlDone done) override;

 private:
  using Ready = std::function<void()>;

  void read(SqlRequest request, Instant deadline, std::shared_ptr<ResultSink> sink, SqlDone done);
  void execute(SqlRequest request, Instant deadline, std::shared_ptr<ResultSink> sink, SqlDone done);
  /// Calls `ready` once the level's condition holds, or else `failed`.
  void await_level(const SqlOptions& options, Instant deadline, Ready ready, SqlDone failed);
  void await_index(Index index, Instant deadline, Ready ready, SqlDone failed);
  [[nodiscard]] bool is_fresh(const Freshness& freshness) const;

  SqlDatabaseOptions options_;
  SlowStatements slow_;
  Replica* replica_ = nullptr;
  std::string absence_ = "this node does not belong to a cluster yet";
};

}  // namespace quorate::server
