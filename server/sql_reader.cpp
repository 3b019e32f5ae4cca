#include "server/sql_reader.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <pthread.h>

#include "consensus/types.hpp"
#include "server/sql_ends.hpp"
#include "statemachine/sqlite/statement_runner.hpp"

namespace quorate::server {

using sqlite::RequestKind;
using sqlite::RowCursor;

namespace {

constexpr const char* kTooLate = "it did not begin within its time limit";
constexpr const char* kGone = "the client is gone";

/// Whether all statements of the text only read, as far as can be told here: what cannot be prepared may be about
/// tables that this replica does not have yet.
bool only_reads(sqlite::Connection& connection, std::string_view sql) {
  while (!sql.empty()) {
    const auto prepared = connection.prepare(sql);
    if (!prepared) return false;
    const sqlite::Statement& statement = prepared->statement;
    if (!statement.is_empty() && !sqlite::is_harmless_query(statement)) return false;
    sql = prepared->rest;
  }
  return true;
}

}  // namespace

/// One read on its way. Touched by one thread at a time: between two pieces it belongs to whoever will go on.
class SqlReader::Read : public std::enable_shared_from_this<Read> {
 public:
  Read(SqlReader& owner, sqlite::Request request, Instant deadline, std::shared_ptr<ResultSink> sink, SqlDone done)
      : owner_(owner),
        request_(std::move(request)),
        deadline_(deadline),
        sink_(std::move(sink)),
        done_(std::move(done)) {}

  void begin() {
    begun_ = owner_.now_();
    if (begun_ >= deadline_) return end({.kind = SqlEnd::Kind::kRefused, .error = kTooLate});
    if (sqlite::is_raised(request_.stop)) return end({.kind = SqlEnd::Kind::kRefused, .error = kGone});
    auto reader = owner_.pool_.take();
    if (!reader) return end(end_of(reader.error(), Ran::kAsQuery));
    if (request_.kind == RequestKind::kMixed) {
      for (const auto& statement : request_.statements)
        if (!only_reads(reader->connection(), statement.sql)) return end({.kind = SqlEnd::Kind::kNotLeader});
    }
    const Duration time_left = deadline_ - begun_;
    request_.time_max = std::min(request_.time_max.value_or(time_left), time_left);
    if (request_.statements.size() == 1) return stream(std::move(*reader));
    collect(std::move(*reader));
  }

 private:
  void stream(sqlite::Reader reader) {
    reader.connection().set_deadline(begun_ + *request_.time_max);
    reader.connection().set_stop_flag(request_.stop);
    auto cursor = RowCursor::open(std::move(reader), request_.statements.front());
    if (cursor) {
      cursor_.emplace(std::move(*cursor));
      sink_->begin_rows(cursor_->columns());
      return go_on();
    }
    // What cannot be streamed can still be run: several statements in one text, or one that yields no rows.
    auto another = owner_.pool_.take();
    if (!another) return end(end_of(another.error(), Ran::kAsQuery));
    collect(std::move(*another));
  }

  void go_on() {
    while (true) {
      for (; next_row_ < piece_.rows.size();) {
        switch (sink_->row(piece_.rows[next_row_++])) {
          case Flow::kContinue: break;
          case Flow::kPause: return pause();
          case Flow::kStop: return give_up();
        }
      }
      if (piece_.end == RowCursor::Piece::End::kReached) {
        state_ = cursor_->last_entry().index;
        cursor_.reset();
        sink_->end_rows(owner_.now_() - begun_);
        return end({.state_index = state_});
      }
      auto piece = cursor_->next(kReadPieceBytes);
      if (!piece) {
        sink_->rows_failed(client_text(piece.error(), Ran::kAsQuery), owner_.now_() - begun_);
        return end({.state_index = cursor_->last_entry().index});
      }
      piece_ = std::move(*piece);
      next_row_ = 0;
    }
  }

