// Makes a Storage (concepts.hpp) of a log whose calls block: the calls run as jobs on a serial executor, the
// completions on the node's strand. Whatever is submitted while a job runs goes into the next one and shares its sync
// (group commit); a batch never waits for others to come.
//
// A full disk does not end the node. Batches wait, in order, until there is room: a leader whose batches wait for
// longer than an election timeout gives up leadership by itself, and compaction, which makes room, goes ahead of what
// waits. Any other error is final, and is what every later batch gets as well.
//
// Used on the node's strand only. The log is touched by jobs only, and lives until the last job has ended, even if
// this object does not; completions are then dropped.
#pragma once

#include <deque>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "consensus/concepts.hpp"
#include "consensus/effect.hpp"
#include "consensus/result.hpp"

namespace quorate::storage {

/// A job takes no further batches when it has this many bytes of entries.
inline constexpr std::size_t kJobBytesTarget = std::size_t{1} << 20;

/// `Log` is a Wal, or looks like one.
template <class Log, SerialExecutor Executor>
class AsyncStorage {
 public:
  /// `executor` outlives the storage.
  AsyncStorage(Log log, Executor& executor) : log_(std::make_shared<Log>(std::move(log))), executor_(&executor) {}
  AsyncStorage(const AsyncStorage&) = delete;
  AsyncStorage& operator=(const AsyncStorage&) = delete;

  void submit(PersistBatch batch, Completion<LogId> done) {
    queue_.push_back({std::move(batch), std::move(done)});
    start();
  }

  void compact(LogId through) {
    compaction_ = through;
    start();
  }

  /// Whether batches wait for room on the disk.
  [[nodiscard]] bool is_waiting_for_space() const { return is_full_; }
  /// Looks whether there is room now. Submitting and compacting do that as well.
  void retry() {
    retry_ = true;
    if (is_full_) start();
  }

 private:
  struct Request {
    PersistBatch batch;
    Completion<LogId> done;
  };
  struct Job {
    std::deque<Request> requests;
    std::optional<LogId> compaction;
    // Results:
    std::vector<LogId> written;  ///< the log's last entry after each request that is durable
    bool is_full = false;        ///< the others found no room
    Index base;
    std::optional<Error> error;
    bool has_more_to_prepare = false;
  };

  void start() {
    if (is_busy_) return;
    retry_ = false;
    auto job = std::make_shared<Job>();
    job->requests = take_requests();
    job->compaction = compaction_;
    launch(std::move(job), &write);
  }

  std::deque<Request> take_requests() {
    std::size_t bytes = 0;
    auto end = queue_.begin();
    for (; end != queue_.end() && bytes < kJobBytesTarget; ++end) {
      for (const Entry& entry : end->batch.entries) bytes += entry_cost_bytes(entry);
    }
    std::deque<Request> taken(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
    queue_.erase(queue_.begin(), end);
    return taken;
  }

  void launch(std::shared_ptr<Job> job, void (*work)(Log&, Job&)) {
    is_busy_ = true;
    executor_->run([log = log_, job, work] { work(*log, *job); },
                   [this, life = std::weak_ptr<const char>(life_), job] {
                     if (!life.expired()) finish(std::move(*job));
                   });
  }

  /// On the executor.
  static void write(Log& log, Job& job) {
    for (const Request& request : job.requests) {
      const Result<LogId> last = log.append(request.batch);
      job.is_full = !last && last.error().kind == ErrorKind::kDiskFull;
      if (job.is_full) break;
      if (!last) return abandon(job, last.error());
      job.written.push_back(*last);
    }
    if (const Result<void> committed = log.commit(); !committed) return abandon(job, committed.error());
    if (job.compaction) {
      const Result<void> compacted = log.compact(*job.compaction);
      if (!compacted && compacted.error().kind != ErrorKind::kDiskFull) return abandon(job, compacted.error());
    }
    job.base = log.state().base.index;
  }
  static void abandon(Job& job, const Error& error) {
    job.written.clear();
    job.error = error;
  }

  /// On the executor, when there is nothing to write.
  static void tidy(Log& log, Job& job) {
    const Result<bool> more = log.mark().and_then([&] { return log.prepare(); });
    if (!more) return abandon(job, more.error());
    job.has_more_to_prepare = *more;
    job.base = log.state().base.index;
  }

  void finish(Job job) {
    is_busy_ = false;
    is_full_ = job.is_full;
    if (job.error) return fail_all(std::move(job));
    if (compaction_ && compaction_->index <= job.base) compaction_.reset();

    // What found no room is the first to be tried again.
    const auto unwritten = job.requests.begin() + static_cast<std::ptrdiff_t>(job.written.size());
    queue_.insert(queue_.begin(), std::make_move_iterator(unwritten), std::make_move_iterator(job.requests.end()));
    go_on(job);

    const std::weak_ptr<const char> life = life_;
    for (std::size_t i = 0; i < job.written.size() && !life.expired(); ++i) job.requests[i].done(job.written[i]);
  }

  /// Before the completions are called, so that the disk is not idle while the node digests them.
  void go_on(const Job& job) {
    const bool has_made_room = job.compaction && compaction_ != job.compaction;
    if (is_full_ && !has_made_room && !retry_) return;
    if (!queue_.empty() || compaction_ != job.compaction) return start();
    if (!job.requests.empty() || job.has_more_to_prepare) launch(std::make_shared<Job>(), &tidy);
  }

  void fail_all(Job job) {
    std::deque<Request> failed = std::move(job.requests);
    failed.insert(failed.end(), std::make_move_iterator(queue_.begin()), std::make_move_iterator(queue_.end()));
    queue_.clear();
    const std::weak_ptr<const char> life = life_;
    for (std::size_t i = 0; i < failed.size() && !life.expired(); ++i) failed[i].done(tl::unexpected(*job.error));
  }

  std::shared_ptr<Log> log_;
  Executor* executor_;
  std::deque<Request> queue_;
  std::optional<LogId> compaction_;  ///< wished for and not done yet
  bool is_busy_ = false;
  bool is_full_ = false;
  bool retry_ = false;  ///< room may have come while the job that finds none was running
  std::shared_ptr<const char> life_ = std::make_shared<const char>();
};

}  // namespace quorate::storage
