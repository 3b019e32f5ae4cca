// Writes a line to the log for every statement that takes long, with what an operator needs to find it: how long, how
// many rows, the text or its beginning. Bounded: texts are cut, and so many lines a second are written at the most.
//
// Threads: watch() on the loop; what it returns like any ResultSink; lines are written from whatever thread noticed.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "server/database.hpp"
#include "server/log.hpp"

namespace quorate::server {

/// Of a request; statements behind them are told by their numbers.
inline constexpr std::size_t kSlowTextBytesMax = 2000;
inline constexpr unsigned kSlowLinesPerSecondMax = 10;

class SlowStatements {
 public:
  using Write = std::function<void(std::string_view message, LogValues values)>;

  /// 0: nothing is slow. `write` is called on any thread.
  SlowStatements(Duration threshold, std::function<Instant()> now, Write write);

  /// What the results shall pass through on their way to `sink`, and the end on its way to `done`.
  struct Watched {
    std::shared_ptr<ResultSink> sink;
    SqlDone done;
  };
  [[nodiscard]] Watched watch(const sqlite::Request& request, std::shared_ptr<ResultSink> sink, SqlDone done) const;

 private:
  class Limit;
  struct Rule;
  class Results;

  std::shared_ptr<Rule> rule_;  ///< null: nothing is slow
};

}  // namespace quorate::server