  /// Waits with the owner, not with the sink: who stops the owner ends what waits.
  void pause() {
    owner_.keep(shared_from_this());
    sink_->resume_with([weak = weak_from_this()](Flow flow) {
      const auto self = weak.lock();
      if (self == nullptr) return;
      if (const auto taken = self->owner_.take_back(self.get()))
        taken->owner_.enqueue([taken, flow] { flow == Flow::kStop ? taken->give_up() : taken->go_on(); });
    });
  }

  void give_up() {
    sink_->rows_failed("interrupted", owner_.now_() - begun_);
    end({.kind = SqlEnd::Kind::kRefused, .error = kGone});
  }

  void collect(sqlite::Reader reader) {
    const sqlite::Response response = reader.run(request_);
    if (response.error) return end(end_of(*response.error, Ran::kAsQuery));
    for (const sqlite::StatementResult& result : response.results) deliver(result, Ran::kAsQuery, *sink_);
    end({.state_index = reader.last_entry().index});
  }

  /// The connection goes back before anybody hears of it.
  void end(SqlEnd how) {
    cursor_.reset();
    owner_.post_([done = std::move(done_), how = std::move(how)]() mutable { done(std::move(how)); });
  }

  SqlReader& owner_;
  sqlite::Request request_;
  Instant deadline_;
  std::shared_ptr<ResultSink> sink_;
  SqlDone done_;
  Instant begun_;
  std::optional<RowCursor> cursor_;
  RowCursor::Piece piece_;
  std::size_t next_row_ = 0;
  Index state_;
};

SqlReader::SqlReader(sqlite::PageStore& store, const sqlite::ConnectionOptions& connection, SqlReaderOptions options,
                     Post post)
    : pool_(store, connection, options.connections_idle_max), now_(connection.now), post_(std::move(post)) {
  for (unsigned i = 0; i < options.threads; ++i) {
    threads_.emplace_back([this] { work(); });
    pthread_setname_np(threads_.back().native_handle(), "quorate-read");
  }
}

SqlReader::~SqlReader() { stop(); }

void SqlReader::run(sqlite::Request request, Instant deadline, std::shared_ptr<ResultSink> sink, SqlDone done) {
  {
    const std::lock_guard lock(mutex_);
    if (jobs_.size() + arrived_.size() >= kReadsQueuedMax) {
      SqlEnd overloaded{.kind = SqlEnd::Kind::kRefused, .error = "too many reads wait; try again later"};
      return post_([done = std::move(done), overloaded = std::move(overloaded)] { done(overloaded); });
    }
  }
  auto read = std::make_shared<Read>(*this, std::move(request), deadline, std::move(sink), std::move(done));
  if (arrived_.empty()) {
    post_([this, life = std::weak_ptr(alive_)] {
      if (!life.expired()) hand_over();
    });
  }
  arrived_.emplace_back([read] { read->begin(); });
}

void SqlReader::hand_over() {
  std::size_t to_wake = arrived_.size();
  {
    const std::lock_guard lock(mutex_);
    if (!is_stopping_) std::ranges::move(arrived_, std::back_inserter(jobs_));
    to_wake = std::min(to_wake, idle_);
  }
  arrived_.clear();
  for (; to_wake > 0; --to_wake) wake_.notify_one();
}

void SqlReader::enqueue(Job job) {
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
  }
  wake_.notify_one();
}

void SqlReader::keep(const std::shared_ptr<Read>& paused) {
  const std::lock_guard lock(mutex_);
  paused_.emplace(paused.get(), paused);
}

std::shared_ptr<SqlReader::Read> SqlReader::take_back(Read* paused) {
  const std::lock_guard lock(mutex_);
  const auto node = paused_.extract(paused);
  return node.empty() ? nullptr : node.mapped();
}

void SqlReader::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    wake_.wait(lock, [this] { return is_stopping_ || !jobs_.empty(); });
    --idle_;
    if (is_stopping_) return;
    const Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    job();
    lock.lock();
  }
}

void SqlReader::stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_)
    if (thread.joinable()) thread.join();
  const auto paused = [this] {
    const std::lock_guard lock(mutex_);
    jobs_.clear();
    return std::exchange(paused_, {});
  }();
}

}  // namespace quorate::server
