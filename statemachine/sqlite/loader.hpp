// Brings a verified file to all replicas, as the database that it is to be: piece by piece through the executor
// (staging.hpp), between the requests of everybody else, and adopted as the last step, all of it or nothing.
//
//   read a piece -> stage it (an entry) -> ... -> all of them are committed -> adopt
//
// Flow control: a few pieces are under way at a time, and only so much is staged before a checkpoint has taken it out
// of memory: however large the file, memory stays as it is.
//
// One load at a time, first come first served. If one fails, what was staged is dropped; if the leadership is lost, the
// next leader drops it (executor.hpp).
//
// Threads: everything on the node's strand, `done` too; files are read in jobs. Machine and executor outlive the
// loader; jobs that are under way when it is destroyed come to nothing.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "statemachine/sqlite/executor.hpp"
#include "statemachine/sqlite/jobs.hpp"
#include "statemachine/sqlite/load.hpp"
#include "statemachine/sqlite/machine.hpp"

namespace quorate::sqlite {

struct LoaderOptions {
  std::size_t piece_bytes = std::size_t{1} << 20;
  std::size_t pieces_under_way_max = 4;
  /// Staged and not yet in the base files. A checkpoint is wanted at half of it.
  std::uint64_t unfolded_bytes_max = std::uint64_t{64} << 20;
};

class Loader {
 public:
  struct Order {
    std::shared_ptr<Load> file;  ///< verified; nobody else uses it until the end
    std::string database = "main";
    std::string idempotency_key;  ///< empty: none
    Instant deadline = Instant::max();
  };

  Loader(SqliteMachine& machine, Executor& executor, LoaderOptions options, JobRunner reading);
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// Ends as the adoption does; kUnknown only if that may still take effect.
  void load(Order order, Executor::Done done);

 private:
  void begin();
  void go_on();
  void read_piece();
  void stage_piece(StagedPages pages);
  void watch_memory(std::uint64_t bytes);
  void adopt_all();
  void drop();
  void end(Execution execution);
  [[nodiscard]] Submission submission(std::function<SqlResult<void>(Connection&)> action) const;
  [[nodiscard]] const Order& order() const { return queue_.front().order; }
  [[nodiscard]] bool is_read() const { return next_.value > order().file->page_count().value; }

  SqliteMachine& machine_;
  Executor& executor_;
  LoaderOptions options_;
  JobRunner reading_;

  struct Waiting {
    Order order;
    Executor::Done done;
  };
  std::deque<Waiting> queue_;  ///< the first is being loaded
  PageNumber next_{1};         ///< to be read
  std::size_t under_way_ = 0;  ///< pieces that are being read or staged
  bool is_reading_ = false;
  std::optional<Execution> failure_;
  std::uint64_t unfolded_ = 0;  ///< bytes
  std::uint64_t folding_ = 0;   ///< of them, those that the checkpoint that is wanted takes; 0: none is
  std::shared_ptr<const char> life_ = std::make_shared<const char>();
};

}  // namespace quorate::sqlite
