// A simulated client's interactive transaction: BEGIN, statement after statement as the answers come, COMMIT. Some
// clients fall silent in the middle, and hold the write slot until their session is given up.
//
// Nothing remembers the outcome of such a transaction for its client, which may not hear of it. It inserts a row of its
// own that can be there only once: finding it there, it knows that an earlier attempt was committed.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "statemachine/sqlite/executor.hpp"

namespace quorate::sim {

class SqlSession : public std::enable_shared_from_this<SqlSession> {
 public:
  struct Outcome {
    enum class Kind : std::uint8_t { kCommitted, kCommittedBefore, kRefused, kUnknown } kind = Kind::kRefused;
    sqlite::Response response;
    Index log_index;
    std::uint32_t position = 0;
  };
  using Done = std::function<void(Outcome)>;

  /// `request` begins with kBeginOfSession. It falls silent before the statement of this number, if there is one. The
  /// executor outlives the session; `done` is dropped with it.
  static void start(sqlite::Executor& executor, sqlite::Request request, Instant deadline, std::size_t silent_before,
                    Done done);

 private:
  SqlSession(sqlite::Executor& executor, sqlite::Request request, Instant deadline, std::size_t silent_before,
             Done done)
      : executor_(executor),
        request_(std::move(request)),
        deadline_(deadline),
        silent_before_(silent_before),
        done_(std::move(done)) {}

  void begin();
  void go_on();
  void took(sqlite::Execution execution);
  void commit();
  void give_up(Outcome::Kind kind);

  sqlite::Executor& executor_;
  sqlite::Request request_;
  Instant deadline_;
  std::size_t silent_before_;
  Done done_;
  std::string token_;
  std::size_t next_ = 1;  ///< statement
  Outcome outcome_;
};

}  // namespace quorate::sim
