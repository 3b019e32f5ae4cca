// Reads of what is applied on this node, on threads of their own: from a request of statements that only read to rows
// in a ResultSink. A single statement is streamed at the pace of whoever takes the rows, holding neither a thread nor
// more than a piece of the result while it waits; several statements see one state together and are collected before.
//
// Reads that arrive in one turn of the loop wake the threads together, because waking costs more than a point read.
//
// Threads: run() on the loop; `done` is posted to the loop; the sink is called on the reader threads, one call at a
// time. stop() ends the threads; what is open then is dropped.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "server/database.hpp"
#include "statemachine/sqlite/reader_pool.hpp"

namespace quorate::server {

struct SqlReaderOptions {
  unsigned threads = 2;
  std::size_t connections_idle_max = 256;
};

/// Reads that wait for a thread; more are refused.
inline constexpr std::size_t kReadsQueuedMax = 65'536;
/// Rows are fetched in pieces of about this size.
inline constexpr std::size_t kReadPieceBytes = std::size_t{64} << 10;

class SqlReader {
 public:
  using Post = std::function<void(std::function<void()>)>;

  /// The store outlives the reader.
  SqlReader(sqlite::PageStore& store, const sqlite::ConnectionOptions& connection, SqlReaderOptions options, Post post);
  ~SqlReader();
  SqlReader(const SqlReader&) = delete;
  SqlReader& operator=(const SqlReader&) = delete;

  /// Of a request of kind kMixed that may write, nothing is run, and it ends with kNotLeader. It is refused if it is
  /// not running by `deadline`, and given up at it.
  void run(sqlite::Request request, Instant deadline, std::shared_ptr<ResultSink> sink, SqlDone done);

  /// Any thread.
  void stop();

 private:
  class Read;

  using Job = std::function<void()>;

  void hand_over();
  void enqueue(Job job);
  void keep(const std::shared_ptr<Read>& paused);
  std::shared_ptr<Read> take_back(Read* paused);
  void work();

  sqlite::ReaderPool pool_;
  const std::function<Instant()> now_;
  const Post post_;
  const std::shared_ptr<const char> alive_ = std::make_shared<const char>();
  std::vector<Job> arrived_;  ///< in this turn of the loop; the loop's own
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  std::size_t idle_ = 0;  ///< threads that wait for jobs
  std::map<Read*, std::shared_ptr<Read>> paused_;
  bool is_stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace quorate::server
