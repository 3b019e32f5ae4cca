// The replicated database as its front ends see it: statements in, results out, and an end that says what is certain.
// The HTTP handlers are written against these interfaces and tested with imitations of them; the node implements them.
//
// Threads: everything is called on the node's loop, and every `done` is called on the loop, exactly once, possibly from
// within the call that was handed it. A ResultSink alone may be called on other threads, one call at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "consensus/types.hpp"
#include "statemachine/sqlite/request.hpp"

namespace quorate::server {

enum class ReadLevel : std::uint8_t {
  kAuto,          ///< none on read replicas, weak on voters
  kNone,          ///< whatever this node has
  kWeak,          ///< what the leader has, or who believes to be the leader
  kLinearizable,  ///< at least everything acknowledged before the request came
  kStrong,        ///< as linearizable, and through the log
};

/// How old a read of level kNone may be: since the leader was last heard of, or since what is applied was appended.
struct Freshness {
  enum class Measure : std::uint8_t { kSinceContact, kSinceAppended };
  Duration limit{};
  Measure measure = Measure::kSinceContact;
};

struct SqlOptions {
  ReadLevel level = ReadLevel::kWeak;
  std::optional<Freshness> freshness;
  Duration timeout = std::chrono::seconds(30);
  Duration linearizable_timeout = std::chrono::seconds(10);
  /// A read sees at least this state; it waits for it.
  Index min_index;
  /// Not empty: a request with this key takes effect once, however often it is sent and whoever leads.
  std::string idempotency_key;
  /// Not empty: within this interactive transaction.
  std::string transaction;
};

struct SqlRequest {
  sqlite::Request sql;
  SqlOptions options;
};

enum class Flow : std::uint8_t {
  kContinue,
  kPause,  ///< whoever takes the rows is behind
  kStop,   ///< nobody wants them any more
};

/// Takes results as they come, statement by statement: executed(), or failed(), or begin_rows(), row()..., and
/// end_rows() or rows_failed(). It is given only what a client may see: nothing speculative.
class ResultSink {
 public:
  virtual ~ResultSink() = default;

  virtual void executed(std::int64_t last_insert_id, std::int64_t rows_affected, Duration elapsed) = 0;
  virtual void failed(std::string_view error, Duration elapsed) = 0;
  virtual void begin_rows(std::span<const sqlite::ColumnDescription> columns) = 0;
  /// After kPause the next call is resume_with(). After kStop the statement is given up with rows_failed().
  virtual Flow row(std::span<const sqlite::Value> values) = 0;
  /// `go_on` is called once, on any thread: with kContinue when further rows are welcome, or with kStop.
  virtual void resume_with(std::function<void(Flow)> go_on) = 0;
  virtual void end_rows(Duration elapsed) = 0;
  virtual void rows_failed(std::string_view error, Duration elapsed) = 0;
};

/// The one result of a request that was repeated, took effect before, and had an answer too large to be kept.
inline constexpr std::string_view kResultNotKept =
    "the request was applied before; its result was too large to be kept";

/// What clients know an error by: a statement that ran into its time limit is told by what it was, a query or not.
enum class Ran : std::uint8_t { kAsQuery, kToExecute };
[[nodiscard]] std::string_view client_text(const sqlite::SqlError& error, Ran how);

/// For results that were collected already.
void deliver(const sqlite::StatementResult& result, Ran how, ResultSink& sink);

/// The end of a request as a whole. Errors of single statements are results, not this.
struct SqlEnd {
  enum class Kind : std::uint8_t {
    kDone,       ///< every statement has its result
    kInvalid,    ///< not allowed, whenever and wherever it is asked; it had no effect
    kTooLarge,   ///< larger than a named limit; it had no effect
    kNotLeader,  ///< only the leader can do it, and this node is not, or not any more; it had no effect
    kRefused,    ///< not now: overloaded, too stale, no quorum, out of time, stopping; it had no effect
    kUnknown,    ///< it may have taken effect, now or later
  };
  Kind kind = Kind::kDone;
  std::string error;  ///< for people; empty if done
  Index log_index;    ///< of the entry that carries it; 0 if it needed none
  Index state_index;  ///< the results are those of the state at this index; 0: not known
};
using SqlDone = std::function<void(SqlEnd)>;

struct TransactionBegun {
  SqlEnd end;
  std::string token;        ///< what later requests name it by
  Duration idle_timeout{};  ///< it is rolled back after this long without a request
  Duration total_timeout{};
};
enum class TransactionEnd : std::uint8_t { kCommit, kRollback };

class Database {
 public:
  virtual ~Database() = default;

  /// `sink` gets no call after `done`; what it was given is void unless the end is kDone.
  virtual void run(SqlRequest request, std::shared_ptr<ResultSink> sink, SqlDone done) = 0;

  /// Interactive transactions: BEGIN ... COMMIT over several requests, on the leader.
  virtual void begin(Duration timeout, std::function<void(TransactionBegun)> done) = 0;
  virtual void end(std::string token, TransactionEnd how, Duration timeout, SqlDone done) = 0;
};

}  // namespace quorate::server
