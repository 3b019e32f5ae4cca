// /db/execute, /db/query, /db/request and interactive transactions: from the request to the database and back. Decides
// whether this node may answer or the leader must; what the statements mean is the database's business. Loop thread
// only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "server/cluster.hpp"
#include "server/database.hpp"
#include "server/http/exchange.hpp"
#include "server/http/leader_route.hpp"
#include "server/http/sql_answer.hpp"
#include "server/write_queue.hpp"

namespace quorate::http {

inline constexpr std::size_t kIdempotencyKeyBytesMax = 256;

class SqlHandler {
 public:
  /// Everything referred to outlives the handler. `queue` may be null: queued writes are executed at once then.
  /// `first_sequence_number` is where their numbers begin.
  SqlHandler(const HandlerContext& context, server::Database& database, server::Cluster& cluster, LeaderRoute& leader,
             server::WriteQueue* queue, std::uint64_t first_sequence_number)
      : context_(context),
        database_(database),
        cluster_(cluster),
        leader_(leader),
        queue_(queue),
        next_sequence_number_(first_sequence_number) {}

  void execute(Exchange exchange);
  void query(Exchange exchange);
  void request(Exchange exchange);

  /// /db/sql: what is executed instead of the statements that were sent. Here that is always the statements themselves.
  void show_rewritten(Exchange exchange);

  /// Of the next write that is queued.
  [[nodiscard]] std::uint64_t next_sequence_number() const { return next_sequence_number_; }

  void begin(Exchange exchange);
  void end(server::TransactionEnd how, Exchange exchange);

 private:
  void serve(sqlite::RequestKind kind, Exchange exchange);
  class QueuedAnswer;

  void enqueue(Exchange exchange);
  void watch_waiting();
  void run_queued(server::SqlRequest request, Exchange exchange);
  void count_statements(sqlite::RequestKind kind, std::size_t statements) const;
  [[nodiscard]] bool may_run_here(sqlite::RequestKind kind, const Parameters& parameters) const;

  const HandlerContext& context_;
  server::Database& database_;
  server::Cluster& cluster_;
  LeaderRoute& leader_;
  server::WriteQueue* queue_;
  std::uint64_t next_sequence_number_;
  std::multimap<Instant, std::shared_ptr<QueuedAnswer>> waiting_;  ///< for queued writes, by when they give up
  bool is_watching_ = false;
};

}  // namespace quorate::http
